"""Widths against SciPy's t interval; conformal intervals against simulated truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bids_brainage.models.ensembles.uncertainty import (
    confidence_width,
    conformal_half_width,
    model_spread,
    normalised_scores,
)


@settings(deadline=None)
@given(st.lists(st.floats(0, 120), min_size=2, max_size=20), st.sampled_from([0.8, 0.9, 0.95]))
def test_width_is_that_of_scipys_t_interval(values, level):
    width = confidence_width(np.array(values), level)
    # SciPy has no interval of scale zero, which very small differences underflow to.
    if stats.sem(values) == 0:
        assert width == pytest.approx(0, abs=1e-9)
        return
    low, high = stats.t.interval(level, len(values) - 1, loc=np.mean(values), scale=stats.sem(values))
    assert width == pytest.approx(high - low, rel=1e-7, abs=1e-9)


@pytest.mark.parametrize("values", [[], [50.0]])
def test_no_width_without_spread(values):
    assert confidence_width(np.array(values)) is None


def test_conformal_rank_by_hand():
    residuals = np.array([3.0, -1, 2, -5, 4, -6, 7, 8, -9])
    # n = 9: ceil(10 x 0.8) = 8th smallest, ceil(10 x 0.9) = 9th, ceil(10 x 0.95) = 10th: there is none.
    assert conformal_half_width(residuals, 0.8) == 8
    assert conformal_half_width(residuals, 0.9) == 9
    assert conformal_half_width(residuals, 0.95) is None


@pytest.mark.parametrize(("n", "there"), [(18, False), (19, True)])
def test_nineteen_people_are_needed_for_95_percent(n, there):
    assert (conformal_half_width(np.arange(n), 0.95) is not None) == there


@pytest.mark.parametrize(("n", "level"), [(19, 0.95), (40, 0.9), (30, 0.8), (100, 0.95)])
def test_coverage_is_what_theory_says(n, level):
    """For exchangeable continuous errors coverage is exactly ceil((n + 1) level) / (n + 1)."""
    rng = np.random.default_rng(n)
    trials = 20_000
    errors = rng.standard_t(3, (trials, n + 1)) * 5
    widths = np.array([conformal_half_width(row[:n], level) for row in errors])
    covered = np.mean(np.abs(errors[:, n]) <= widths)
    expected = math.ceil((n + 1) * level - 1e-9) / (n + 1)
    standard_error = math.sqrt(expected * (1 - expected) / trials)
    assert abs(covered - expected) < 4 * standard_error
    assert covered >= level - 4 * standard_error


def test_spread_is_that_of_the_sub_ensembles_or_of_a_single_ones_base_models():
    assert model_spread(np.array([40.0, 44.0]), np.array([1.0, 2.0])) == pytest.approx(8**0.5)
    assert model_spread(np.array([40.0]), np.array([1.0, 3.0])) == pytest.approx(2**0.5)
    assert model_spread(np.array([40.0]), np.array([1.0])) is None


@pytest.mark.parametrize("level", [0.8, 0.9, 0.95])
def test_normalised_intervals_cover_and_follow_the_spread(level):
    """Errors in proportion to the spread: the right coverage for sure and for unsure people alike."""
    rng = np.random.default_rng(7)
    covered, width = [], []
    for _ in range(400):
        spreads = rng.uniform(0.5, 4, 301)
        errors = rng.standard_normal(301) * spreads
        offset = 0.01
        quantile = conformal_half_width(normalised_scores(errors[:300], spreads[:300], offset), level)
        half = quantile * (spreads[300] + offset)
        covered.append((spreads[300] > 2.25, abs(errors[300]) <= half))
        width.append(half / spreads[300])
    for unsure in (False, True):
        group = [inside for who, inside in covered if who == unsure]
        assert abs(np.mean(group) - level) < 4 * math.sqrt(level * (1 - level) / len(group)) + 0.01
    assert np.mean(width) == pytest.approx(stats.norm.ppf((1 + level) / 2), rel=0.05)
