"""What --use-plugin may name."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nipype
import pytest
from nipype.interfaces.utility import Function
from nipype.pipeline import engine as pe

from bids_brainage import messages
from bids_brainage.config import RunConfig
from bids_brainage.errors import InputError
from bids_brainage.workflows import execution
from bids_brainage.workflows.crashes import crash_sentence
from bids_brainage.workflows.execution import Execution, ask_for_what_is_declared, read_plugin_file


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "settings by name"),
        ("- a", "settings by name"),
        ("plugin: 3", "names no plugin"),
        ("plugin: [", "plugin"),
        ("\x00", "plugin"),
        ("plugin: MultiPorc", "no plugin MultiPorc, only .*MultiProc"),
        ("plugin: __builtins__", "no plugin"),
        ("plugin: Linear\nplugin_args: [1]", "plugin_args"),
        ("plugin: Linear\nplugin_args: 3", "plugin_args"),
    ],
)
def test_a_plugin_file_that_cannot_be_used_is_told(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "plugin.yml"
    path.write_text(text)
    with pytest.raises(InputError, match=words) as error:
        read_plugin_file(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_plugin_file_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_plugin_file(tmp_path / "plugin.yml")


def test_a_plugin_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "plugin.yml"
    path.write_text("plugin: SLURM\nplugin_args: {sbatch_args: --mem=4G}\n")
    assert read_plugin_file(path)["plugin_args"] == {"sbatch_args": "--mem=4G"}
    path.write_text("plugin: Linear\nplugin_args:\n")
    assert read_plugin_file(path)["plugin"] == "Linear"


def nobody() -> str:
    raise KeyError("getpwuid(): uid not found: 4321")


def nothing() -> None:
    """What a node does."""


def one_node_on_slurm(
    folder: Path, monkeypatch: pytest.MonkeyPatch, programs: dict[str, str]
) -> tuple[RunConfig, pe.Workflow]:
    """A run of a graph of one node where `programs`, as shell scripts, stand for Slurm's."""
    for name, text in programs.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    settings = folder / "plugin.yml"
    settings.write_text("plugin: SLURM\n")
    workflow = pe.Workflow("graph_wf", base_dir=str(folder))
    workflow.add_nodes([pe.Node(Function(function=nothing, input_names=[]), name="node")])
    return RunConfig(bids_dir=folder, output_dir=folder / "out", use_plugin=settings), workflow


@pytest.mark.parametrize("known", [True, False])
def test_batch_systems_know_whose_jobs_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    """nipype's plugins of batch systems end in a KeyError without LOGNAME, which containers and cron lack."""
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "so that it is as before afterwards")
        monkeypatch.delenv(name)
    if not known:
        monkeypatch.setattr("getpass.getuser", nobody)
    jobs = tmp_path / "jobs"
    programs = {
        "sbatch": f'echo "$@" >> {jobs}; for last; do :; done; sh "$last" >&2; echo Submitted batch job 1',
        "squeue": "echo none",
    }
    config, workflow = one_node_on_slurm(tmp_path, monkeypatch, programs)
    Execution(config, lambda *_: None).run(workflow)
    user = pwd.getpwuid(os.getuid()).pw_name if known else f"uid{os.getuid()}"
    assert f".graph_wf.{user} " in jobs.read_text()


@pytest.mark.parametrize(
    ("typed", "asked"),
    [
        ("", ["--cpus-per-task=2 --mem=1536M", "--cpus-per-task=1 --mem=1024M"]),
        ("--time=1:00:00 -p main", ["--cpus-per-task=2 --mem=1536M", "--cpus-per-task=1 --mem=1024M"]),
        ("--mem=9G", ["--cpus-per-task=2", "--cpus-per-task=1"]),
        ("--mem-per-cpu 9G -c4", ["", ""]),
        ("-c 4", ["--mem=1536M", "--mem=1024M"]),
    ],
)
def test_a_step_asks_slurm_for_what_it_declares_unless_the_file_says(
    typed: str, asked: list[str], tmp_path: Path
) -> None:
    workflow = pe.Workflow("graph_wf", base_dir=str(tmp_path))
    nodes = [
        pe.Node(Function(function=nothing, input_names=[]), name=name, mem_gb=gigabytes, n_procs=processors)
        for name, gigabytes, processors in (("large", 1.5, 2), ("small", 0.25, 1))
    ]
    workflow.add_nodes(nodes)
    ask_for_what_is_declared(workflow, typed)
    assert [node.plugin_args["sbatch_args"] for node in nodes] == asked


def test_a_job_that_is_killed_is_told_by_its_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch system that loses a job, as Slurm does where memory runs out."""
    programs = {"sbatch": "echo Submitted batch job 4711", "squeue": "echo none"}
    config, workflow = one_node_on_slurm(tmp_path, monkeypatch, programs)
    monkeypatch.setattr(execution, "configure_nipype", lambda config: None)
    with nipype_settings({"job_finished_timeout": "0.1", "crashfile_format": "txt"}):
        config.log_dir.mkdir(parents=True)
        Execution(config, lambda *_: None).run(workflow)
    (crash,) = config.log_dir.glob("crash-*.txt")
    assert crash_sentence(crash.read_text()) == messages.JOB_ENDED.format(job=4711)


@contextmanager
def nipype_settings(settings: dict[str, str]) -> Iterator[None]:
    before = {name: nipype.config.get("execution", name) for name in settings}
    nipype.config.update_config({"execution": settings})
    try:
        yield
    finally:
        nipype.config.update_config({"execution": before})
