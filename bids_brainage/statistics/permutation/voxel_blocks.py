"""Work on many voxels, block by block, with results that do not depend on who does it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

# About as many values as caches hold, but no fewer voxels than make a row of a file worth reading in pieces.
_VALUES, _VOXELS = 2**19, 1024


def each_block(work: Callable[[slice], None], shape: tuple[int, ...], threads: int) -> None:
    """Do work on blocks of voxels.

    Blocks depend on the shape alone, and each matrix product is computed by one thread: how it is rounded
    depends on the number of threads in no way.

    Parameters
    ----------
    work : callable
        Is given the columns of a block; several may be under way at once.
    shape : tuple of int
        Observations and voxels.
    threads : int
    """
    n, voxels = shape
    size = max(_VOXELS, _VALUES // n // 64 * 64)
    blocks = [slice(start, min(start + size, voxels)) for start in range(0, voxels, size)]
    with _one_blas_thread(), ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, blocks))


@contextmanager
def _one_blas_thread() -> Iterator[None]:
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):
        yield
