"""Threads that share the work on one network, never more than the caller allows."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def each(work: Callable[[T], R], items: Sequence[T], threads: int) -> Iterator[R]:
    """Do `work` for each item, as many at a time as there are threads; yields in order.

    No more results than there are threads wait in memory.
    """
    if threads <= 1 or len(items) <= 1:
        yield from map(work, items)
        return
    with ThreadPoolExecutor(threads) as pool:
        waiting = deque[Future[R]]()
        for item in items:
            if len(waiting) == threads:
                yield waiting.popleft().result()
            waiting.append(pool.submit(work, item))
        while waiting:
            yield waiting.popleft().result()


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
