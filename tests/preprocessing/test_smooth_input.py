"""Smooth inputs by hand-worked maps, the same head scanned otherwise, and sums that are kept."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import affine_transform
from scipy.stats import norm

from bids_brainage.preprocessing.smooth_input import (
    Frame,
    Scanned,
    smooth_placement,
    through,
    variance_of,
    voxel_offsets,
)
from bids_brainage.preprocessing.transforms import Linear, Step

SHAPE = (40, 44, 38)


def _grid(size: float = 1.0) -> nib.Nifti1Image:
    affine = np.array(
        [[-size, 0, 0, 20 * size], [0, 0, size, -19 * size], [0, -size, 0, 22 * size], [0, 0, 0, 1]]
    )
    return nib.Nifti1Image(np.zeros(SHAPE, np.float32), affine)


def _ball(radius: float) -> np.ndarray:
    axes = np.indices(SHAPE) - np.array(SHAPE).reshape(3, 1, 1, 1) / 2
    return (axes**2).sum(axis=0) < radius**2


def _turn(degrees: float, axis: int = 0) -> Linear:
    angle = np.deg2rad(degrees)
    matrix = np.eye(3)
    rows = [a for a in range(3) if a != axis]
    matrix[np.ix_(rows, rows)] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    return Linear(matrix, np.zeros(3))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), by=st.sampled_from(["grey", "even"]), fwhm=st.sampled_from([2.0, 5.0, 8.0]))
def test_what_is_brought_back_keeps_its_sum_even_beyond_the_image(seed: int, by: str, fwhm: float) -> None:
    rng = np.random.default_rng(seed)
    grey = rng.gamma(2, 40, SHAPE).astype(np.float32) * (rng.random(SHAPE) > 0.3)
    box = (14, 13, 15)
    points = voxel_offsets(box, 4.0, "LIA") + rng.normal(0, 3, 3)
    placement = smooth_placement(grey, _ball(13), _grid(), points, box, np.full(3, variance_of(fwhm)))
    values = rng.normal(size=box)
    restored = placement.restore(values, by)  # type: ignore[arg-type]
    assert restored.shape == SHAPE
    assert abs(restored.get_fdata().sum() - values.sum()) < 1e-5 * np.abs(values).sum()


def test_a_value_comes_back_to_the_voxels_that_it_was_read_from() -> None:
    """Without smoothing, a point between two voxels is read from both, by hand."""
    grey = np.ones(SHAPE, np.float32)
    grey[20, 22, 19], grey[21, 22, 19] = 10, 30
    grid = _grid()
    point = grid.affine[:3, :3] @ [20.25, 22, 19] + grid.affine[:3, 3]
    placement = smooth_placement(grey, np.ones(SHAPE, bool), grid, point[None], (1, 1, 1), np.zeros(3))
    assert placement.kernel.read(placement.grey)[0] == pytest.approx(0.75 * 10 + 0.25 * 30)
    shared = placement.restore(np.array([6.0]), "grey").get_fdata()
    assert shared[20, 22, 19] == pytest.approx(6 * 7.5 / 15)
    assert shared[21, 22, 19] == pytest.approx(6 * 7.5 / 15)
    even = placement.restore(np.array([6.0]), "even").get_fdata()
    assert (even[20, 22, 19], even[21, 22, 19]) == pytest.approx((4.5, 1.5))


def test_even_values_stay_in_the_brain_where_it_is_near() -> None:
    inside = _ball(10)
    box = (9, 9, 9)
    points = voxel_offsets(box, 2.0, "RAS")
    grey = np.full(SHAPE, 50, np.float32)
    placement = smooth_placement(grey, inside, _grid(), points, box, np.full(3, variance_of(4.0)))
    seen = placement.covered(nib.Nifti1Image(inside.astype(np.uint8), _grid().affine))
    values = np.where(seen > 0.1, 1.0, 0.0)
    restored = placement.restore(values, "even").get_fdata()
    assert restored[~inside].sum() < 1e-3
    # As smooth as the kernel: neighbours do not differ as blocks do.
    middle = restored[20, 16:28, 19]
    assert max(abs(a - b) for a, b in pairwise(middle)) < 0.2 * middle.max()


@pytest.mark.parametrize("orientation", ["LIA", "RAS", "PIR"])
def test_axes_of_a_box_run_as_its_orientation_says(orientation: str) -> None:
    offsets = voxel_offsets((3, 5, 7), 2.0, orientation).reshape(3, 5, 7, 3)
    affine = np.eye(4)
    for axis in range(3):
        steps = np.diff(offsets, axis=axis)
        affine[:3, axis] = steps.reshape(-1, 3)[0]
    assert "".join(nib.aff2axcodes(affine)) == orientation
    np.testing.assert_allclose(offsets.reshape(-1, 3).mean(axis=0), 0, atol=1e-12)


def test_a_frame_keeps_size_and_turns_back() -> None:
    """A head twice as large, turned by 30 degrees: distances are the person's own, by hand."""
    turn = _turn(30)
    steps: Sequence[Step] = (Linear(2 * turn.matrix, np.array([5.0, -3.0, 2.0])),)
    centre = np.array([1.0, 2.0, 3.0])
    frame = Frame.of(steps, centre)
    np.testing.assert_allclose(frame.rotation, turn.matrix, atol=1e-12)
    points = np.random.default_rng(1).normal(0, 40, (20, 3))
    np.testing.assert_allclose(frame.to_frame(frame.to_person(points)), points, atol=1e-9)
    np.testing.assert_allclose(frame.to_person(np.zeros((1, 3))), through(steps, centre[None]))
    lengths = np.linalg.norm(frame.to_person(points) - frame.to_person(np.zeros((1, 3))), axis=1)
    np.testing.assert_allclose(lengths, np.linalg.norm(points, axis=1))


