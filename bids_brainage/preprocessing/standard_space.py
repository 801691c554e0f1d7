"""Relevance on its way to standard space: a warped map must still add up to the same years."""

from __future__ import annotations

from typing import NamedTuple

import nibabel as nib
import numpy as np
from nibabel.affines import voxel_sizes
from scipy import ndimage

from bids_brainage.preprocessing.registration import SampledTransform
from bids_brainage.preprocessing.resampling import FWHM_PER_SIGMA, TRUNCATE, bounding_box, image_like


class RelevanceScale(NamedTuple):
    """Factors by which the warped relevance was multiplied to add up as before, for each sign."""

    positive: float
    negative: float


def relevance_to_standard(
    relevance: nib.Nifti1Image, transform: SampledTransform
) -> tuple[nib.Nifti1Image, RelevanceScale]:
    """Warp a relevance map so that its sum of years stays what it was.

    Warping stretches and samples. Positive and negative relevance are warped separately and each scaled
    back to its own sum: a single factor would be unbounded where the two nearly cancel.

    Parameters
    ----------
    relevance : nibabel.Nifti1Image
        Signed, in years per voxel, on the grid that `transform` was sampled for.
    transform : SampledTransform

    Returns
    -------
    image : nibabel.Nifti1Image
        float32 on the transform's reference grid.
    scale : RelevanceScale
    """
    data = np.asanyarray(relevance.dataobj, dtype=np.float32)
    source, target = voxel_sizes(relevance.affine), voxel_sizes(transform.reference.affine)
    # Maps of single voxels would be missed between the coarser grid's points.
    sigma = np.sqrt(np.maximum(target**2 - source**2, 0)) / FWHM_PER_SIGMA / source
    # Only what carries relevance costs time, with as much around it as is smoothed into.
    box = bounding_box(data != 0, np.ceil(TRUNCATE * sigma).astype(int) + 1)
    near = data[box]
    result = np.zeros(transform.reference.shape)
    scales = []
    for sign in (1, -1):
        part = np.maximum(sign * near, 0)
        smooth = ndimage.gaussian_filter(part, sigma, truncate=TRUNCATE) if sigma.any() else part
        there = transform.apply(smooth, box)
        total = there.sum(dtype=np.float64)
        scale = part.sum(dtype=np.float64) / total if total > 0 else 1.0
        result += sign * scale * there
        scales.append(float(scale))
    return image_like(result.astype(np.float32), transform.reference), RelevanceScale(*scales)
