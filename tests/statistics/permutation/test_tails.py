"""The fitted tail, beside tails that are known and scipy's fit."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bids_brainage.statistics.permutation.inference import exceeding_share
from bids_brainage.statistics.permutation.tails import fit_pareto, goodness_of_fit, tail_p


def test_moments_find_shape_and_scale():
    for shape in (-0.2, 0.0, 0.3):
        drawn = stats.genpareto.rvs(
            -shape, scale=2.0, size=(1, 200_000), random_state=np.random.default_rng(0)
        )
        found, scale = fit_pareto(drawn)
        assert found[0] == pytest.approx(shape, abs=0.02)
        assert scale[0] == pytest.approx(2.0, rel=0.02)


def test_few_rearrangements_tell_small_p_values():
    """Maxima of 100 normal values: their tail is known exactly."""
    errors = {"fitted": [], "counted": []}
    values = stats.norm.isf(1 - (1 - np.array([1e-2, 1e-3, 2e-4])) ** (1 / 100))
    for seed in range(40):
        null = np.random.default_rng(seed).standard_normal((500, 100)).max(axis=1)
        counted = exceeding_share(values, null)
        fitted, good = tail_p(values, null, counted)
        if good is not None:
            errors["fitted"].append(np.log10(fitted[1:] / [1e-3, 2e-4]))
            errors["counted"].append(np.log10(np.maximum(counted[1:], 1 / 501) / [1e-3, 2e-4]))
    assert len(errors["fitted"]) > 30
    assert abs(np.median(errors["fitted"], axis=0)[0]) < 0.25
    assert np.median(np.abs(errors["fitted"])) < np.median(np.abs(errors["counted"]))


def test_p_below_the_tail_is_counted_and_none_is_as_good_as_zero():
    null = stats.genpareto.rvs(-0.3, size=400, random_state=np.random.default_rng(1))
    values = np.array([0.1, 0.5, 50.0])
    counted = exceeding_share(values, null)
    found, good = tail_p(values, null, counted)
    assert good is not None
    assert found[:2].tolist() == counted[:2].tolist()
    assert found[2] == pytest.approx(1 / 399 / 100)


def test_a_tail_that_fits_nothing_is_counted():
    rng = np.random.default_rng(2)
    # Clusters: most maxima are one of a few sizes.
    null = rng.choice([1.0, 2, 3, 50], 2000, p=[0.3, 0.3, 0.3, 0.1])
    values = np.array([2.0, 60.0])
    counted = exceeding_share(values, null)
    found, good = tail_p(values, null, counted)
    assert good is None
    assert found.tolist() == counted.tolist()
    assert tail_p(values, null[:50], counted)[1] is None
    # Two kinds of maxima.
    mixed = rng.permutation(np.concatenate([rng.exponential(0.1, 1940), rng.normal(3, 0.05, 60)]))
    assert tail_p(values, mixed, counted)[1] is None
    # Even values end at once, where a tail would go on.
    assert tail_p(values, rng.uniform(0, 1, 2000), counted)[1] is None


def test_goodness_is_uniform_where_the_fit_is_right_and_small_where_it_is_not():
    rng = np.random.default_rng(3)
    right = [
        goodness_of_fit(drawn, *(float(x[0]) for x in fit_pareto(drawn[None])))
        for drawn in rng.exponential(1, (60, 100))
    ]
    assert stats.kstest(right, "uniform").pvalue > 0.001
    drawn = np.concatenate([rng.exponential(0.1, 85), rng.normal(3, 0.05, 15)])
    assert goodness_of_fit(drawn, *(float(x[0]) for x in fit_pareto(drawn[None]))) < 0.01
