"""Compilation of loops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba

#: Sums may be reordered for vector instructions and products fused into them; infinity keeps its meaning.
FASTMATH = {"reassoc", "contract", "nsz"}


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile `function`, keeping the machine code on disk if there is a folder for it.

    It releases Python's lock and starts no threads. It must not be created inside another function: the
    stored code would not be found again.
    """
    try:
        return numba.njit(nogil=True, fastmath=FASTMATH, cache=True)(function)
    except RuntimeError:
        return numba.njit(nogil=True, fastmath=FASTMATH)(function)


def inner(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile `function` as a part of those that call it, without a file of its own.

    For what takes lanes: a file that speaks of vectors would load them where plain loops are asked for.
    """
    return numba.njit(nogil=True, fastmath=FASTMATH)(function)
