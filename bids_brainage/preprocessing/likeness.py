"""How like the template a T1w image is that was brought to it: what a registration is judged by."""

from __future__ import annotations

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from bids_brainage.preprocessing.templates import template_brain, template_mask

NEARBY = 25.0  # mm over which intensities are compared, against bias fields
VOXEL_SIZE = 2.0  # mm


def likeness(moved: nib.Nifti1Image) -> float:
    """Correlation with the template inside its brain, intensities taken against the mean of those nearby.

    Parameters
    ----------
    moved : nibabel.Nifti1Image
        On the template's grid of 2 mm.

    Returns
    -------
    float
        After an affine, right ones of simulated and real heads have 0.59 to 0.76, wrong ones up to 0.39, and
        T2w images in the right place -0.5.
    """
    inside = np.asanyarray(template_mask(2).dataobj) > 0
    first, second = (
        _level(image.get_fdata(dtype=np.float32), inside)[inside] for image in (moved, template_brain(2))
    )
    if not first.std():
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


def _level(data: NDArray[np.float32], inside: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Intensities against the mean of those nearby, which follows the bias field."""
    weight = inside.astype(np.float32)
    total, amount = (
        ndimage.gaussian_filter(part, NEARBY / VOXEL_SIZE, truncate=3) for part in (data * weight, weight)
    )
    mean = total / np.maximum(amount, 1e-3)
    return data / np.maximum(mean, 1e-3 * max(float(mean.max()), 1e-6))
