"""Nipype's process pool, kept across batches and safe against a worker that is killed."""

from __future__ import annotations

from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import active_children, get_context
from traceback import format_exception
from typing import Any

from nipype.pipeline.plugins.multiproc import MultiProcPlugin

from bids_brainage import messages
from bids_brainage.errors import BrainAgeError


def _begin(threads: int) -> None:
    """Begin a worker: ANTs with so many threads, nipype silent (`Progress` tells what there is to tell)."""
    from nipype import config, logging

    from bids_brainage.preprocessing.ants_bridge import fix_threads

    fix_threads(threads)

    config.update_config({"logging": {"workflow_level": "CRITICAL", "interface_level": "CRITICAL"}})
    logging.update_logging(config)


class KeptPool(MultiProcPlugin):
    """`MultiProcPlugin` whose workers live from one batch of participants to the next.

    Takes one argument more, ``threads_per_node``: ANTs decides on its threads once a process.

    The workers have then imported ANTs and TensorFlow once and not once a batch. Nipype's own plugin
    waits for ever where the system kills a worker (usually for want of memory); here the node that
    was running fails by name, and the pool is made anew.
    """

    def __init__(self, plugin_args: dict[str, Any] | None = None) -> None:
        super().__init__(plugin_args=plugin_args)
        self._renew()

    def _submit_job(self, node: Any, updatehash: bool = False) -> int:
        try:
            task = super()._submit_job(node, updatehash)
        except BrokenProcessPool:
            self._renew()
            task = super()._submit_job(node, updatehash)
        return int(task)

    def _async_callback(self, args: Future[Any]) -> None:
        """Keep the result of a task; one whose worker died counts as a node that failed."""
        error = args.exception()
        if error is None:
            super()._async_callback(args)
            return
        died = isinstance(error, BrokenProcessPool)
        told = BrainAgeError(messages.WORKER_DIED) if died else error
        text = format_exception(told)
        for task, future in list(self._task_obj.items()):
            if future is args:
                self._taskresult[task] = {"taskid": task, "result": None, "traceback": text}

    def _get_result(self, taskid: int) -> Any:
        # A future that failed before it was filed under its number has told nobody yet.
        future = self._task_obj.get(taskid)
        if taskid not in self._taskresult and future is not None and future.done():
            self._async_callback(future)
        return super()._get_result(taskid)

    def _postrun_check(self) -> None:
        """Keep the pool; `close` ends it."""

    def _renew(self) -> None:
        """Make new workers; they start empty, because TensorFlow and ANTs do not survive a fork."""
        self.pool.shutdown(wait=False)
        threads = int(self.plugin_args.get("threads_per_node", 1))
        self.pool: ProcessPoolExecutor = ProcessPoolExecutor(
            max_workers=self.processors,
            mp_context=get_context("spawn"),
            initializer=_begin,
            initargs=(threads,),
        )

    def close(self) -> None:
        """End the workers at once, whatever they are at: a batch system that ends a job does not wait."""
        self.pool.shutdown(wait=False, cancel_futures=True)
        for worker in active_children():
            worker.terminate()
