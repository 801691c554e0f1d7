"""Interpolation onto other grids, against SciPy's own and against what can be worked out by hand."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from bids_brainage.preprocessing.resampling import at_voxel_size, bounding_box, to_grid


def _by_scipy(image: nib.Nifti1Image, shape: tuple[int, ...], affine: np.ndarray, outside: str) -> np.ndarray:
    """The whole image smoothed (full width at half maximum as the coarser voxels ask), then interpolated."""
    sizes = np.abs(np.diag(image.affine)[:3])
    steps = np.abs(affine[:3, :3]).sum(axis=1)
    sigma = np.sqrt(np.maximum(steps**2 - sizes**2, 0)) / (2 * np.sqrt(2 * np.log(2))) / sizes
    data = image.get_fdata()
    if (sigma > 0.15).any():
        data = ndimage.gaussian_filter(data, sigma, mode="nearest", truncate=3)
    to_source = np.linalg.inv(image.affine) @ affine
    return ndimage.affine_transform(data, to_source[:3, :3], to_source[:3, 3], shape, order=1, mode=outside)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    axes=st.permutations(range(3)),
    signs=st.tuples(*[st.sampled_from((-1, 1))] * 3),
    outside=st.sampled_from(("constant", "nearest")),
)
def test_parallel_axes_are_interpolated_as_scipy_does(seed, axes, signs, outside):
    rng = np.random.default_rng(seed)
    data = rng.random(rng.integers(1, 25, 3)).astype(np.float32)
    image = nib.Nifti1Image(data, np.diag([*rng.uniform(0.5, 3, 3), 1]))
    affine = np.eye(4)
    affine[:3, :3] = 0
    affine[axes, range(3)] = np.array(signs) * rng.uniform(0.3, 5, 3)
    affine[:3, 3] = rng.uniform(-3, 30, 3)
    shape = tuple(int(n) for n in rng.integers(1, 25, 3))
    moved = to_grid(image, shape, affine, outside=outside)
    np.testing.assert_allclose(moved.get_fdata(), _by_scipy(image, shape, affine, outside), atol=1e-5)


def test_turned_axes_are_interpolated_too():
    """A plane wave along x is one along the turned axis."""
    turn = np.eye(4)
    turn[:2, :2] = [[0.8, -0.6], [0.6, 0.8]]
    turn[:3, 3] = (6, 6, 3)
    x = np.arange(40, dtype=np.float32)
    image = nib.Nifti1Image(np.broadcast_to(x[:, None, None], (40, 40, 20)).copy(), np.eye(4))
    moved = to_grid(image, (8, 8, 8), turn).get_fdata()
    inside = np.indices((8, 8, 8))
    expected = 0.8 * inside[0] - 0.6 * inside[1] + 6
    np.testing.assert_allclose(moved, expected, atol=1e-4)


@pytest.mark.parametrize("size", [3.0, 8.0])
def test_a_coarser_grid_keeps_the_mean(size):
    rng = np.random.default_rng(1)
    data = ndimage.gaussian_filter(rng.random((48, 48, 48)), 2).astype(np.float32)
    coarse = at_voxel_size(nib.Nifti1Image(data, np.eye(4)), size).get_fdata()
    assert coarse.shape == (48 / size,) * 3
    assert coarse.mean() == pytest.approx(data.mean(), rel=5e-3)


def test_the_bounding_box_holds_the_mask_and_stays_inside() -> None:
    mask = np.zeros((20, 10, 8), bool)
    mask[8:12, 0:2, 7] = True
    assert bounding_box(mask, margin=3) == (slice(5, 15), slice(0, 5), slice(4, 8))
    assert mask[bounding_box(mask)].sum() == mask.sum()
    assert bounding_box(mask, np.array([0, 1, 2])) == (slice(8, 12), slice(0, 3), slice(5, 8))
    assert bounding_box(np.zeros((3, 2), bool)) == (slice(0, 3), slice(0, 2))
