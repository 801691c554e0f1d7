"""Whole brains are let through, and parts of one are refused."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from bids_brainage.errors import ImageError
from bids_brainage.preprocessing import mask_shape
from bids_brainage.preprocessing.mask_shape import check_whole, flattest_face, largest_contact
from bids_brainage.preprocessing.resampling import dilate, erode
from bids_brainage.preprocessing.templates import template_mask

SIZES = np.full(3, 2.0)


@pytest.fixture
def whole() -> np.ndarray:
    return np.asanyarray(template_mask(2).dataobj) > 0


@pytest.mark.parametrize("change", [0, -4, 4])
def test_a_whole_brain_passes_though_a_little_larger_or_smaller(whole: np.ndarray, change: float) -> None:
    mask = dilate(whole, change, SIZES) if change > 0 else erode(whole, -change, SIZES)
    check_whole(mask, whole, template_mask(2), "x")


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("side", [1, -1])
def test_a_brain_cut_off_by_a_plane_is_refused(whole: np.ndarray, axis: int, side: int) -> None:
    mask = np.moveaxis(whole.copy(), axis, 0)[::side]
    first = int(np.flatnonzero(mask.any(axis=(1, 2)))[0])
    mask[: first + 10] = False  # 20 mm
    mask = np.moveaxis(mask[::side], 0, axis)
    with pytest.raises(ImageError, match=r"sub-01_T1w.*(cut off|lacks)"):
        check_whole(mask, whole, template_mask(2), "sub-01_T1w.nii.gz")


def test_a_brain_at_the_border_of_the_image_is_refused(
    whole: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    # However little flat the cut is.
    monkeypatch.setattr(mask_shape, "FLATTEST", 1.0)
    grid = template_mask(2).slicer[:, :, :65]
    with pytest.raises(ImageError, match="cut off by a plane"):
        check_whole(whole[:, :, :65], whole[:, :, :65], grid, "x")


def test_a_mask_elsewhere_or_with_a_hole_is_refused(whole: np.ndarray) -> None:
    with pytest.raises(ImageError, match="does not lie where the brain does"):
        check_whole(np.roll(whole, 10, axis=1), whole, template_mask(2), "x")
    holed = whole.copy()
    holed[30:50, 40:60, 40:60] = False
    with pytest.raises(ImageError, match=r"lacks \d+ % of the inside"):
        check_whole(holed, whole, template_mask(2), "x")


def test_faces_of_a_ball_and_a_cube() -> None:
    x, y, z = np.indices((80, 80, 80)) - 40
    grid = nib.Nifti1Image(np.zeros((80, 80, 80), dtype=np.uint8), np.diag([2.0, 2, 2, 1]))
    ball = x**2 + y**2 + z**2 < 35**2
    cube = np.maximum(np.maximum(abs(x), abs(y)), abs(z)) < 25
    # The cap of a ball of 70 mm that is 3 mm high against its equator: 1 - (67 / 70)^2.
    assert flattest_face(ball, grid) < 1.4 * (1 - (67 / 70) ** 2)
    assert flattest_face(cube, grid) > 0.9
    assert largest_contact(ball, SIZES) == 0
    assert largest_contact(ball[:, :, 20:], SIZES) > 0.6
