"""Max pooling with one winner a window, the same on every processor.

The winner is the first of the largest values: along the width first, then the height, then the depth, a
later voxel wins only where it is larger by more than `tolerance` times the value it has to beat. TensorFlow's
own gradient of max pooling gives every tied voxel the whole gradient, or one of them, depending on the
processor.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_brainage.networks.network import Floats, Padding, Triple

Winners = NDArray[np.integer[Any]]


def output_size(size: int, window: int, stride: int, padding: Padding) -> tuple[int, int]:
    """Return the length of the output along one axis, and the padding before its first value."""
    if padding == "valid":
        return (size - window) // stride + 1, 0
    length = -(-size // stride)
    return length, max((length - 1) * stride + window - size, 0) // 2


def max_pool(
    x: Floats, size: Triple, strides: Triple, padding: Padding, tolerance: float
) -> tuple[Floats, Winners]:
    """Pool `x` (n, d, h, w, c).

    Returns
    -------
    tuple of arrays (n, d', h', w', c)
        The winners' values, and their places as flat indices into (d, h, w).
    """
    _, d, h, w, _ = x.shape
    places = np.broadcast_to(np.arange(d * h * w, dtype=np.int32).reshape(1, d, h, w, 1), x.shape)
    values = x
    for axis in (3, 2, 1):
        geometry = (size[axis - 1], strides[axis - 1], padding)
        values, places = _pool_axis(values, places, axis, *geometry, tolerance)
    return values, places


def _pool_axis(
    values: Floats, places: Winners, axis: int, size: int, stride: int, padding: Padding, tolerance: float
) -> tuple[Floats, Winners]:
    length = values.shape[axis]
    pooled_length, before = output_size(length, size, stride, padding)
    shape = [*values.shape[:axis], pooled_length, *values.shape[axis + 1 :]]
    best = np.full(shape, -np.inf, np.float32)
    winners = np.zeros(shape, np.int32)
    for offset in range(size):
        inside = np.arange(pooled_length) * stride + offset - before
        here = np.flatnonzero((inside >= 0) & (inside < length))
        into = (slice(None),) * axis + (slice(here[0], here[-1] + 1),) if len(here) else None
        if into is None:
            continue
        candidate = np.take(values, inside[here], axis)
        with np.errstate(invalid="ignore"):
            to_beat = best[into] + np.float32(tolerance) * np.abs(best[into])
        wins = ~(candidate <= to_beat)
        best[into] = np.where(wins, candidate, best[into])
        winners[into] = np.where(wins, np.take(places, inside[here], axis), winners[into])
    return best, winners


def unpool(relevance: Floats, winners: Winners, shape: tuple[int, ...]) -> Floats:
    """Give each window's relevance to its winner in an array of `shape` (n, d, h, w, c)."""
    n, d, h, w, channels = shape
    index = (np.arange(n, dtype=np.int64).reshape(n, 1, 1, 1, 1) * (d * h * w) + winners) * channels
    index += np.arange(channels)
    spread = np.bincount(index.ravel(), relevance.ravel(), n * d * h * w * channels)
    return spread.reshape(shape).astype(np.float32)
