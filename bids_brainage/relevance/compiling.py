"""How loops are compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba

#: Sums may be reordered for vector instructions and products fused into them; infinity keeps its meaning.
FASTMATH = {"reassoc", "contract", "nsz"}


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile `function`, keeping the machine code on disk where there is a folder for it.

    It lets go of Python's lock and starts no threads. It must not be made inside another function: such
    code is not found again.
    """
    try:
        return numba.njit(nogil=True, fastmath=FASTMATH, cache=True)(function)
    except RuntimeError:
        return numba.njit(nogil=True, fastmath=FASTMATH)(function)
