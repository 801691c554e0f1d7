"""Do two registered images show the same head? Checked for every FLAIR and T2starw before it is used.

Within one head, mutual information with the T1w image stands out as a peak: a few millimetres aside it
is much lower. The anatomy of another head fits nowhere, and the peak is flat. A ratio of values at two
places does not depend on contrast, noise or lesions as one value would.
"""

from __future__ import annotations

import nibabel as nib
import numpy as np
from nibabel.affines import voxel_sizes
from numpy.typing import NDArray

from bids_brainage import messages
from bids_brainage.errors import ImageError
from bids_brainage.preprocessing.resampling import at_voxel_size, bounding_box, erode, mask_like

VOXEL_SIZE = 2.0  # mm
SHIFT = 4  # voxels of that size
DEPTH = 4.0  # mm below the brain's surface, whose outline is similar in all heads
BINS = 32
FEWEST_VOXELS = 5000
# Simulated people at 2 mm: their own images 6.9 to 7.3 (4.8 with slices of 5 mm), others' 2.0 to 2.2.
LEAST_SHARPNESS = 2.5
LEAST_COVERAGE = 0.3


def sharpness(moved: nib.Nifti1Image, fixed: nib.Nifti1Image, mask: nib.Nifti1Image) -> float:
    """How much higher mutual information is in place than 8 mm aside (mean of six directions).

    Parameters
    ----------
    moved, fixed : nibabel.Nifti1Image
        On one grid, after rigid registration.
    mask : nibabel.Nifti1Image
        Brain mask on that grid.

    Returns
    -------
    float
        About 1 if nothing fits, and larger the better the two fit; infinite if too little of the brain
        is left below its surface to judge.
    """
    first, second, inside = _coarse(moved, fixed, mask)
    if inside.sum() < FEWEST_VOXELS:
        return float("inf")
    inside = inside & (first > 0)
    other = _ranks(second[inside])
    in_place = _shared(_ranks(first[inside]), other)
    aside = [
        _shared(_ranks(np.roll(first, step, axis)[inside]), other)
        for axis in range(3)
        for step in (-SHIFT, SHIFT)
    ]
    return in_place / max(float(np.mean(aside)), 1e-6)


def coverage(moved: nib.Nifti1Image, mask: nib.Nifti1Image) -> float:
    """The part of the brain that the moved image covers with signal."""
    inside = mask_like(mask, moved)
    return float((moved.get_fdata(dtype=np.float32)[inside] > 0).mean())


def check_same_head(
    moved: nib.Nifti1Image, fixed: nib.Nifti1Image, mask: nib.Nifti1Image, name: str, reference: str
) -> None:
    """Refuse an image that does not fit the T1w image.

    Parameters
    ----------
    moved, fixed, mask : nibabel.Nifti1Image
        As for `sharpness`.
    name, reference : str
        What to call the two in an error.

    Raises
    ------
    ImageError
        If it covers too little of the brain, or fits no better in place than aside.
    """
    covered = coverage(moved, mask)
    if covered < LEAST_COVERAGE:
        reason = f"it covers {100 * covered:.0f} % of the brain"
        raise ImageError(messages.OTHER_HEAD.format(file=name, reference=reference, reason=reason))
    found = sharpness(moved, fixed, mask)
    if found < LEAST_SHARPNESS:
        reason = f"the anatomy does not match, sharpness {found:.2f} of at least {LEAST_SHARPNESS}"
        raise ImageError(messages.OTHER_HEAD.format(file=name, reference=reference, reason=reason))


def mutual_information(first: NDArray, second: NDArray) -> float:
    """Mutual information of two samples in nats, over a histogram of equally filled bins."""
    return _shared(_ranks(first), _ranks(second))


def _shared(first: NDArray, second: NDArray) -> float:
    """Mutual information of two samples of ranks."""
    joint, _, _ = np.histogram2d(first, second, bins=BINS, range=[[0, 1], [0, 1]])
    joint /= joint.sum()
    expected = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    there = joint > 0
    return float((joint[there] * np.log(joint[there] / expected[there])).sum())


def _ranks(values: NDArray) -> NDArray:
    ranks = np.empty(values.size)
    ranks[np.argsort(values, kind="stable")] = np.arange(values.size)
    return ranks / max(values.size, 1)


def _coarse(
    moved: nib.Nifti1Image, fixed: nib.Nifti1Image, mask: nib.Nifti1Image
) -> tuple[NDArray, NDArray, NDArray[np.bool_]]:
    # The comparison reaches `SHIFT` voxels beyond the brain.
    reach = np.ceil((SHIFT + 2) * VOXEL_SIZE / voxel_sizes(mask.affine)).astype(int)
    box = bounding_box(np.asanyarray(mask.dataobj) > 0, reach)
    first, second = (at_voxel_size(image.slicer[box], VOXEL_SIZE) for image in (moved, fixed))
    inside = erode(mask_like(mask.slicer[box], second), DEPTH, voxel_sizes(second.affine))
    return first.get_fdata(dtype=np.float32), second.get_fdata(dtype=np.float32), inside
