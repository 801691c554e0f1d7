"""Slices show left at the left, up at the top and pixels as square as the head."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from bids_brainage.reports.slices import Slices, canonical, grey


def _ball(affine: np.ndarray) -> nib.Nifti1Image:
    """A ball with a bright corner: to the right, to the front and up."""
    grid = np.indices((20, 20, 20)) - 9.5
    data = (np.sqrt((grid**2).sum(axis=0)) < 8).astype(np.float32)
    world = np.einsum("ij,jabc->iabc", affine[:3, :3], grid)
    return nib.Nifti1Image(data + 5 * data * (world > 0).all(axis=0), affine)


@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, 1, 1), (-1, -1, 1), (1, 1, -1)])
def test_orientation_does_not_depend_on_storage(signs: tuple[int, int, int]) -> None:
    image = _ball(np.diag([*signs, 1.0]))
    slices = Slices.through(image, number=5)
    data = canonical(image)
    for axis in ("axial", "coronal", "sagittal"):
        row = slices.row(data, axis)
        last = row[:, -row.shape[1] // 5 :]
        bright = np.argwhere(last > 2)
        centre = np.array(last.shape) / 2
        assert (bright[:, 0] < centre[0] + 1).all(), "bright corner is up or in front"
        assert (bright[:, 1] > centre[1] - 1).all(), "bright corner is right or in front"


def test_cuts_lie_inside_and_positions_are_millimetres() -> None:
    image = _ball(np.diag([2.0, 2, 2, 1]))
    slices = Slices.through(image, number=7)
    assert slices.cuts["axial"][0] > 1
    assert slices.positions["axial"] == tuple(2.0 * cut for cut in slices.cuts["axial"])


def test_anisotropic_voxels_are_shown_with_their_proportions() -> None:
    image = nib.Nifti1Image(np.ones((10, 10, 5), np.float32), np.diag([1.0, 1, 2, 1]))
    row = Slices.through(image, number=1).row(canonical(image), "coronal")
    assert row.shape == (10, 10)


def test_an_empty_mask_is_no_obstacle() -> None:
    image = nib.Nifti1Image(np.zeros((6, 6, 6), np.uint8), np.eye(4))
    assert Slices.through(image, 3).row(canonical(image), "axial").shape == (6, 18)


def test_grey_runs_from_zero_to_one() -> None:
    shown = grey(np.array([-3.0, 0, 50, 100, 1e6]))
    assert shown.min() == 0
    assert shown.max() == 1
