"""Threads that share the work on one network, never more than the caller allows."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import TypeVar

T = TypeVar("T")


def share_work(
    work: Callable[[T], None], items: Iterable[T], threads: int, waits: Mapping[T, Iterable[T]] | None = None
) -> None:
    """Do `work` for each item, in up to `threads` threads; some wait for others that stand before them."""
    items = list(items)
    if threads <= 1 or len(items) <= 1:
        for item in items:
            work(item)
        return
    done: dict[T, Future[None]] = {}

    def work_in_turn(item: T) -> None:
        for other in (waits or {}).get(item, ()):
            if other in done:
                done[other].result()
        work(item)

    for item in items:
        done[item] = _crew(threads, os.getpid()).submit(work_in_turn, item)
    for future in done.values():
        future.result()


@cache
def _crew(threads: int, process: int) -> ThreadPoolExecutor:
    """Threads that are kept, because starting them takes longer than some layers; never another process's."""
    return ThreadPoolExecutor(threads, "relevance")
