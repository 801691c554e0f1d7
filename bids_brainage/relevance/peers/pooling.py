"""Pooling: the largest of a window, with one winner on every processor, or the average.

The winner is the first of the largest values: along the width first, then the height, then the depth, a
later voxel wins only if it is larger by more than `tolerance` times the value it has to beat. TensorFlow's
own gradient of max pooling gives every tied voxel the whole gradient, or one of them, depending on the
processor.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_brainage.networks.network import Floats, Padding, Triple

Winners = NDArray[np.integer[Any]]
Index = tuple[slice, ...]


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
    shape = list(values.shape)
    shape[axis], _ = output_size(shape[axis], size, stride, padding)
    best = np.full(shape, -np.inf, np.float32)
    winners = np.zeros(shape, np.int32)
    for windows, inside in _offsets(values.shape, axis, size, stride, padding):
        candidate = values[inside]
        with np.errstate(invalid="ignore"):
            to_beat = best[windows] + np.float32(tolerance) * np.abs(best[windows])
        wins = ~(candidate <= to_beat)
        best[windows] = np.where(wins, candidate, best[windows])
        winners[windows] = np.where(wins, places[inside], winners[windows])
    return best, winners


def _offsets(
    shape: tuple[int, ...], axis: int, size: int, stride: int, padding: Padding
) -> Iterator[tuple[Index, Index]]:
    """Yield, for each place in a window along an axis, which windows contain it, and where it lies."""
    count, before = output_size(shape[axis], size, stride, padding)
    others = (slice(None),) * axis
    for offset in range(size):
        first = max(-((offset - before) // stride), 0)
        end = min((shape[axis] - 1 - offset + before) // stride + 1, count)
        if first < end:
            start, last = (window * stride + offset - before for window in (first, end - 1))
            yield (*others, slice(first, end)), (*others, slice(start, last + 1, stride))


def unpool(relevance: Floats, winners: Winners, shape: tuple[int, ...]) -> Floats:
    """Give each window's relevance to its winner in an array of `shape` (n, d, h, w, c)."""
    n, d, h, w, channels = shape
    index = (np.arange(n, dtype=np.int64).reshape(n, 1, 1, 1, 1) * (d * h * w) + winners) * channels
    index += np.arange(channels)
    spread = np.bincount(index.ravel(), relevance.ravel(), n * d * h * w * channels)
    return spread.reshape(shape).astype(np.float32)


def average_pool(x: Floats, size: Triple, strides: Triple, padding: Padding) -> Floats:
    """Average what the windows of `x` (n, d, h, w, c) have inside it; returns (n, d', h', w', c)."""
    for axis in (3, 2, 1):
        geometry = (size[axis - 1], strides[axis - 1], padding)
        counts = _counts(x.shape, axis, *geometry)
        sums = np.zeros([*x.shape[:axis], counts.shape[axis], *x.shape[axis + 1 :]], np.float32)
        for windows, inside in _offsets(x.shape, axis, *geometry):
            sums[windows] += x[inside]
        x = sums / counts
    return x


def spread_average(
    s: Floats, shape: tuple[int, ...], size: Triple, strides: Triple, padding: Padding
) -> Floats:
    """Share each of `s` (n, d', h', w', c) equally in its window: the transpose of `average_pool`."""
    for axis in (1, 2, 3):
        geometry = (size[axis - 1], strides[axis - 1], padding)
        whole = (*s.shape[:axis], *shape[axis:4], s.shape[4])
        spread = np.zeros((*s.shape[:axis], shape[axis], *s.shape[axis + 1 :]), np.float32)
        shares = s / _counts(whole, axis, *geometry)
        for windows, inside in _offsets(whole, axis, *geometry):
            spread[inside] += shares[windows]
        s = spread
    return s


def _counts(shape: tuple[int, ...], axis: int, size: int, stride: int, padding: Padding) -> Floats:
    """Return how many places of each window lie inside, along an axis; broadcasts against windows."""
    counts = np.zeros([output_size(shape[i], size, stride, padding)[0] if i == axis else 1 for i in range(5)])
    for windows, _ in _offsets(shape, axis, size, stride, padding):
        counts[windows] += 1
    return counts.astype(np.float32)
