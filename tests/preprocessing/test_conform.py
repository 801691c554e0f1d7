"""Conforming against nibabel's own resampling and by what must not change."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from nibabel.orientations import aff2axcodes
from nibabel.processing import resample_from_to

from bids_brainage.preprocessing.conform import conform, interpolation, reorient, voxel_extent


def test_a_conformed_image_is_only_turned(head: nib.Nifti1Image) -> None:
    image = nib.Nifti1Image(head.get_fdata(dtype=np.float32), np.diag([1.0, 1, 1, 1]))
    turned = conform(image)
    assert aff2axcodes(turned.affine) == ("L", "I", "A")
    np.testing.assert_array_equal(reorient(turned, "RAS").get_fdata(), image.get_fdata())
    np.testing.assert_allclose(reorient(turned, "RAS").affine, image.affine)


@pytest.mark.parametrize("angle", [0.0, 0.2])
def test_values_lie_where_nibabel_finds_them(head: nib.Nifti1Image, angle: float) -> None:
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    image = nib.Nifti1Image(head.get_fdata(dtype=np.float32), turn @ head.affine)
    conformed = conform(image, voxel_size=3.0)
    assert aff2axcodes(conformed.affine) == ("L", "I", "A")
    np.testing.assert_allclose(nib.affines.voxel_sizes(conformed.affine), 3)
    peer = resample_from_to(image, conformed, order=1).get_fdata()
    difference = np.abs(peer - conformed.get_fdata())[peer > 60]
    assert difference.mean() < 3
    assert conformed.get_fdata().min() >= 0


def test_field_of_view_is_kept(head: nib.Nifti1Image) -> None:
    conformed = conform(head)
    extent = np.array(head.shape) * 4
    assert sorted(conformed.shape) == sorted(extent)
    assert conformed.get_fdata().mean() == pytest.approx(head.get_fdata().mean(), rel=0.01)


def test_extent_of_a_scanned_voxel_is_told_along_the_conformed_axes() -> None:
    """Sagittal slices of 5 mm with 0.5 by 0.8 mm in the plane, by hand; turned by 45 degrees, they mix."""
    sagittal = np.array([[0.0, 0, 5, 0], [0.5, 0, 0, 0], [0, 0.8, 0, 0], [0, 0, 0, 1]])
    image = nib.Nifti1Image(np.zeros((4, 4, 4), np.float32), sagittal)
    assert voxel_extent(image) == (5.0, 0.8, 0.5)
    turn = np.eye(4)
    turn[:2, :2] = np.array([[1, -1], [1, 1]]) / np.sqrt(2)
    askew = nib.Nifti1Image(np.zeros((4, 4, 4), np.float32), turn @ sagittal)
    mixed = np.sqrt((5**2 + 0.5**2) / 2)
    assert voxel_extent(askew) == pytest.approx((mixed, 0.8, mixed), abs=1e-4)
    cubes = nib.Nifti1Image(np.zeros((4, 4, 4), np.float32), turn @ np.diag([2.0, 2, 2, 1]))
    assert voxel_extent(cubes) == (2.0, 2.0, 2.0)


@pytest.mark.parametrize(("size", "how"), [(1.0, "none"), (0.8, "cubic"), (2.0, "linear")])
def test_who_is_interpolated_how(size: float, how: str) -> None:
    image = nib.Nifti1Image(np.zeros((4, 4, 4), np.float32), np.diag([size, size, size, 1]))
    assert interpolation(image) == how
