"""Power of t tests against statsmodels and by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import TTestIndPower, TTestPower

from bids_brainage.statistics.power import critical_correlation, detectable_correlation, detectable_t


@pytest.mark.parametrize(("n", "m"), [(5, 5), (8, 20), (100, 90)])
@pytest.mark.parametrize("level", [0.05, 0.001])
def test_two_groups_as_statsmodels_has_them(n: int, m: int, level: float) -> None:
    d = detectable_t(n + m - 2, level) * np.sqrt(1 / n + 1 / m)
    assert TTestIndPower().power(d, n, level, ratio=m / n) == pytest.approx(0.8, abs=1e-4)


def test_one_group_and_one_side_as_statsmodels_has_them() -> None:
    d = detectable_t(11, two_sided=False) / np.sqrt(12)
    found = TTestPower().solve_power(nobs=12, alpha=0.05, power=0.8, alternative="larger")
    assert d == pytest.approx(found, rel=1e-4)


def test_two_people_of_a_group_are_enough_for_an_answer() -> None:
    assert 3 < detectable_t(2) < 30
    assert np.isfinite(detectable_t(1, 0.05 / 129))


@pytest.mark.parametrize("n", [4, 6, 40])
def test_the_smallest_correlation_that_is_significant(n: int) -> None:
    r = critical_correlation(n)
    t = r * np.sqrt((n - 2) / (1 - r**2))
    assert 2 * stats.t.sf(t, n - 2) == pytest.approx(0.05)


def test_a_correlation_is_found_as_often_as_it_says() -> None:
    n, rng = 25, np.random.default_rng(0)
    r = detectable_correlation(n)
    x, noise = rng.standard_normal((2, 4000, n))
    y = r * x + np.sqrt(1 - r**2) * noise
    found = stats.pearsonr(x, y, axis=1).pvalue <= 0.05
    assert 0.76 < found.mean() < 0.84


def test_too_few_people_show_nothing() -> None:
    assert critical_correlation(2) == 1
    assert detectable_correlation(3) == 1
    assert critical_correlation(10, covariates=8) == 1
