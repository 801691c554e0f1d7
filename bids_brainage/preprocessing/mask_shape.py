"""Is this mask a whole brain? By its likeness to the template's mask, and by faces that no brain has."""

from __future__ import annotations

import nibabel as nib
import numpy as np
from nibabel.affines import apply_affine, voxel_sizes
from numpy.typing import NDArray

from bids_brainage import messages
from bids_brainage.errors import ImageError
from bids_brainage.preprocessing.resampling import erode

#: Dice with the template's mask after an affine: good masks of all methods 0.92 to 0.96.
LEAST_DICE = 0.85
CORE_DEPTH = 6.0  # mm below the surface of the template's mask
MOST_MISSING = 0.02  # part of that core; of good masks up to 0.004
LAYER = 3.0  # mm
# Part of the largest section that the outermost layer may have: that of round brains has up to 0.10.
FLATTEST = 0.2
BORDER = 4.0  # mm
MOST_CONTACT = 0.15  # of it, so near the border of the image: a round brain that just touches it has 0.10
DIRECTIONS = 300


def check_whole(mask: NDArray[np.bool_], prior: NDArray[np.bool_], grid: nib.Nifti1Image, name: str) -> None:
    """Refuse a mask that is not that of a whole brain.

    Parameters
    ----------
    mask : ndarray of bool (x, y, z)
    prior : ndarray of bool (x, y, z)
        The template's mask, moved to the image.
    grid : nibabel.Nifti1Image
        Where the two lie.
    name : str
        What to call the image in an error.

    Raises
    ------
    ImageError
        If it covers another place than a brain, lacks a part of it, or is cut off by a plane.
    """
    dice = 2 * (mask & prior).sum() / max(mask.sum() + prior.sum(), 1)
    if dice < LEAST_DICE:
        raise ImageError(messages.MASK_UNLIKE_BRAIN.format(file=name, dice=dice))
    core = erode(prior, CORE_DEPTH, voxel_sizes(grid.affine))
    missing = 1 - float(mask[core].mean()) if core.any() else 0.0
    if missing > MOST_MISSING:
        raise ImageError(messages.MASK_LACKS.format(file=name, percent=100 * missing))
    cut = largest_contact(mask, voxel_sizes(grid.affine)) > MOST_CONTACT
    if cut or flattest_face(mask, grid) > FLATTEST:
        raise ImageError(messages.MASK_IS_CUT.format(file=name))


def largest_contact(mask: NDArray[np.bool_], sizes: NDArray[np.float64]) -> float:
    """The largest section of a mask at the border of its grid, against its largest section of all."""
    found = 0.0
    for axis, size in enumerate(sizes):
        areas = mask.sum(axis=tuple({0, 1, 2} - {axis}))
        margin = max(1, round(BORDER / size))
        found = max(found, float(max(areas[:margin].max(), areas[-margin:].max()) / max(areas.max(), 1)))
    return found


def flattest_face(mask: NDArray[np.bool_], grid: nib.Nifti1Image) -> float:
    """The outermost layer of a mask against its largest section, in the direction where it is flattest."""
    step = max(1, int(2.0 / voxel_sizes(grid.affine).max()))
    points = apply_affine(grid.affine, np.argwhere(mask[::step, ::step, ::step]) * step)
    axes = grid.affine[:3, :3] / voxel_sizes(grid.affine)
    found = 0.0
    for direction in np.concatenate([axes.T, -axes.T, _sphere(DIRECTIONS)]):
        depth = points @ direction
        layers = np.bincount(((depth.max() - depth) / LAYER).astype(int))
        found = max(found, float(layers[0] / layers.max()))
    return found


def _sphere(count: int) -> NDArray[np.float64]:
    """Directions spread evenly over the sphere (a Fibonacci lattice)."""
    number = np.arange(count) + 0.5
    height, angle = 1 - 2 * number / count, np.pi * (1 + 5**0.5) * number
    radius = np.sqrt(1 - height**2)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), height], axis=1)
