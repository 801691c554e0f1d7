"""How many processors and how much memory this job may use, which is often less than the host has."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

_GB = 1024**3
# cgroup v1 says "no limit" by a number near 2^63; no machine has that much.
_NO_LIMIT = 2**60


def available_processors(
    environ: Mapping[str, str] = os.environ, root: Path = Path("/"), affinity: int | None = None
) -> int:
    """Return the least of affinity, cgroup CPU quota and SLURM_CPUS_PER_TASK, at least 1.

    Parameters
    ----------
    environ : mapping
        Environment variables.
    root : Path
        Root of the file system that holds ``proc`` and ``sys``.
    affinity : int, optional
        Number of processors the scheduler may put this process on; asked of the system by default.
    """
    limits: list[float] = [affinity or _affinity()]
    limits += [quota for folder in _cgroups(root, "cpu") for quota in _cpu_quotas(folder)]
    slurm = _number(environ.get("SLURM_CPUS_PER_TASK"))
    if slurm:
        limits.append(slurm)
    return max(1, int(min(limits)))


def available_memory_gb(environ: Mapping[str, str] = os.environ, root: Path = Path("/")) -> float:
    """Return the least of physical memory, cgroup limits and Slurm's request, in GiB.

    Slurm gives MB in SLURM_MEM_PER_NODE, or in SLURM_MEM_PER_CPU for each CPU; 0 means all of the node.
    """
    limits: list[float] = [_physical_memory(root)]
    limits += [limit for folder in _cgroups(root, "memory") for limit in _memory_limits(folder)]
    limits += _slurm_memory(environ)
    return min(limits) / _GB


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _physical_memory(root: Path) -> float:
    match = re.search(r"^MemTotal:\s+(\d+) kB", _read(root / "proc/meminfo"), re.MULTILINE)
    if match:
        return float(match[1]) * 1024
    return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def _slurm_memory(environ: Mapping[str, str]) -> list[float]:
    node = _number(environ.get("SLURM_MEM_PER_NODE"))
    if node:
        return [node * 1024**2]
    per_cpu = _number(environ.get("SLURM_MEM_PER_CPU"))
    cpus = _number(environ.get("SLURM_CPUS_PER_TASK")) or _number(environ.get("SLURM_CPUS_ON_NODE")) or 1
    return [per_cpu * cpus * 1024**2] if per_cpu else []


def _cgroups(root: Path, controller: str) -> Iterator[Path]:
    """Yield this process's control group of `controller` and all its ancestors, versions 1 and 2.

    Inside a container the path in /proc/self/cgroup may not exist below /sys/fs/cgroup; then only the
    mounted root counts, which is what a loop over ancestors ends with.
    """
    mount = root / "sys/fs/cgroup"
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        if controllers and controller not in controllers.split(","):
            continue
        base = mount / controllers if controllers else mount
        if controllers and not base.is_dir():
            base = mount / controller
        inside = base / path.lstrip("/")
        while inside != base:
            yield inside
            inside = inside.parent
        yield base


def _cpu_quotas(folder: Path) -> Iterator[float]:
    quota, period = (*_read(folder / "cpu.max").split(), "", "")[:2]
    if not quota:
        quota, period = (
            _read(folder / "cpu.cfs_quota_us").strip(),
            _read(folder / "cpu.cfs_period_us").strip(),
        )
    if quota.isdigit() and period.isdigit() and int(period) > 0 and int(quota) > 0:
        yield int(quota) / int(period)


def _memory_limits(folder: Path) -> Iterator[float]:
    for name in ("memory.max", "memory.limit_in_bytes"):
        text = _read(folder / name).strip()
        if text.isdigit() and 0 < int(text) < _NO_LIMIT:
            yield float(text)


def _number(text: str | None) -> float:
    """Return the leading positive number of a Slurm variable, 0 if there is none."""
    match = re.match(r"\d+", text or "")
    return float(match[0]) if match else 0.0


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
