"""Stored images: zero stays zero, no value moves by more than half a step, sums are as read back."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from bids_brainage.records.rounding import COARSE, STEPS, RoundedImage, write_rounded


@given(
    hnp.arrays(
        np.float32, (3, 4, 2), elements=st.floats(-(2.0**90), 2.0**90, width=32, allow_subnormal=False)
    )
)
def test_values_move_by_half_a_step_at_most(data: np.ndarray) -> None:
    stored = RoundedImage.of(nib.Nifti1Image(data, np.eye(4)))
    back = stored.whole.astype(np.float64) * stored.step
    assert np.abs(back - data).max() <= 0.5001 * stored.step
    assert (stored.whole[data == 0] == 0).all()
    assert stored.sum == pytest.approx(back.sum(), abs=1e-9 * stored.step * STEPS)


def test_what_is_written_is_read_back_as_it_was_rounded(tmp_path: Path) -> None:
    data = np.random.default_rng(0).normal(0, 1e-5, (20, 21, 22)).astype(np.float32)
    affine = np.diag([-2.0, 2, 2, 1])
    stored = RoundedImage.of(nib.Nifti1Image(data, affine))
    stored.write(tmp_path / "map.nii.gz")
    image = nib.load(tmp_path / "map.nii.gz")
    assert image.get_data_dtype() == np.int16
    np.testing.assert_array_equal(image.affine, affine)
    assert np.asarray(image.dataobj, np.float64).sum() == pytest.approx(stored.sum, rel=1e-12)
    # The sum moves as far as rounding errors of n values do.
    exact = data.sum(dtype=np.float64)
    assert abs(stored.sum - exact) < 4 * stored.step * np.sqrt(data.size / 12)


def test_an_image_of_zeros_is_one(tmp_path: Path) -> None:
    nib.Nifti1Image(np.zeros((3, 3, 3), np.float32), np.eye(4)).to_filename(tmp_path / "a.nii")
    write_rounded(tmp_path / "a.nii", tmp_path / "b.nii.gz")
    assert not nib.load(tmp_path / "b.nii.gz").get_fdata().any()


def test_outside_the_mask_steps_are_coarse_and_inside_as_without_one(tmp_path: Path) -> None:
    data = np.random.default_rng(1).uniform(-300, 1000, (30, 31, 32)).astype(np.float32)
    inside = np.zeros(data.shape, bool)
    inside[8:20, 8:20, 8:20] = True
    nib.Nifti1Image(data, np.eye(4)).to_filename(tmp_path / "head.nii")
    nib.Nifti1Image(inside.astype(np.uint8), np.eye(4)).to_filename(tmp_path / "mask.nii")
    write_rounded(tmp_path / "head.nii", tmp_path / "fine.nii.gz")
    write_rounded(tmp_path / "head.nii", tmp_path / "coarse.nii.gz", tmp_path / "mask.nii")
    fine, coarse = (nib.load(tmp_path / f"{name}.nii.gz") for name in ("fine", "coarse"))
    np.testing.assert_array_equal(coarse.get_fdata()[inside], fine.get_fdata()[inside])
    assert np.abs(coarse.get_fdata() - data).max() <= 0.5001 * (COARSE + 1) * coarse.dataobj.slope
    assert len(np.unique(coarse.get_fdata()[~inside])) < 1000
    assert (tmp_path / "coarse.nii.gz").stat().st_size < 0.8 * (tmp_path / "fine.nii.gz").stat().st_size