def test_point_spread_of_scans_by_hand() -> None:
    """A box of 2 mm has a variance of 4/12 mm2; linear interpolation adds 4/6 on average."""
    np.testing.assert_allclose(Scanned((2.0, 2.0, 5.0), "linear").variance, [1.0, 1.0, 25 / 4])
    np.testing.assert_allclose(Scanned((1.0, 2.0, 1.0), "none").variance, [1 / 12, 1 / 3, 1 / 12])


@pytest.mark.parametrize("size", [1, 2, 4])
def test_one_resolution_whatever_the_scanners_voxel(size: int) -> None:
    """An edge scanned at 1, 2 and 4 mm and interpolated to 1 mm becomes the same blurred edge.

    On average over where the edge lies in a scanned voxel, on which the interpolation's part depends.
    """
    how = Scanned((float(size),) * 3, "none" if size == 1 else "linear")
    missing = (variance_of(6.0) - how.variance) * [1, 0, 0]
    offsets = np.arange(-8, 9, 2.0)
    seen = []
    for edge in np.arange(30.0, 34.0, 0.25):
        points = np.stack([edge + offsets, np.full(9, 4.0), np.full(9, 4.0)], axis=1)
        image = _scanned_edge(edge, size)
        grid, everywhere = nib.Nifti1Image(image, np.eye(4)), np.ones(image.shape, bool)
        placement = smooth_placement(image, everywhere, grid, points, (9, 1, 1), missing)
        seen.append(placement.kernel.read(placement.grey))
    expected = 100 * norm.cdf(offsets, scale=np.sqrt(variance_of(6.0)))
    np.testing.assert_allclose(np.mean(seen, axis=0), expected, atol=1.2)


def _scanned_edge(edge: float, size: int) -> np.ndarray:
    """An edge across the first axis, seen by voxels of `size` mm and interpolated to 1 mm."""
    fine = np.empty((64, 8, 8), np.float32)
    fine[:] = np.clip(np.arange(64) - edge + 0.5, 0, 1)[:, None, None] * 100
    scanned = fine.reshape(64 // size, size, 8 // size, size, 8 // size, size).mean(axis=(1, 3, 5))
    scale, shift = np.eye(3) / size, np.full(3, -(size - 1) / 2 / size)
    return affine_transform(scanned, scale, shift, (64, 8, 8), order=1, mode="nearest")
