"""N4 takes a known field off."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from bids_brainage.preprocessing.bias import correct_bias
from bids_brainage.preprocessing.resampling import at_voxel_size, image_like
from bids_brainage.preprocessing.templates import template_brain, template_mask


def _variation(data: np.ndarray, clean: np.ndarray, inside: np.ndarray) -> float:
    """Coefficient of variation of what is left of the field."""
    left = data[inside] / clean[inside]
    return float(left.std() / left.mean())


def test_a_known_field_is_taken_off_and_the_mean_kept() -> None:
    clean = at_voxel_size(template_brain(2), 4.0)
    mask = at_voxel_size(template_mask(2), 4.0, order=0)
    data = clean.get_fdata(dtype=np.float32)
    inside = (np.asarray(mask.dataobj) > 0) & (data > 0.2 * data.max())
    grid = np.meshgrid(*(np.linspace(-1, 1, n) for n in data.shape), indexing="ij")
    field = np.exp(0.35 * grid[0] - 0.25 * grid[1] + 0.2 * grid[2] ** 2).astype(np.float32)
    seen = image_like(data * field, clean)
    corrected = correct_bias(seen, mask).get_fdata()
    before, after = _variation(data * field, data, inside), _variation(corrected, data, inside)
    assert before > 0.15
    assert after < before / 2.5
    whole = np.asarray(mask.dataobj) > 0
    assert corrected[whole].mean() == pytest.approx((data * field)[whole].mean(), rel=1e-3)


def test_too_small_a_mask_leaves_the_image_as_it_is() -> None:
    image = at_voxel_size(template_brain(2), 4.0)
    dot = np.zeros(image.shape, np.uint8)
    dot[20:22, 20:22, 20:22] = 1
    corrected = correct_bias(image, nib.Nifti1Image(dot, image.affine))
    np.testing.assert_array_equal(corrected.get_fdata(), image.get_fdata(dtype=np.float32))
