"""Training where there is a GPU, with a stand-in for the list of devices: this was not run on a real one."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import tensorflow as tf

from bids_brainage.models.training import threads
from bids_brainage.workflows.training import init_training_wf


class Devices:
    """What TensorFlow sees, and which of it may grow."""

    def __init__(self, *gpus: str) -> None:
        self.gpus = list(gpus)
        self.growing: dict[str, bool] = {}


@pytest.fixture(params=[(), ("GPU:0",), ("GPU:0", "GPU:1")], ids=["none", "one", "two"])
def devices(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Devices:
    found = Devices(*request.param)
    monkeypatch.setattr(threads, "DRIVER", tmp_path)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: found.gpus if kind == "GPU" else [])
    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", found.growing.__setitem__)
    for name in ("set_intra_op_parallelism_threads", "set_inter_op_parallelism_threads"):
        monkeypatch.setattr(tf.config.threading, name, lambda threads: None)
    return found


def test_one_base_model_at_a_time_is_on_a_gpu(devices: Devices) -> None:
    assert threads.side_by_side(8) == (1 if devices.gpus else 8)


def test_no_process_takes_all_of_a_gpus_memory(devices: Devices) -> None:
    threads.limit_threads()
    assert devices.growing == dict.fromkeys(devices.gpus, True)


def test_without_a_driver_tensorflow_is_not_asked(
    devices: Devices, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(threads, "DRIVER", tmp_path / "absent")
    monkeypatch.delattr(tf.config, "list_physical_devices")
    assert threads.side_by_side(3) == 3
    assert threads.side_by_side(0) == 1


def test_nodes_take_turns_on_a_gpu(devices: Devices, tmp_path: Path) -> None:
    """A node that asks for all processors of the run is alone."""
    small = SimpleNamespace(filters=(4,), batch_size=2)
    tasks = [
        SimpleNamespace(
            key="TypeI/T1w", fold=0, index=index, fingerprint=str, input_shape=(8, 8, 8, 1),
            architecture=small, fitting=small,
        )
        for index in range(3)
    ]  # fmt: skip
    design = tmp_path / "design.json"
    design.touch()
    graph = init_training_wf(tasks=tasks, design_file=design, work_dir=tmp_path, nprocs=4)  # type: ignore[arg-type]
    assert len(graph._graph.nodes()) == 3
    assert {node.n_procs for node in graph._graph.nodes()} == {4 if devices.gpus else 1}
