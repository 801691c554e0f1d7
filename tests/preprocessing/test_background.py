"""A background that is not about zero is subtracted; ordinary images are left as they are, bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import ndimage

from bids_brainage.preprocessing.background import subtract_background
from bids_brainage.preprocessing.header import read_image


def _data(head: nib.Nifti1Image) -> np.ndarray:
    return np.asarray(head.get_fdata(dtype=np.float32))


def _rician(data: np.ndarray, sigma: float) -> np.ndarray:
    generator = np.random.default_rng(4)
    return np.hypot(data + generator.normal(0, sigma, data.shape), generator.normal(0, sigma, data.shape))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(part=st.floats(0.1, 3), negative=st.booleans(), sigma=st.sampled_from([0.0, 1.0, 3.0]))
def test_any_offset_is_taken_back(part: float, negative: bool, sigma: float, head: nib.Nifti1Image) -> None:
    right = _rician(_data(head), sigma).astype(np.float32)
    offset = np.float32((-part if negative else part) * 130 + (-2 if negative else 2) * sigma)
    shifted, level = subtract_background(right + offset)
    assert level == pytest.approx(offset, abs=2 * sigma + 1e-4)
    np.testing.assert_allclose(shifted, right, atol=2 * sigma + 1e-3)


ORDINARY: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "zero": lambda data: data,
    "noise of a magnitude image": lambda data: _rician(data, 4),
    "much of it": lambda data: _rician(data, 15),
    "signed noise": lambda data: data + np.random.default_rng(1).normal(0, 5, data.shape),
    "cut so closely that the border is tissue": lambda data: _rician(data, 2)[8:34, 12:42, 10:34],
    "that, with a dark middle": lambda data: np.where(
        ndimage.distance_transform_edt(data > 0) > 12, 10, data + 0.01
    )[8:34, 12:42, 10:34],
    "ringing": lambda data: data - 0.1 * ndimage.laplace(data),
    "a head that goes through one side": lambda data: _rician(data, 3)[:, :, 16:],
}


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_images_are_left_as_they_are(name: str, head: nib.Nifti1Image) -> None:
    data = ORDINARY[name](_data(head)).astype(np.float32)
    same, level = subtract_background(data)
    assert same is data
    assert level == 0


def test_what_was_filled_by_zero_stays_zero(head: nib.Nifti1Image) -> None:
    """A face that was removed from an image whose background lies at 60."""
    right = _rician(_data(head), 1).astype(np.float32)
    right[20:, 40:, :15] = 0
    data = np.where(right > 0, right + 60, 0).astype(np.float32)
    shifted, level = subtract_background(data)
    assert level == pytest.approx(61, abs=2)
    np.testing.assert_allclose(shifted, right, atol=3)


def test_a_constant_around_the_head_is_put_below_its_tissue(head: nib.Nifti1Image) -> None:
    """Values from -0.5 to 0.5, and zeros around them, as in an MP2RAGE image that was masked."""
    data = _data(head)
    masked = np.where(data > 0, data / data.max() - 0.5, 0).astype(np.float32)
    shifted, level = subtract_background(masked)
    assert level == pytest.approx(masked.min())
    assert (shifted[data == 0] == 0).all()
    np.testing.assert_allclose(shifted[data > 0], masked[data > 0] - masked.min(), atol=1e-6)


@pytest.mark.parametrize("part", [-0.25, 0.5])
def test_it_is_said(part: float, head: nib.Nifti1Image, tmp_path: Path) -> None:
    path = tmp_path / "sub-01_T1w.nii.gz"
    data = _data(head)
    offset = np.float32(part * data.max())
    nib.save(nib.Nifti1Image(data + offset, head.affine, head.header), path)
    image, warnings = read_image(path)
    np.testing.assert_allclose(image.get_fdata(), data, atol=1e-3)
    assert len(warnings) == 1
    assert f"{path} lies at {offset:g}, not at zero; it is subtracted" in warnings[0]
