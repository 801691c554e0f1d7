"""Reductions of a window to fewer voxels, each one small matrix along every axis, and the way back."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from bids_brainage.preprocessing.recipes.vocabulary import Reduction


def reduced(data: NDArray[np.float32], step: Reduction) -> NDArray[np.float32]:
    """A window with fewer voxels."""
    if step.kind == "none":
        return data
    if step.kind == "spline-zoom":
        return ndimage.zoom(data, 1 / step.factor, order=3, output=np.float32)
    return along(data, shares(step, data.shape))


def shares(step: Reduction, shape: Sequence[int]) -> list[NDArray[np.float32]]:
    """For each axis, which part (reduced, full) of a reduced voxel is read from each voxel.

    Rows sum to one and nothing is negative, so that their transpose keeps sums and signs. Of a spline, these
    are the weights of its coefficients, not of the voxels: those are negative here and there.
    """
    return [SHARES[step.kind](n, step.factor) for n in shape]


def along(data: NDArray, matrices: Sequence[NDArray]) -> NDArray:
    """Multiply each axis of a volume by its matrix."""
    for matrix in matrices:
        # The finished axis goes last: after three turns all are back in place.
        data = np.moveaxis(np.tensordot(matrix, data, axes=(1, 0)), 0, -1)
    return np.ascontiguousarray(data)


def _block_mean(length: int, factor: int) -> NDArray[np.float32]:
    return np.kron(np.eye(length // factor), np.full((1, factor), 1 / factor)).astype(np.float32)


def _every(length: int, factor: int) -> NDArray[np.float32]:
    return np.eye(length, dtype=np.float32)[::factor]


def _spline_zoom(length: int, factor: int) -> NDArray[np.float32]:
    """Cubic B-splines of the voxels around the places where `scipy.ndimage.zoom` reads.

    What lies beyond the edge belongs to the voxel at the edge.
    """
    places = np.linspace(0, length - 1, round(length / factor))
    below = np.floor(places)
    t = places - below
    parts = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3)
    weights = np.zeros((places.size, length), np.float32)
    for offset, part in zip((-1, 0, 1, 2), parts, strict=True):
        voxels = np.clip(below + offset, 0, length - 1).astype(int)
        np.add.at(weights, (np.arange(places.size), voxels), part / 6)
    return weights


SHARES: dict[str, Callable[[int, int], NDArray[np.float32]]] = {
    "block-mean": _block_mean,
    "every": _every,
    "spline-zoom": _spline_zoom,
}
