"""Nipype's process pool with workers of our own: kept across batches, dying alone, with few threads."""

from __future__ import annotations

import logging
import signal
import sys
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from traceback import format_exception
from typing import Any, NamedTuple

from nipype.pipeline.plugins.multiproc import MultiProcPlugin, run_node

from bids_brainage import messages
from bids_brainage.errors import BrainAgeError
from bids_brainage.thread_limits import for_new_processes

#: Sentences of a node that are passed on.
MOST_HEARD = 50


class Heard(NamedTuple):
    """What was logged in a worker: by whom, at which level, and the sentence."""

    logger: str
    level: int
    text: str


def run_in_worker(node: Any, updatehash: bool, taskid: int) -> tuple[dict[str, Any], list[Heard]]:
    """Run a node in a worker; what is loaded already is held to the threads that the node asks for."""
    from threadpoolctl import threadpool_limits

    threads = max(1, int(node.n_procs))
    if numba := sys.modules.get("numba"):
        numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
    listener = _Listener(logging.WARNING)
    logging.getLogger().addHandler(listener)
    try:
        with threadpool_limits(limits=threads):
            result: dict[str, Any] = run_node(node, updatehash, taskid)
    finally:
        logging.getLogger().removeHandler(listener)
    return result, list(listener.heard)


class KeptPool(MultiProcPlugin):
    """`MultiProcPlugin` whose workers live from one batch of participants to the next.

    They have then imported ANTs once and not once a batch. Takes two arguments more. No worker ever has more
    threads than ``threads_per_node``, or than its node asks for. ``heard`` is called with a node's full name
    and the `Heard` that was logged while it ran, which would not leave the worker otherwise.

    Nipype's own plugin waits for ever if the system kills a worker (usually for lack of memory), and a
    pool whose worker dies loses whatever its other workers are doing. Here each worker is a pool of one: the
    node that it was running fails by name, and nothing else does.

    With ``low_mem``, nodes run side by side only as far as the largest of their graph would have run alone,
    and a worker ends with its node, because libraries keep memory that they have used.
    """

    #: What a worker does with a node.
    task = staticmethod(run_in_worker)

    def __init__(self, plugin_args: dict[str, Any] | None = None) -> None:
        super().__init__(plugin_args=plugin_args)
        # Of the pool of many, which has not started any process yet, no use is made.
        self.pool.shutdown(wait=False)
        self._threads = int(self.plugin_args.get("threads_per_node", 1))
        self._heard = self.plugin_args.get("heard")
        self._low_mem = bool(self.plugin_args.get("low_mem", False))
        self._most_gb = float(self.memory_gb)  # type: ignore[has-type]
        self._sent: dict[int, _Sent] = {}
        self._workers: list[_Worker] = []

    def run(self, graph: Any, config: Any, updatehash: bool = False) -> None:
        """Run a graph; where it is left early, what is still running is ended."""
        try:
            super().run(graph, config, updatehash)
        finally:
            # They would be taken for steps of the next graph.
            if self.pending_tasks:
                self.close()

    def _submit_job(self, node: Any, updatehash: bool = False) -> int:
        self._taskid += 1
        if getattr(node.interface, "terminal_output", "") == "stream":
            node.interface.terminal_output = "allatonce"
        worker = self._free_worker()
        self._task_obj[self._taskid] = worker.submit(self.task, node, updatehash, self._taskid)
        self._sent[self._taskid] = _Sent(node.fullname, node.mem_gb, worker)
        return int(self._taskid)

    def _free_worker(self) -> _Worker:
        """The first idle one, or with ``low_mem`` a new one; never are there more nodes than processors."""
        if not self._low_mem:
            for worker in self._workers:
                if worker.free:
                    return worker
        self._workers.append(_Worker(self._threads))
        return self._workers[-1]

    def _get_result(self, taskid: int) -> dict[str, Any] | None:
        """The result of a task, None while it runs; one whose worker died counts as a failed node."""
        future = self._task_obj[taskid]
        if not future.done():
            return None
        sent, error = self._sent.pop(taskid), future.exception()
        if self._low_mem:
            sent.worker.end()
            self._workers.remove(sent.worker)
        if error is None:
            result, heard = future.result()
            if self._heard is not None and heard:
                self._heard(sent.name, heard)
            return dict(result)
        if isinstance(error, BrokenProcessPool):
            error = BrainAgeError(sent.worker.cause_of_death().format(gb=sent.gigabytes))
        return {"taskid": taskid, "result": None, "traceback": format_exception(error)}

    def _prerun_check(self, graph: Any) -> None:
        """Decide how much memory nodes may use together."""
        if self._low_mem:
            self.memory_gb = min(self._most_gb, max((node.mem_gb for node in graph.nodes()), default=1.0))
        super()._prerun_check(graph)

    def _postrun_check(self) -> None:
        """Keep the workers; `close` ends them."""

    def close(self) -> None:
        """End the workers at once, whatever they are doing: a batch system that ends a job does not wait."""
        for worker in self._workers:
            worker.end()
        self._workers.clear()
        self._task_obj.clear()
        self._sent.clear()
        self.pending_tasks.clear()


