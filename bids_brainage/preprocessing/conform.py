"""One grid for all: cubic voxels of 1 mm, oriented LIA, aligned with the world, nothing cut off."""

from __future__ import annotations

from typing import Literal

import nibabel as nib
import numpy as np
from nibabel.affines import voxel_sizes
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

from bids_brainage.preprocessing.resampling import to_grid

# From this many target voxels on, cubic splines take seconds and show no more than linear steps do.
LINEAR_FROM = 1.5
Interpolation = Literal["none", "linear", "cubic"]


def conform(image: nib.Nifti1Image, voxel_size: float = 1.0, orientation: str = "LIA") -> nib.Nifti1Image:
    """Bring an image to cubic voxels along the world's axes.

    An image that has such voxels already is only reoriented, without interpolation. Others are
    interpolated by cubic splines cut to the range of the image (linearly, where its voxels are much
    coarser), so that no negative values appear. The whole field of view is kept: the grid
    covers every voxel to its edge.

    Parameters
    ----------
    image : nibabel.Nifti1Image
        3D image.
    voxel_size : float
        Edge of a voxel, mm.
    orientation : str
        Axis codes, for instance "LIA": to the left, inferior, anterior.

    Returns
    -------
    nibabel.Nifti1Image
        float32.
    """
    how = interpolation(image, voxel_size)
    if how != "none":
        shape, affine = _aligned_grid(image, voxel_size)
        image = to_grid(image, shape, affine, order=1 if how == "linear" else 3, outside="nearest")
    return reorient(image, orientation)


def interpolation(image: nib.Nifti1Image, voxel_size: float = 1.0) -> Interpolation:
    """How `conform` interpolates an image."""
    if _is_aligned(image, voxel_size):
        return "none"
    return "linear" if native_voxel_size(image) > LINEAR_FROM * voxel_size else "cubic"


def reorient(image: nib.Nifti1Image, orientation: str) -> nib.Nifti1Image:
    """`image` with its axes permuted and flipped to `orientation`, as float32."""
    change = ornt_transform(io_orientation(image.affine), axcodes2ornt(tuple(orientation)))
    turned = image.as_reoriented(change)
    result = nib.Nifti1Image(turned.get_fdata(dtype=np.float32), turned.affine)
    result.header.set_xyzt_units("mm", "sec")
    result.set_sform(result.affine, code=1)
    result.set_qform(result.affine, code=1)
    return result


def _is_aligned(image: nib.Nifti1Image, voxel_size: float) -> bool:
    """Cubic voxels of that size whose axes are the world's, up to order and sign."""
    matrix = np.abs(image.affine[:3, :3])
    main = matrix.max(axis=0)
    off = matrix.sum() - main.sum()
    return bool(np.allclose(main, voxel_size, rtol=1e-3) and off < 1e-3 * voxel_size)


def _aligned_grid(image: nib.Nifti1Image, voxel_size: float) -> tuple[tuple[int, int, int], np.ndarray]:
    """The RAS grid of that voxel size that covers every voxel of `image` to its edge."""
    corners = np.array(np.meshgrid(*[(-0.5, n - 0.5) for n in image.shape])).reshape(3, -1)
    world = image.affine[:3, :3] @ corners + image.affine[:3, 3:]
    low, high = world.min(axis=1), world.max(axis=1)
    # A hundredth of a voxel of rounding must not add a slice.
    shape = np.maximum(np.ceil((high - low) / voxel_size - 0.01), 1).astype(int)
    affine = np.diag([voxel_size, voxel_size, voxel_size, 1.0])
    affine[:3, 3] = (low + high) / 2 - voxel_size * (shape - 1) / 2
    x, y, z = (int(n) for n in shape)
    return (x, y, z), affine


def native_voxel_size(image: nib.Nifti1Image) -> float:
    """Geometric mean of the three voxel edges, mm."""
    return float(np.prod(voxel_sizes(image.affine)) ** (1 / 3))


def voxel_extent(image: nib.Nifti1Image, orientation: str = "LIA") -> tuple[float, float, float]:
    """How far a voxel of an image reaches along the axes of the conformed grid, mm.

    Of an image that lies askew this is the root of the sum of squares of what its edges reach, so that cubic
    voxels reach as far in every direction.
    """
    along_world = np.sqrt((image.affine[:3, :3] ** 2).sum(axis=1))
    x, y, z = (round(float(along_world[int(axis)]), 4) for axis, _ in axcodes2ornt(tuple(orientation)))
    return x, y, z
