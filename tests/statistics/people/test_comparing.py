"""Comparison of two models: known differences are found, and equal ones are not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bids_brainage.errors import InputError
from bids_brainage.statistics.people.comparing import compare_estimates
from tests.statistics.people.columns import check_row


def people(seed: int, sds: tuple[float, float], n: int = 80) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    ages = rng.uniform(20, 80, n)
    own = rng.normal(0, 2, n)
    return ages + own + rng.normal(0, sds[0], n), ages + own + rng.normal(0, sds[1], n), ages


def test_the_better_model_is_found() -> None:
    found = compare_estimates(*people(0, (3, 9)), seed=1, resamples=1999)
    assert found.difference == pytest.approx(found.mae_first - found.mae_second)
    assert found.difference_interval.high < 0
    assert found.median_difference_interval.high < 0
    assert found.r_difference_interval.low > 0
    assert found.better > 0.5
    assert found.p_wilcoxon < 0.001
    check_row(found.row(), "comparison")


def test_exchanged_models_have_the_opposite_difference() -> None:
    one, two, ages = people(3, (4, 5))
    found, turned = (
        compare_estimates(*pair, ages, seed=1, resamples=999) for pair in ((one, two), (two, one))
    )
    assert turned.difference == pytest.approx(-found.difference)
    # Up to the steps of the resamples: quantiles are taken from below and from above.
    assert turned.difference_interval.low == pytest.approx(-found.difference_interval.high, abs=0.02)


def test_the_same_seed_gives_the_same_and_people_without_one_are_left_out() -> None:
    one, two, ages = people(4, (4, 5))
    whole = compare_estimates(one, two, ages, seed=7, resamples=499)
    more = compare_estimates(
        np.append(one, np.nan), np.append(two, 1), np.append(ages, 30), seed=7, resamples=499
    )
    assert more == whole


def test_the_interval_of_a_mean_is_near_students() -> None:
    one, two, ages = people(5, (4, 5), n=300)
    found = compare_estimates(one, two, ages, seed=0)
    apart = np.abs(one - ages) - np.abs(two - ages)
    theirs = stats.ttest_1samp(apart, 0).confidence_interval()
    assert found.difference_interval == pytest.approx(tuple(theirs), abs=0.05)


@pytest.mark.slow
def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    held = 0
    for seed in range(300):
        interval = compare_estimates(
            *people(seed, (5, 5), n=60), seed=seed, resamples=999
        ).difference_interval
        held += interval.low <= 0 <= interval.high
    assert stats.binomtest(held, 300, 0.95).pvalue > 0.01


def test_the_same_model_twice_has_no_interval_and_no_difference() -> None:
    one, _, ages = people(0, (3, 3))
    found = compare_estimates(one, one, ages, seed=0, resamples=99)
    assert (found.difference, found.better, found.p_wilcoxon) == (0, 0.5, 1)
    assert np.isnan(found.difference_interval.low)


def test_too_few_people_are_refused() -> None:
    with pytest.raises(InputError, match="on 4 people"):
        compare_estimates(*people(0, (3, 3), n=4), seed=0)
