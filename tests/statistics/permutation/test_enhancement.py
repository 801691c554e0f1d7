"""Enhanced maps, beside a slow TFCE, the tfce package, and clusters found by walking."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.ndimage import gaussian_filter
from tfce import tfce

from bids_brainage.errors import InputError
from bids_brainage.statistics.permutation.enhancement import TFCE, Clusters, Voxels, enhance
from bids_brainage.statistics.permutation.grid import Grid
from bids_brainage.statistics.permutation.partition import Reference

from .stepped import clusters, stepped_tfce

T30 = Reference("t", 1, 30)


def smooth(shape: tuple[int, int, int] = (7, 8, 6), seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A smooth map (voxels,) and a mask with holes that does not fill its box."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((shape[0] + 3, shape[1] + 4, shape[2] + 2), dtype=bool)
    mask[2:-1, 1:-3, 1:-1] = rng.random(shape) < 0.85
    values = gaussian_filter(rng.standard_normal(mask.shape), 1.2)
    return (4 * values / values.std()).astype(np.float32)[mask], mask


def as_volume(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    volume = np.zeros(mask.shape)
    volume[mask] = values
    return volume


def test_a_grid_gives_back_what_it_was_given():
    values, mask = smooth()
    grid = Grid(mask)
    volume = grid.volume(values)
    assert volume.size < mask.size
    np.testing.assert_array_equal(
        volume[volume != 0], as_volume(values, mask)[mask & (as_volume(values, mask) != 0)]
    )
    np.testing.assert_array_equal(grid.values(volume), values)


@pytest.mark.parametrize(("E", "H", "connectivity"), [(0.5, 2, 6), (1, 2, 26), (0.5, 1, 18)])
def test_tfce_is_what_the_stepped_sum_converges_to(E, H, connectivity):
    values, mask = smooth()
    exact = enhance(values, TFCE(E, H, connectivity), Grid(mask), T30, two_tailed=True)
    errors = []
    for steps in (15, 60, 240):
        parts = [
            stepped_tfce(np.maximum(sign * as_volume(values, mask), 0), steps, E, H, connectivity)[mask]
            for sign in (1, -1)
        ]
        errors.append(np.abs(exact - (parts[0] - parts[1])).mean() / exact.max())
    # The error of such a sum falls as fast as the steps do.
    assert errors[0] > 2.5 * errors[1] > 2.5 * 2.5 * errors[2]
    assert errors[2] < 0.006


def test_tfce_of_one_tail_leaves_negative_values_out():
    values, mask = smooth()
    both = enhance(values, TFCE(), Grid(mask), T30, two_tailed=True)
    one = enhance(values, TFCE(), Grid(mask), T30, two_tailed=False)
    np.testing.assert_array_equal(one, np.maximum(both, 0))
    assert both.min() < 0
    np.testing.assert_allclose(enhance(-values, TFCE(), Grid(mask), T30, two_tailed=True), -both, rtol=1e-6)


def test_tfce_of_one_voxel_is_its_integral():
    mask = np.ones((1, 1, 1), dtype=bool)
    found = enhance(np.array([3.0], dtype=np.float32), TFCE(), Grid(mask), T30, two_tailed=False)
    assert found[0] == pytest.approx(3**3 / 3)


@pytest.mark.parametrize("two_tailed", [True, False])
@pytest.mark.parametrize("connectivity", [6, 18, 26])
@pytest.mark.parametrize("measure", ["extent", "mass"])
def test_clusters_are_those_found_by_walking(measure, connectivity, two_tailed):
    values, mask = smooth()
    found = enhance(values, Clusters(measure, 0.05, connectivity), Grid(mask), T30, two_tailed)
    threshold = stats.t.isf(0.025 if two_tailed else 0.05, 30)
    expected = np.zeros(mask.shape)
    for sign in (1, -1) if two_tailed else (1,):
        volume = sign * as_volume(values, mask)
        for cluster in clusters(volume > threshold, connectivity):
            sizes = [1.0 if measure == "extent" else volume[voxel] - threshold for voxel in cluster]
            for voxel in cluster:
                expected[voxel] = sign * sum(sizes)
    np.testing.assert_allclose(found, expected[mask], rtol=1e-5)
    assert found.max() > 1


def test_thresholds_are_those_of_the_distribution():
    assert Reference("F", 2, 30).threshold(0.01, two_tailed=False) == pytest.approx(5.3903, abs=1e-4)
    assert T30.threshold(0.05, two_tailed=True) == pytest.approx(2.0423, abs=1e-4)
    assert T30.threshold(0.05, two_tailed=False) == pytest.approx(1.6973, abs=1e-4)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**16),
    shape=st.tuples(*[st.integers(1, 9)] * 3),
    E=st.sampled_from([0.5, 1.0, 0.7]),
    H=st.sampled_from([2.0, 1.0, 1.5]),
    connectivity=st.sampled_from([6, 18, 26]),
    levels=st.sampled_from([0, 2, 5]),
    two_tailed=st.booleans(),
)
def test_tfce_is_that_of_its_peer(seed, shape, E, H, connectivity, levels, two_tailed):
    """With `levels`, many voxels are equally high, and many are 0."""
    rng = np.random.default_rng(seed)
    mask = rng.random(shape) < 0.8
    mask[0, 0, 0] = True
    volume = gaussian_filter(rng.standard_normal(shape), 0.7) * mask
    if levels:
        volume = np.round(levels * volume / np.abs(volume).max()) / 3
    volume = volume.astype(np.float32)
    peer = tfce(volume, E=E, H=H, connectivity=connectivity, two_sided=two_tailed)
    found = enhance(volume[mask], TFCE(E, H, connectivity), Grid(mask), T30, two_tailed)
    np.testing.assert_allclose(found, peer[mask], rtol=1e-5, atol=1e-7)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**16), scale=st.floats(0.01, 100))
def test_more_everywhere_is_enhanced_to_no_less(seed, scale):
    values, mask = smooth((3, 4, 3), seed)
    grid = Grid(mask)
    for measure in (Voxels(), TFCE(), Clusters("extent", 0.1), Clusters("mass", 0.1)):
        less = enhance(values, measure, grid, T30, two_tailed=False)
        more = enhance(values + np.float32(scale), measure, grid, T30, two_tailed=False)
        assert (more >= less * (1 - 1e-6)).all()
        assert np.isfinite(more).all()


def test_regions_have_no_neighbours_and_masks_have_voxels():
    values, _ = smooth()
    assert enhance(values, Voxels(), None, T30, two_tailed=True) is values
    with pytest.raises(InputError, match="tfce needs neighbours"):
        enhance(values, TFCE(), None, T30, two_tailed=True)
    with pytest.raises(InputError, match="mask holds no voxel"):
        Grid(np.zeros((2, 2, 2)))
