"""Images on other grids: interpolation, smoothing against aliasing, masks."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, cast

import nibabel as nib
import numpy as np
from nibabel.affines import voxel_sizes
from numpy.typing import NDArray
from scipy import ndimage

FWHM_PER_SIGMA = 2.3548


def load_nifti(path: Path) -> nib.Nifti1Image:
    """A NIfTI file of our own or of a package, whose format is known; datasets go through `header`."""
    return cast(nib.Nifti1Image, nib.load(path))


def image_like(data: NDArray, reference: nib.Nifti1Image) -> nib.Nifti1Image:
    """`data` on the grid of `reference`, with both orientation codes set to the scanner's."""
    image = nib.Nifti1Image(data, reference.affine)
    image.header.set_xyzt_units("mm", "sec")
    return image


def to_grid(
    image: nib.Nifti1Image,
    shape: tuple[int, ...],
    affine: NDArray,
    *,
    order: Literal[0, 1, 3] = 1,
    outside: Literal["constant", "nearest"] = "constant",
) -> nib.Nifti1Image:
    """Interpolate `image` at the voxels of a grid, smoothing first where that grid is coarser.

    Parameters
    ----------
    image : nibabel.Nifti1Image
        3D image.
    shape, affine : tuple of int, ndarray (4, 4)
        The grid to fill.
    order : {0, 1, 3}
        Nearest neighbour (no smoothing), linear, or cubic spline cut to the range of the image.
    outside : {"constant", "nearest"}
        Zero, or the nearest voxel's value, beyond the outermost voxel centres.
    """
    data = image.get_fdata(dtype=np.float32)
    source = voxel_sizes(image.affine)
    target = _steps_along(image.affine, affine)
    if order:
        sigma = np.sqrt(np.maximum(target**2 - source**2, 0)) / FWHM_PER_SIGMA / source
        if (sigma > 0.15).any():
            data = ndimage.gaussian_filter(data, sigma, mode="nearest", truncate=3)
    to_source = np.linalg.inv(image.affine) @ affine
    matrix = to_source[:3, :3]
    filled = ndimage.affine_transform(
        data, matrix, to_source[:3, 3], tuple(shape), order=order, mode=outside, prefilter=order > 1
    )
    if order > 1:
        filled = np.clip(filled, data.min(), data.max())
    return nib.Nifti1Image(filled.astype(np.float32), affine)


def at_voxel_size(image: nib.Nifti1Image, size: float, *, order: Literal[0, 1, 3] = 1) -> nib.Nifti1Image:
    """`image` along its own axes with cubic voxels of `size` mm, its field of view covered whole."""
    source = voxel_sizes(image.affine)
    if np.allclose(source, size, rtol=1e-3):
        return image
    shape = np.maximum(np.ceil(np.asarray(image.shape) * source / size - 1e-3), 1).astype(int)
    affine = np.array(image.affine, dtype=float)
    affine[:3, :3] *= size / source
    centre = image.affine[:3, :3] @ ((np.asarray(image.shape) - 1) / 2) + image.affine[:3, 3]
    affine[:3, 3] = centre - affine[:3, :3] @ ((shape - 1) / 2)
    return to_grid(image, tuple(shape), affine, order=order, outside="nearest")


def mask_like(mask: nib.Nifti1Image, reference: nib.Nifti1Image) -> NDArray[np.bool_]:
    """`mask` on the grid of `reference`, true where at least half of a voxel is covered."""
    if mask.shape == reference.shape and np.allclose(mask.affine, reference.affine, atol=1e-4):
        return np.asanyarray(mask.dataobj) > 0
    binary = nib.Nifti1Image((np.asanyarray(mask.dataobj) > 0).astype(np.float32), mask.affine)
    return to_grid(binary, reference.shape, reference.affine).get_fdata(dtype=np.float32) >= 0.5


def ball(radius: float, sizes: NDArray) -> NDArray[np.bool_]:
    """A ball of `radius` mm on a grid of voxel `sizes`, as a structuring element."""
    reach = np.floor(radius / np.asarray(sizes)).astype(int)
    axes = np.ogrid[tuple(slice(-r, r + 1) for r in reach)]
    return sum((axis * size) ** 2 for axis, size in zip(axes, sizes, strict=True)) <= radius**2 + 1e-6


def dilate(mask: NDArray[np.bool_], radius: float, sizes: NDArray) -> NDArray[np.bool_]:
    """`mask` grown by `radius` mm (Euclidean, by the distance transform)."""
    return ndimage.distance_transform_edt(~mask, sampling=sizes) <= radius


def erode(mask: NDArray[np.bool_], radius: float, sizes: NDArray) -> NDArray[np.bool_]:
    """`mask` shrunk by `radius` mm (Euclidean, by the distance transform)."""
    return ndimage.distance_transform_edt(mask, sampling=sizes) > radius


def largest_component(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest face-connected part of `mask`."""
    labels, count = ndimage.label(mask)
    if count < 2:
        return mask
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return labels == sizes.argmax()


def _steps_along(source: NDArray, target: NDArray) -> NDArray:
    """How far (mm) one voxel step of the `target` grid reaches along each axis of `source`."""
    sizes = voxel_sizes(source)
    return np.abs(np.linalg.inv(source)[:3, :3] @ target[:3, :3]).max(axis=1) * sizes
