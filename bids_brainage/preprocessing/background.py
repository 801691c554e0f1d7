"""What is not head should be zero: its level is estimated at the border of the image and subtracted."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bids_brainage.preprocessing.border import border_values, connected_with_border

CLEAR_OF_NOISE = 6  # times its own spread; of the noise of a magnitude image it is one and a half
LEAST_LEVEL = 0.05  # of the range of the head
LEAST_CONSTANT = 1e-3  # of it, where the background does not vary at all
BELOW = 0.05  # of it: nothing of the head is that much darker than a background
MOST_BELOW = 0.002  # part of the voxels for which this may fail
DEEP = 0.2  # of it: no ringing reaches so far below
MOST_DEEP = 0.05  # part of what is not background


class Background(NamedTuple):
    """What the border of an image shows.

    Attributes
    ----------
    level : float
        Middle of the shortest interval with half of the values.
    spread : float
        Its width.
    """

    level: float
    spread: float


def find_background(data: NDArray[np.float32]) -> Background:
    """The level of what surrounds the head, if something does."""
    values = np.sort(border_values(data))
    half = values.size // 2
    widths = values[half:] - values[: values.size - half]
    start = int(widths.argmin())
    return Background(float(np.median(values[start : start + half + 1])), float(widths[start]))


def subtract_background(data: NDArray[np.float32]) -> tuple[NDArray[np.float32], float]:
    """Shift an image so that its background is about zero.

    Left as it is: a background that is zero, or noise around it, and a border that is tissue, recognised by
    parts of the image that are darker.

    Parameters
    ----------
    data : ndarray (x, y, z)

    Returns
    -------
    ndarray, float
        The image, `data` itself if nothing was to do; and what was subtracted from it.
    """
    level, spread = find_background(data)
    size = float(np.percentile(data, 99.5)) - level
    dark = data < level - max(CLEAR_OF_NOISE * spread, BELOW * abs(size))
    lowest = float(data.min())
    if spread == 0 and (data < level - DEEP * abs(size)).sum() > MOST_DEEP * (data != level).sum():
        return _below_all(data, level, lowest)
    # Where a face was removed, or an image was turned, it is often filled by zero, whatever lies around it.
    filled = dark & (data == lowest)
    least = LEAST_LEVEL if spread else LEAST_CONSTANT
    if abs(level) <= max(CLEAR_OF_NOISE * spread, least * size) or size <= 0:
        return data, 0.0
    if (dark & ~filled).mean() > MOST_BELOW:
        return data, 0.0
    return np.where(filled, np.float32(0), data - np.float32(level)), level


def _below_all(data: NDArray[np.float32], level: float, lowest: float) -> tuple[NDArray[np.float32], float]:
    """Put a constant around the head below its tissue, as where an MP2RAGE image was masked by zeros."""
    outside = connected_with_border(data == level)
    return np.where(outside, np.float32(0), data - np.float32(lowest)), lowest
