"""Images on other grids: interpolation, smoothing against aliasing, masks."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, cast

import nibabel as nib
import numpy as np
from nibabel.affines import voxel_sizes
from numpy.typing import NDArray
from scipy import ndimage, sparse

FWHM_PER_SIGMA = 2.3548
TRUNCATE = 3.0  # standard deviations of a Gaussian


def load_nifti(path: Path) -> nib.Nifti1Image:
    """A NIfTI file of known format, our own or a package's; images of datasets are read by `header`."""
    return cast(nib.Nifti1Image, nib.load(path))


def image_like(data: NDArray, reference: nib.Nifti1Image) -> nib.Nifti1Image:
    """`data` on the grid of `reference`, with both orientation codes set to scanner."""
    image = nib.Nifti1Image(data, reference.affine)
    image.header.set_xyzt_units("mm", "sec")
    return image


def bounding_box(mask: NDArray[np.bool_], margin: int | NDArray[np.int_] = 3) -> tuple[slice, ...]:
    """Slices around a mask's true voxels, with a margin in voxels per axis; everything if it is empty."""
    found = ndimage.find_objects(mask.astype(np.uint8))  # NumPy 2.3 has no integer view of a bool for it
    sides = found[0] if found else [slice(0, length) for length in mask.shape]
    margins = np.broadcast_to(margin, mask.ndim).tolist()
    return tuple(
        slice(max(side.start - spare, 0), min(side.stop + spare, length))
        for side, spare, length in zip(sides, margins, mask.shape, strict=True)
    )


def to_grid(
    image: nib.Nifti1Image,
    shape: tuple[int, ...],
    affine: NDArray,
    *,
    order: Literal[0, 1, 3] = 1,
    outside: Literal["constant", "nearest"] = "constant",
) -> nib.Nifti1Image:
    """Interpolate `image` at the voxels of a grid, smoothing first if that grid is coarser.

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
    sigma = _smoothing(image.affine, affine) if order else np.zeros(3)
    to_source = np.linalg.inv(image.affine) @ affine
    matrix = to_source[:3, :3]
    if order == 1 and _is_permutation(matrix):
        return nib.Nifti1Image(_axis_by_axis(data, to_source, shape, sigma, outside), affine)
    if sigma.any():
        data = ndimage.gaussian_filter(data, sigma, mode="nearest", truncate=TRUNCATE)
    filled = ndimage.affine_transform(
        data, matrix, to_source[:3, 3], tuple(shape), order=order, mode=outside, prefilter=order > 1
    )
    if order > 1:
        filled = np.clip(filled, data.min(), data.max())
    return nib.Nifti1Image(filled.astype(np.float32), affine)


def _smoothing(source: NDArray, target: NDArray) -> NDArray[np.float64]:
    """Standard deviations (source voxels, per axis) of the Gaussian that a coarser target grid needs."""
    sizes = voxel_sizes(source)
    steps = _steps_along(source, target)
    sigma = np.sqrt(np.maximum(steps**2 - sizes**2, 0)) / FWHM_PER_SIGMA / sizes
    return sigma if (sigma > 0.15).any() else np.zeros(3)


def _is_permutation(matrix: NDArray) -> bool:
    """Whether every target axis runs along one source axis."""
    size = np.abs(matrix)
    main = size.argmax(axis=0)
    off = size.sum() - size[main, np.arange(3)].sum()
    return bool(len(set(main)) == 3 and off < 1e-9 * size.max())


def _axis_by_axis(
    data: NDArray, to_source: NDArray, shape: tuple[int, ...], sigma: NDArray, outside: str
) -> NDArray[np.float32]:
    """Smooth and interpolate linearly one axis after the other, each by one sparse matrix.

    The same as a Gaussian filter followed by linear interpolation, where axes are parallel, but nothing
    is computed at voxels that are discarded.
    """
    axes = [int(axis) for axis in np.abs(to_source[:3, :3]).argmax(axis=0)]
    filled = np.transpose(data, axes)
    for target, source in enumerate(axes):
        length = data.shape[source]
        positions = to_source[source, 3] + to_source[source, target] * np.arange(shape[target])
        weights = _linear_weights(positions, length, outside) @ _gaussian(length, float(sigma[source]))
        rest = filled.shape[1:]
        # The finished axis goes last: after three turns all are back in place.
        filled = np.moveaxis((weights @ filled.reshape(length, -1)).reshape(-1, *rest), 0, -1)
    return np.ascontiguousarray(filled, dtype=np.float32)


def _linear_weights(positions: NDArray, length: int, outside: str) -> sparse.csr_matrix:
    """Matrix (positions, length) that interpolates linearly, zero or the nearest value beyond the ends."""
    within = (positions > -1e-6) & (positions < length - 1 + 1e-6)
    kept = np.ones(len(positions)) if outside == "nearest" else within.astype(float)
    positions = np.clip(positions, 0, length - 1)
    lower = np.minimum(positions.astype(int), max(length - 2, 0))
    upper = np.minimum(lower + 1, length - 1)
    part = positions - lower
    rows = np.arange(len(positions))
    return sparse.csr_matrix(
        (
            np.concatenate([(1 - part) * kept, part * kept]).astype(np.float32),
            (np.tile(rows, 2), np.concatenate([lower, upper])),
        ),
        shape=(len(positions), length),
    )


def _gaussian(length: int, sigma: float) -> sparse.csr_matrix:
    """Matrix (length, length) of a Gaussian filter that continues the nearest value beyond the ends."""
    one = np.eye(length, dtype=np.float32)
    if not sigma:
        return sparse.csr_matrix(one)
    return sparse.csr_matrix(ndimage.gaussian_filter1d(one, sigma, axis=0, mode="nearest", truncate=TRUNCATE))


def at_voxel_size(image: nib.Nifti1Image, size: float, *, order: Literal[0, 1, 3] = 1) -> nib.Nifti1Image:
    """`image` along its own axes with cubic voxels of `size` mm, its whole field of view covered."""
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


def masked(image: nib.Nifti1Image, mask: nib.Nifti1Image) -> nib.Nifti1Image:
    """`image` with zeros where `mask` is not, as float32."""
    return image_like(image.get_fdata(dtype=np.float32) * mask_like(mask, image), image)


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