class _Sent(NamedTuple):
    """A node at work: its full name, the memory it declares, and who runs it."""

    name: str
    gigabytes: float
    worker: _Worker


class _Worker:
    """One process, replaced after its death; it starts empty, because ANTs does not survive a fork."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._future: Future[Any] | None = None
        self._pool = self._new_pool()
        self._processes: list[Any] = []

    @property
    def free(self) -> bool:
        return self._future is None or self._future.done()

    def submit(self, function: Any, *arguments: Any) -> Future[Any]:
        """Begin a task; the process begins with the first."""
        with for_new_processes(self.threads):
            try:
                self._future = self._pool.submit(function, *arguments)
            except BrokenProcessPool:
                self._pool = self._new_pool()
                self._future = self._pool.submit(function, *arguments)
        self._processes = list((self._pool._processes or {}).values())
        return self._future

    def cause_of_death(self) -> str:
        """What to say of the process, which is no more."""
        for process in self._processes:
            process.join(timeout=5)
        codes = {process.exitcode for process in self._processes}
        if codes & {-signal.SIGKILL, None}:
            return messages.WORKER_KILLED
        ended = ", ".join(_name_of(code) for code in sorted(codes))
        return messages.WORKER_ENDED.replace("{reason}", ended)

    def end(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        for process in self._processes:
            process.terminate()

    def _new_pool(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            max_workers=1, mp_context=get_context("spawn"), initializer=_begin, initargs=(self.threads,)
        )


def _name_of(code: int) -> str:
    """An exit code in words: the signal's name, where it was one."""
    try:
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"
    except ValueError:
        return f"signal {-code}"


def _begin(threads: int) -> None:
    """Start a worker: ANTs with this many threads, nipype silent (`Progress` does the reporting)."""
    import nipype
    from nibabel.imageglobals import logger as nibabel_logger

    from bids_brainage.preprocessing.ants_bridge import fix_threads

    fix_threads(threads)

    nipype.config.update_config({"logging": {"workflow_level": "CRITICAL", "interface_level": "CRITICAL"}})
    nipype.logging.update_logging(nipype.config)
    # What is logged goes to the process that the worker is of (`_Listener`), and is not printed by others.
    for own in (nibabel_logger, logging.getLogger()):
        own.handlers.clear()
    logging.captureWarnings(True)


class _Listener(logging.Handler):
    """Keeps what is logged, each sentence once."""

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.heard: dict[Heard, None] = {}

    def emit(self, record: logging.LogRecord) -> None:
        if len(self.heard) < MOST_HEARD:
            self.heard[Heard(record.name, record.levelno, record.getMessage())] = None
