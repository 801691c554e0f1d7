"""Where the columns of the data lie, and which are neighbours."""

from __future__ import annotations

from typing import Literal

import numpy as np

from bids_brainage import messages
from bids_brainage.errors import InputError

Connectivity = Literal[6, 18, 26]


class Grid:
    """The voxels of a mask, in a volume that is cropped to it but for a border of one voxel.

    Parameters
    ----------
    mask : ndarray of bool, shape (x, y, z)
        Its true voxels, in C order, are the columns.

    Attributes
    ----------
    shape : tuple of int
        Of the volume.
    voxels : int
    places : ndarray of int32, shape (voxels,)
        Where each voxel lies in the flat volume.
    """

    def __init__(self, mask: np.ndarray) -> None:
        mask = np.asarray(mask, dtype=bool)
        if mask.ndim != 3 or not mask.any():
            raise InputError(messages.EMPTY_MASK)
        places = np.nonzero(mask)
        first = [int(axis.min()) - 1 for axis in places]
        self.shape = tuple(int(axis.max()) - low + 2 for axis, low in zip(places, first, strict=True))
        inside = tuple(axis - low for axis, low in zip(places, first, strict=True))
        self.places = np.ravel_multi_index(inside, self.shape).astype(np.int32)
        self.voxels = len(self.places)

    def volume(self, values: np.ndarray) -> np.ndarray:
        """A map (voxels,) as a volume, zero outside the mask."""
        flat = np.zeros(int(np.prod(self.shape)), dtype=values.dtype)
        flat[self.places] = values
        return flat.reshape(self.shape)

    def values(self, volume: np.ndarray) -> np.ndarray:
        """The voxels of the mask (voxels,) of a volume."""
        return volume.ravel()[self.places]

    def steps(self, connectivity: Connectivity) -> np.ndarray:
        """From a place to its neighbours: int32 (connectivity,)."""
        around = np.argwhere(neighbourhood(connectivity)) - 1
        _, wide, deep = self.shape
        steps = around @ np.array([wide * deep, deep, 1])
        return steps[steps != 0].astype(np.int32)


def neighbourhood(connectivity: Connectivity) -> np.ndarray:
    """A voxel and its neighbours, as a structuring element (3, 3, 3)."""
    from scipy.ndimage import generate_binary_structure

    return generate_binary_structure(3, {6: 1, 18: 2, 26: 3}[connectivity])
