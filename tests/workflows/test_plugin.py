"""The pool of workers: kept between batches, and not waiting for the dead."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from nipype.interfaces.utility import Function
from nipype.pipeline import engine as pe

from bids_brainage import messages
from bids_brainage.workflows.plugin import KeptPool
from bids_brainage.workflows.progress import crash_sentence


def give_process() -> int:
    import os

    return os.getpid()


def die() -> int:
    import os

    os._exit(9)


def _workflow(function: object, folder: Path, name: str) -> pe.Workflow:
    workflow = pe.Workflow(name=name, base_dir=str(folder))
    workflow.config["execution"] = {
        "crashdump_dir": str(folder),
        "crashfile_format": "txt",
        "poll_sleep_duration": "0.1",
    }
    workflow.add_nodes([pe.Node(Function(function=function, output_names=["out"]), name="node")])
    return workflow


def test_workers_live_from_one_batch_to_the_next(tmp_path: Path) -> None:
    plugin = KeptPool(plugin_args={"n_procs": 1, "memory_gb": 1})
    try:
        processes = set()
        for name in ("first", "second"):
            workflow = _workflow(give_process, tmp_path, name)
            processes.add(next(iter(workflow.run(plugin=plugin).nodes())).result.outputs.out)
    finally:
        plugin.close()
    assert len(processes) == 1
    assert os.getpid() not in processes


def test_a_killed_worker_fails_its_node_by_name_and_the_next_batch_runs(tmp_path: Path) -> None:
    plugin = KeptPool(plugin_args={"n_procs": 1, "memory_gb": 1})
    try:
        with pytest.raises(RuntimeError):
            _workflow(die, tmp_path, "killed").run(plugin=plugin)
        graph = _workflow(give_process, tmp_path, "after").run(plugin=plugin)
    finally:
        plugin.close()
    crashes = list(tmp_path.glob("crash-*.txt"))
    assert len(crashes) == 1
    assert crash_sentence(crashes[0].read_text()) == messages.WORKER_DIED
    assert next(iter(graph.nodes())).result.outputs.out > 0
