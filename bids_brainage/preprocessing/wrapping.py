"""Integers that were read with the wrong sign: bright tissue is then dark, and no later step notices.

A value of 40000 that is written as uint16 and read as int16 becomes 40000 - 65536. So where the image rises
through the largest number that fits, neighbours differ by nearly the whole range of the type, and the
image becomes smoother when the range is added to the low values. Noise is removed by a median filter first.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from bids_brainage.preprocessing.background import find_background

BITS = (8, 16, 32)
JUMP = 0.75  # of the type's range
BELOW_BACKGROUND = 0.02  # of that range
FEWEST_JUMPS = 20
WINDOW = 3  # voxels


def wrapped_bits(stored: NDArray[np.float32], integers: bool = True) -> int | None:
    """How many bits the integers have that were read with the wrong sign.

    Parameters
    ----------
    stored : ndarray (x, y, z)
        Values as they are stored, before any slope.
    integers : bool
        Whether they are stored as integers; others count if all of them are whole numbers.

    Returns
    -------
    int or None
        8, 16 or 32; None if nothing is wrapped.
    """
    low, high = float(stored.min()), float(stored.max())
    for bits in BITS:
        span = 2.0**bits
        if low < -span / 2 or high >= span / 2:
            continue
        if high - low < JUMP * span or not (integers or _whole(stored)):
            return None
        smooth = ndimage.median_filter(stored, WINDOW)
        below = find_background(stored).level - BELOW_BACKGROUND * span
        return bits if _is_wrapped(smooth, smooth < below, span) else None
    return None


def _is_wrapped(data: NDArray[np.float32], low: NDArray[np.bool_], span: float) -> bool:
    """Whether low values lie right beside very high ones, and the image is smoother with them on top."""
    jumps = sum(int((_steps(data, axis) >= JUMP * span).sum()) for axis in range(3))
    if jumps < FEWEST_JUMPS:
        return False
    right = np.where(low, data + np.float32(span), data)
    before, after = (sum(float(_steps(x, a).sum(dtype=float)) for a in range(3)) for x in (data, right))
    return after < before


def _steps(data: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    """How much neighbours differ."""
    return np.abs(np.diff(data, axis=axis))


def _whole(stored: NDArray[np.float32]) -> bool:
    return bool((stored == np.rint(stored)).all())
