"""Threads of libraries, which by themselves take every processor of the machine, whatever a job may use."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

#: Libraries read these when they are loaded, and keep them for the life of a process.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
)


@contextmanager
def at_most(threads: int) -> Iterator[None]:
    """BLAS, OpenMP, numba, TensorFlow and ITK use so many threads meanwhile.

    This holds for libraries that are loaded meanwhile, for processes that are started, and for the BLAS and
    OpenMP of what is loaded already. Sums are then rounded the same on every machine.
    """
    with for_new_processes(threads):
        if "numpy" not in sys.modules:
            yield
            return
        from threadpoolctl import threadpool_limits

        with threadpool_limits(threads):
            yield


@contextmanager
def for_new_processes(threads: int) -> Iterator[None]:
    """A process started meanwhile has at most this many threads, whichever library it loads."""
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(threads)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
