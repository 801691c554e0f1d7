"""Repeated images of one sequence: how much of a head each shows, and whether two show the same one."""

from __future__ import annotations

import nibabel as nib
import numpy as np
from nibabel.affines import voxel_sizes
from numpy.typing import NDArray
from scipy import ndimage

from bids_brainage.preprocessing.background import find_background
from bids_brainage.preprocessing.resampling import at_voxel_size, image_like, largest_component, mask_like
from bids_brainage.preprocessing.same_head import sharpness

VOXEL_SIZE = 4.0  # mm
HEAD = 0.2  # of the way from the background to the 98th percentile: brighter is head
LARGEST_HEAD = 4500.0  # ml
FAIR_CONTRAST = 2.0  # head against noise, where a run counts half
LEAST_NOISE = 1e-6  # of the largest value
CORE = 700.0  # ml: the innermost part of a head, with skull or without, is brain
MIDDLE = 1800.0  # ml: as large as a brain
# Simulated people, T1w and FLAIR, with skull and without: two runs, also noisy or of thick slices, 5.1 to 24;
# blurred by heavy motion 3.0; other people 2.0 to 2.5; noise 1.0.
LEAST_SHARPNESS = 2.8
LEAST_COVERAGE = 0.9


def quality(image: nib.Nifti1Image) -> float:
    """How well an image shows a head: the volume of the head, less the more noise there is.

    Parameters
    ----------
    image : nibabel.Nifti1Image
        With skull or without.

    Returns
    -------
    float
        Its volume in ml where noise is low, half of that where the head stands out from the background by
        `FAIR_CONTRAST` standard deviations of the noise.
    """
    data = image.get_fdata(dtype=np.float32)
    head = rough_head(image)
    inside = mask_like(head, image)
    if not inside.any():
        return 0.0
    contrast = float(data[inside].mean()) - find_background(data).level
    ratio = max(contrast, 0.0) / max(_noise(data, inside), LEAST_NOISE * float(np.abs(data).max()))
    volume = _volume(np.asanyarray(head.dataobj), head)
    return min(volume, LARGEST_HEAD) * ratio**2 / (ratio**2 + FAIR_CONTRAST**2)


def rough_head(image: nib.Nifti1Image) -> nib.Nifti1Image:
    """A mask of the head, or of a brain without skull, at 4 mm."""
    coarse = at_voxel_size(image, VOXEL_SIZE)
    data = coarse.get_fdata(dtype=np.float32)
    level = find_background(data).level
    bright = data > level + HEAD * (np.percentile(data, 98) - level)
    head = largest_component(ndimage.binary_opening(bright))
    return image_like(ndimage.binary_fill_holes(head).astype(np.uint8), coarse)


def middle_of(image: nib.Nifti1Image) -> nib.Nifti1Image:
    """A mask, at 4 mm, of what lies deepest in a head: as large as a brain."""
    return _innermost(rough_head(image), MIDDLE)


def show_the_same(
    moved: nib.Nifti1Image, middle: nib.Nifti1Image, moved_middle: nib.Nifti1Image, fixed: nib.Nifti1Image
) -> bool:
    """Whether two images show one head, and either the middle of the other's.

    Parameters
    ----------
    moved, fixed : nibabel.Nifti1Image
        On one grid, after rigid registration.
    middle, moved_middle : nibabel.Nifti1Image
        Of the image before and after it was moved: the grid may cut it.
    """
    head = rough_head(fixed)
    inside = np.asanyarray(middle_of(fixed).dataobj) > 0
    back = (np.asanyarray(moved_middle.dataobj) > 0) & mask_like(head, moved_middle)
    if not inside.any() or mask_like(rough_head(moved), head)[inside].mean() < LEAST_COVERAGE:
        return False
    if _volume(back, moved_middle) < LEAST_COVERAGE * _volume(np.asanyarray(middle.dataobj), middle):
        return False
    core = image_like(mask_like(_innermost(head, CORE), fixed).astype(np.uint8), fixed)
    return sharpness(moved, fixed, core) >= LEAST_SHARPNESS


def _volume(mask: NDArray, grid: nib.Nifti1Image) -> float:
    """In ml."""
    return float(mask.sum()) * float(np.prod(voxel_sizes(grid.affine))) / 1000


def _innermost(head: nib.Nifti1Image, volume: float) -> nib.Nifti1Image:
    """The part of a head that is farthest from its surface, of a volume in ml."""
    inside = np.asanyarray(head.dataobj) > 0
    sizes = voxel_sizes(head.affine)
    depth = ndimage.distance_transform_edt(np.pad(inside, 1), sampling=sizes)[1:-1, 1:-1, 1:-1]
    count = int(volume * 1000 / float(np.prod(sizes)))
    if count < inside.sum():
        inside = inside & (depth >= np.sort(depth, axis=None)[-count])
    return image_like(inside.astype(np.uint8), head)


def _noise(data: NDArray[np.float32], inside: NDArray[np.bool_]) -> float:
    """Standard deviation of the noise, from how voxels differ from the mean of their six neighbours."""
    kernel = ndimage.generate_binary_structure(3, 1).astype(np.float32) / -6
    kernel[1, 1, 1] = 1
    rest = np.abs(ndimage.convolve(data, kernel)[inside])
    return float(1.4826 * np.median(rest) / np.sqrt(7 / 6))
