"""Volumes in blocks of voxels: coarser, smaller, and with the same sum."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def blocks_of(shape: Sequence[int], edge: int) -> tuple[int, ...]:
    """How many blocks there are along each axis; those at the end may be of fewer voxels."""
    return tuple(-(-extent // edge) for extent in shape)


def block_sums(volume: np.ndarray, edge: int) -> NDArray[np.float64]:
    """The sum of each block.

    Parameters
    ----------
    volume : array (x, y, z)
    edge : int
        Voxels along each edge of a block.

    Returns
    -------
    ndarray (blocks of x, of y, of z)
        Adds up to what the volume adds up to.
    """
    x, y, z = blocks_of(volume.shape, edge)
    padded = np.zeros((x * edge, y * edge, z * edge))
    padded[tuple(slice(extent) for extent in volume.shape)] = volume
    return np.asarray(padded.reshape(x, edge, y, edge, z, edge).sum(axis=(1, 3, 5)))


def filled_blocks(blocks: np.ndarray, edge: int, shape: Sequence[int]) -> np.ndarray:
    """A volume of `shape`, all voxels of a block of which have the block's value."""
    fine = blocks
    for axis in range(3):
        fine = np.repeat(fine, edge, axis)
    x, y, z = shape
    return fine[:x, :y, :z]
