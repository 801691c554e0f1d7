"""Processors and memory a job may use, on file systems and environments made by hand."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bids_brainage.resources import available_memory_gb, available_processors

GIB = 1024**3


@pytest.fixture
def system(tmp_path):
    """Write files of /proc and /sys below a folder; the host has 64 GiB."""

    def make(**files: str) -> Path:
        content = {"proc/meminfo": f"MemFree: 1 kB\nMemTotal:       {64 * 1024**2} kB\n"} | files
        for name, text in content.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return make


V2 = {"proc/self/cgroup": "0::/slurm/job1/step\n"}
V1 = {"proc/self/cgroup": "5:cpu,cpuacct:/job\n3:memory:/job\n1:name=systemd:/x\n"}


@pytest.mark.parametrize(
    ("files", "environ", "expected"),
    [
        ({}, {}, 16),
        ({}, {"SLURM_CPUS_PER_TASK": "4"}, 4),
        ({}, {"SLURM_CPUS_PER_TASK": "64"}, 16),
        ({}, {"SLURM_CPUS_PER_TASK": "oops"}, 16),
        (V2 | {"sys/fs/cgroup/slurm/job1/step/cpu.max": "250000 100000\n"}, {}, 2),
        (V2 | {"sys/fs/cgroup/slurm/cpu.max": "300000 100000\n"}, {}, 3),
        (V2 | {"sys/fs/cgroup/slurm/cpu.max": "max 100000\n"}, {}, 16),
        (V2 | {"sys/fs/cgroup/cpu.max": "50000 100000\n"}, {}, 1),
        (V1 | {"sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us": "600000\n",
               "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us": "100000\n"}, {}, 6),
        (V1 | {"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
               "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"},
         {}, 16),
        (V1 | {"sys/fs/cgroup/cpu/job/cpu.cfs_quota_us": "700000\n",
               "sys/fs/cgroup/cpu/job/cpu.cfs_period_us": "100000\n"}, {"SLURM_CPUS_PER_TASK": "5"}, 5),
        ({"proc/self/cgroup": "garbage"}, {}, 16),
    ],
)  # fmt: skip
def test_processors(system, files, environ, expected):
    assert available_processors(environ, system(**files), affinity=16) == expected


@pytest.mark.parametrize(
    ("files", "environ", "expected"),
    [
        ({}, {}, 64),
        ({}, {"SLURM_MEM_PER_NODE": "8192"}, 8),
        ({}, {"SLURM_MEM_PER_NODE": "0"}, 64),
        ({}, {"SLURM_MEM_PER_CPU": "2048", "SLURM_CPUS_PER_TASK": "4"}, 8),
        ({}, {"SLURM_MEM_PER_CPU": "2048", "SLURM_CPUS_ON_NODE": "2"}, 4),
        ({}, {"SLURM_MEM_PER_CPU": "2048"}, 2),
        (V2 | {"sys/fs/cgroup/slurm/job1/memory.max": str(6 * GIB)}, {}, 6),
        (V2 | {"sys/fs/cgroup/slurm/job1/memory.max": "max"}, {}, 64),
        (V1 | {"sys/fs/cgroup/memory/job/memory.limit_in_bytes": str(3 * GIB)}, {}, 3),
        (V1 | {"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712"}, {}, 64),
        (
            V1 | {"sys/fs/cgroup/memory/job/memory.limit_in_bytes": str(9 * GIB)},
            {"SLURM_MEM_PER_NODE": "4096"},
            4,
        ),
    ],
)
def test_memory(system, files, environ, expected):
    assert available_memory_gb(environ, system(**files)) == pytest.approx(expected)


def test_this_machine_has_something_and_not_more_than_it_has():
    assert 1 <= available_processors() <= (os.cpu_count() or 1)
    assert 0 < available_memory_gb() <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB + 0.01


def test_affinity_of_the_process_counts(system, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 3, 5}, raising=False)
    assert available_processors({}, system()) == 3
