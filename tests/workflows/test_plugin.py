"""The pool of workers: kept between batches, each dying alone, each with its threads."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from nipype.interfaces.utility import Function
from nipype.pipeline import engine as pe

from bids_brainage import messages
from bids_brainage.thread_limits import THREAD_VARIABLES
from bids_brainage.workflows.crashes import crash_sentence
from bids_brainage.workflows.plugin import Heard, KeptPool


def give_process() -> int:
    import os

    return os.getpid()


def die(file: str, by: str) -> int:
    """Die once the other node runs."""
    import os
    import signal
    import time
    from pathlib import Path

    while file and not Path(file).exists():
        time.sleep(0.05)
    if by.isdigit():
        os._exit(int(by))
    os.kill(os.getpid(), getattr(signal, by))
    return 0


def work_on(file: str) -> int:
    import os
    import time
    from pathlib import Path

    Path(file).touch()
    time.sleep(2)
    return os.getpid()


def count_threads() -> dict[str, int]:
    from pathlib import Path

    import ants
    import numba
    import numpy
    from threadpoolctl import threadpool_info

    numpy.ones((50, 50)) @ numpy.ones((50, 50))
    found = {f"{pool['prefix']}{index}": pool["num_threads"] for index, pool in enumerate(threadpool_info())}
    found["numba"] = numba.get_num_threads()
    found["numba most"] = numba.config.NUMBA_NUM_THREADS
    before = len(list(Path("/proc/self/task").iterdir()))
    image = ants.from_numpy(numpy.random.default_rng(1).random((60, 60, 60)).astype("float32"))
    ants.smooth_image(image, 2.0)
    found["threads of ITK"] = len(list(Path("/proc/self/task").iterdir())) - before
    return found


def _node(function: object, name: str, threads: int = 1, **inputs: str) -> pe.Node:
    interface = Function(function=function, input_names=list(inputs), output_names=["out"])
    node = pe.Node(interface, name=name, n_procs=threads, mem_gb=0.1)
    node.inputs.trait_set(**inputs)
    return node


def _run(plugin: KeptPool, folder: Path, name: str, *nodes: pe.Node) -> dict[str, Any]:
    """Run nodes side by side; what each returned."""
    workflow = pe.Workflow(name=name, base_dir=str(folder))
    workflow.config["execution"] = {
        "crashdump_dir": str(folder),
        "crashfile_format": "txt",
        "poll_sleep_duration": "0.1",
    }
    workflow.add_nodes(list(nodes))
    return {node.name: node.result.outputs.out for node in workflow.run(plugin=plugin).nodes()}


def warn() -> int:
    import logging
    import warnings

    import nibabel as nib

    for _ in range(2):
        logging.getLogger("bids_brainage.x").warning("ours %s", 1)
        nib.imageglobals.logger.warning("nibabel's")
    warnings.warn("Python's", stacklevel=1)
    logging.getLogger("bids_brainage.x").info("not this")
    return 0


def test_what_is_logged_in_a_worker_is_handed_on_once_and_not_printed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    told: list[tuple[str, list[Heard]]] = []
    pool = KeptPool(plugin_args={"n_procs": 1, "memory_gb": 1, "heard": lambda *what: told.append(what)})
    try:
        _run(pool, tmp_path, "wf", _node(warn, "n"))
    finally:
        pool.close()
    ((name, heard),) = told
    assert name == "wf.n"
    assert [(own.logger, own.level) for own in heard] == [
        ("bids_brainage.x", 30),
        ("nibabel.global", 30),
        ("py.warnings", 30),
    ]
    assert [own.text for own in heard[:2]] == ["ours 1", "nibabel's"]
    assert "Python's" in heard[2].text
    printed = "".join(capfd.readouterr())
    assert "ours" not in printed
    assert "nibabel's" not in printed


@pytest.fixture
def plugin() -> Iterator[KeptPool]:
    pool = KeptPool(plugin_args={"n_procs": 2, "memory_gb": 1, "raise_insufficient": False})
    yield pool
    pool.close()


def test_workers_live_from_one_batch_to_the_next(plugin: KeptPool, tmp_path: Path) -> None:
    processes = [_run(plugin, tmp_path, name, _node(give_process, "n"))["n"] for name in ("first", "second")]
    assert len(set(processes)) == 1
    assert os.getpid() not in processes


KILLED = messages.WORKER_KILLED.format(gb=0.1)


@pytest.mark.parametrize(
    ("by", "sentence"),
    [("SIGKILL", KILLED), ("SIGSEGV", "sudden end (SIGSEGV)"), ("9", "sudden end (exit code 9)")],
)
def test_a_killed_worker_fails_its_node_by_name_and_nothing_else(
    by: str, sentence: str, plugin: KeptPool, tmp_path: Path
) -> None:
    """The other node is at work in that moment, and goes on; memory is named where the system killed."""
    began = str(tmp_path / "began")
    nodes = _node(die, "killed", file=began, by=by), _node(work_on, "other", file=began)
    with pytest.raises(RuntimeError):
        _run(plugin, tmp_path, "both", *nodes)
    (crash,) = tmp_path.glob("crash-*.txt")
    assert "killed" in crash.name
    assert sentence in crash_sentence(crash.read_text())
    assert list((tmp_path / "both/other").glob("result_*.pklz"))
    assert _run(plugin, tmp_path, "after", _node(give_process, "n"))["n"] > 0


def hold(log: str) -> int:
    """Tell when it begins and ends."""
    import os
    import time
    from pathlib import Path

    for word in ("begins", "ends"):
        with Path(log).open("a") as stream:
            stream.write(f"{word}\n")
        time.sleep(0.3)
    return os.getpid()


@pytest.mark.parametrize("low_mem", [False, True])
def test_with_low_mem_nodes_take_turns_and_leave_nothing(low_mem: bool, tmp_path: Path) -> None:
    """Each in a process of its own; without, two processes are kept."""
    plugin = KeptPool(plugin_args={"n_procs": 2, "memory_gb": 9, "low_mem": low_mem})
    log = tmp_path / "log"
    try:
        found = _run(plugin, tmp_path, "wf", *(_node(hold, f"n{index}", log=str(log)) for index in range(4)))
        processes = set(found.values())
        assert len(processes) == 4 if low_mem else len(processes) <= 2
        assert len(plugin._workers) == (0 if low_mem else len(processes))
        assert _run(plugin, tmp_path, "next", _node(give_process, "small"))["small"] > 0
    finally:
        plugin.close()
    if low_mem:
        assert log.read_text().split() == ["begins", "ends"] * 4


def test_close_ends_its_own_workers_alone(plugin: KeptPool, tmp_path: Path) -> None:
    stranger = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(60,))
    stranger.start()
    try:
        worker = _run(plugin, tmp_path, "one", _node(give_process, "n"))["n"]
        plugin.close()
        stranger.join(0.5)
        assert stranger.is_alive()
        for _ in range(100):
            if worker not in [child.pid for child in multiprocessing.active_children()]:
                break
            time.sleep(0.1)
        else:
            pytest.fail("the worker lives on")
    finally:
        stranger.kill()
        stranger.join()


@pytest.mark.parametrize("threads", [1, 2])
def test_a_worker_has_the_threads_of_a_node_and_no_more(threads: int, tmp_path: Path) -> None:
    """Of BLAS, OpenMP and numba; ITK begins none for one thread."""
    plugin = KeptPool(plugin_args={"n_procs": 2, "memory_gb": 1, "threads_per_node": threads})
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    try:
        counted = _run(plugin, tmp_path, "one", _node(count_threads, "n", threads))["n"]
        again = _run(plugin, tmp_path, "two", _node(count_threads, "n", 1))["n"]
    finally:
        plugin.close()
    assert counted.pop("threads of ITK") <= threads
    assert set(counted.values()) == {threads}
    del again["threads of ITK"], again["numba most"]
    assert set(again.values()) == {1}
    assert {name: os.environ.get(name) for name in THREAD_VARIABLES} == before


def compute() -> int:
    """What steps do: products, and filters of ITK."""
    import time

    import ants
    import numpy

    image = ants.from_numpy(numpy.random.default_rng(1).random((64, 64, 64)).astype("float32"))
    values = numpy.ones((400, 400))
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        ants.smooth_image(image, 2.0)
        values @ values
    return 0


class Runnable(Thread):
    """Counts again and again how many threads of the children of this process run, or wait to."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: list[int] = []
        self.ended = Event()

    def run(self) -> None:
        while not self.ended.wait(0.02):
            self.counts.append(sum(_runnable(child.pid) for child in multiprocessing.active_children()))


def _runnable(process: int | None) -> int:
    try:
        stats = [path.read_text() for path in Path(f"/proc/{process}/task").glob("*/stat")]
    except OSError:
        return 0
    return sum(stat.rpartition(")")[2].split()[0] == "R" for stat in stats)


@pytest.mark.parametrize("processors", [2, 4])
def test_no_more_threads_are_busy_than_processors_were_declared(processors: int, tmp_path: Path) -> None:
    """Also where more were declared than there are: those that wait for a processor count as well."""
    plugin = KeptPool(plugin_args={"n_procs": processors, "memory_gb": 9, "raise_insufficient": False})
    runnable = Runnable()
    runnable.start()
    try:
        _run(plugin, tmp_path, "all", *(_node(compute, f"n{index}") for index in range(processors + 2)))
    finally:
        runnable.ended.set()
        runnable.join()
        plugin.close()
    assert max(runnable.counts) >= 2
    # A library may wake a thread for a moment; what computes is seen in many counts.
    above = sum(count > processors for count in runnable.counts)
    assert above <= 0.01 * len(runnable.counts)
