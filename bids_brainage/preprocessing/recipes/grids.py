"""The grids on which recipes lay images, and how an image comes there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import nibabel as nib
import numpy as np
from nibabel.affines import apply_affine, voxel_sizes
from nibabel.orientations import (
    apply_orientation,
    axcodes2ornt,
    inv_ornt_aff,
    io_orientation,
    ornt_transform,
)
from numpy.typing import NDArray
from scipy import ndimage

from bids_brainage import messages
from bids_brainage.errors import ImageError
from bids_brainage.preprocessing import templates
from bids_brainage.preprocessing.recipes.vocabulary import Grid
from bids_brainage.preprocessing.transforms import LPS, Linear, Step, move

#: mm that corners of a given image may lie aside.
TOLERANCE = 0.01


@dataclass(frozen=True, eq=False)
class Lattice:
    """Where voxels lie.

    Attributes
    ----------
    shape : tuple of int
    affine : ndarray (4, 4)
        From voxels to mm (RAS).
    standard : bool
        Whether the mm are those of MNI152NLin6Asym.
    """

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]
    standard: bool

    @property
    def image(self) -> nib.Nifti1Image:
        """An empty image of it."""
        return nib.Nifti1Image(np.zeros(self.shape, np.uint8), self.affine)


def lattice_of(grid: Grid, image: nib.Nifti1Image) -> Lattice:
    """The voxels that a recipe's grid means, for an image."""
    return _own(grid, image) if grid.name == "own" else template_lattice(grid)


def template_lattice(grid: Grid) -> Lattice:
    """The voxels that a recipe's grid in the template's space means; `own` is none."""
    if grid.name == "fsl-1mm":
        template = templates.grid(1)
        return Lattice(*_turned(template.shape, template.affine, grid.orientation), standard=True)
    assert grid.shape is not None
    assert grid.origin is not None
    affine = np.eye(4)
    for axis, (target, sign) in enumerate(axcodes2ornt(tuple(grid.orientation))):
        affine[:3, axis] = 0
        affine[int(target), axis] = sign * grid.voxel_size
    affine[:3, 3] = grid.origin
    return Lattice(grid.shape, affine, standard=True)


def _own(grid: Grid, image: nib.Nifti1Image) -> Lattice:
    """An image's grid, turned; with other voxels as MONAI's Spacing counts them, from the first one."""
    shape, affine = _turned(image.shape, image.affine, grid.orientation)
    if grid.voxel_size is not None:
        ratio = grid.voxel_size / voxel_sizes(affine)
        x, y, z = (int(n) for n in np.round((np.array(shape) - 1) / ratio + 1))
        shape, affine = (x, y, z), affine @ np.diag([*ratio, 1.0])
    return Lattice(shape, affine, standard=False)


def _turned(
    shape: Sequence[int], affine: NDArray, orientation: str
) -> tuple[tuple[int, int, int], NDArray[np.float64]]:
    change = ornt_transform(io_orientation(affine), axcodes2ornt(tuple(orientation)))
    x, y, z = (int(shape[i]) for i in np.argsort(change[:, 0]))
    return (x, y, z), np.asarray(affine, dtype=float) @ inv_ornt_aff(change, shape)


def turned_to(image: nib.Nifti1Image, lattice: Lattice, name: str) -> NDArray[np.float32]:
    """The voxels of an image that lies on a lattice, or on it with its axes in another order.

    Raises
    ------
    ImageError
        If it lies on another grid.
    """
    check_on(lattice, image.shape, image.affine, name)
    codes = nib.aff2axcodes(lattice.affine)
    change = ornt_transform(io_orientation(image.affine), axcodes2ornt(codes))
    return apply_orientation(np.asanyarray(image.dataobj, dtype=np.float32), change).astype(np.float32)


def check_on(lattice: Lattice, shape: Sequence[int], affine: NDArray, name: str) -> None:
    """ImageError unless an image of that shape and affine lies on a lattice, in any order of its axes."""
    found = tuple(shape)
    shape, affine = _turned(shape, affine, "".join(nib.aff2axcodes(lattice.affine)))
    if shape != lattice.shape or not np.allclose(affine, lattice.affine, atol=TOLERANCE):
        sizes = [" x ".join(map(str, n)) for n in (found, lattice.shape)]
        raise ImageError(
            messages.GIVEN_OTHER_GRID.format(
                file=name, found=sizes[0], wanted=sizes[1], first=_point(affine), place=_point(lattice.affine)
            )
        )


def _point(affine: NDArray) -> str:
    sizes = " x ".join(f"{size:.4g}" for size in voxel_sizes(affine))
    return f"{sizes} mm from ({', '.join(f'{value:.6g}' for value in affine[:3, 3])})"


def sampled(data: NDArray, affine: NDArray, lattice: Lattice, steps: Sequence[Step]) -> NDArray[np.float32]:
    """Read an image at a lattice's voxels, linearly, with one interpolation.

    Parameters
    ----------
    data, affine : ndarray (x, y, z), ndarray (4, 4)
        The image.
    lattice : Lattice
    steps : sequence of Step
        Take points of the lattice's space to the image's; none where they are the same.

    Returns
    -------
    ndarray of float32
        Zero beyond the image; on a grid of its own, the nearest voxel there.
    """
    mode = "constant" if lattice.standard else "nearest"
    data = np.asarray(data, dtype=np.float32)
    if all(isinstance(step, Linear) for step in steps):
        matrix = np.linalg.inv(affine) @ matrix_of(steps) @ lattice.affine
        return ndimage.affine_transform(
            data, matrix[:3, :3], matrix[:3, 3], lattice.shape, order=1, mode=mode, output=np.float32
        )
    slabs = [_slab(data, affine, lattice, steps, first) for first in range(lattice.shape[0])]
    return np.stack(slabs)


def _slab(
    data: NDArray, affine: NDArray, lattice: Lattice, steps: Sequence[Step], first: int
) -> NDArray[np.float32]:
    voxels = np.argwhere(np.ones((1, *lattice.shape[1:]), bool))
    voxels[:, 0] = first
    points = move(apply_affine(lattice.affine, voxels) * LPS, steps) * LPS
    places = apply_affine(np.linalg.inv(affine), points).T
    slab = ndimage.map_coordinates(data, places, order=1, mode="constant", output=np.float32)
    return slab.reshape(lattice.shape[1:])


def matrix_of(steps: Sequence[Step]) -> NDArray[np.float64]:
    """Linear steps as one matrix (4, 4) of points in RAS mm."""
    matrix = np.eye(4)
    flip = np.diag([*LPS, 1.0])
    for step in steps:
        assert isinstance(step, Linear)
        one = np.eye(4)
        one[:3, :3], one[:3, 3] = step.matrix, step.offset
        matrix = flip @ one @ flip @ matrix
    return matrix
