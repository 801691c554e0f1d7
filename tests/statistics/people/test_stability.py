"""Stability of clusterings: the index is scikit-learn's, and p is even where there are no clusters."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import adjusted_rand_score

from bids_brainage.statistics.people.stability import measure_stability, rand_index
from tests.statistics.people.columns import check_row


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), min_size=2, max_size=40))
def test_the_index_is_scikit_learns(labels: list[tuple[int, int]]) -> None:
    one, two = np.array(labels).T
    assert rand_index(one, two) == pytest.approx(adjusted_rand_score(one, two), abs=1e-12)


def test_well_separated_clusters_always_come_back() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(0, 0.1, (60, 3)) + np.eye(3)[np.arange(60) % 3] * 5
    found = measure_stability(scores - scores.mean(axis=0), 4, seed=0, resamples=4, nulls=19)
    assert found.best == 3
    assert found.found[1] == 1
    assert found.p_any == pytest.approx(0.05)
    assert found.excess[1] == pytest.approx((1 - found.null_mean[1]) / found.null_sd[1])


def test_what_is_not_stable_is_not_compared() -> None:
    scores = np.random.default_rng(1).normal(size=(60, 8))
    found = measure_stability(scores, 3, seed=0, resamples=4, nulls=19, least=0.9)
    assert found.nulls == 0
    assert np.isnan(found.p_any)
    assert np.isnan(found.p).all()
    check_row(found.rows()[0], "stability")


@pytest.mark.slow
def test_p_is_even_without_clusters() -> None:
    found = [
        measure_stability(
            np.random.default_rng(seed).normal(size=(40, 4)) * [3, 2, 1, 1], 3, seed, resamples=4, nulls=9
        ).p_any
        for seed in range(60)
    ]
    assert stats.kstest(np.array(found) - 0.05, "uniform").pvalue > 0.01
