"""The Bayes limit against closed forms and against a brute-force posterior."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from bids_brainage.simulation.bayes import bayes_limits, posterior, precision_weighted_sd


def test_equal_processes_divide_the_variance() -> None:
    assert precision_weighted_sd(np.full(9, 6.0)) == pytest.approx(2.0)


def test_far_from_the_limits_of_age_the_posterior_is_the_precision_weighted_mean() -> None:
    sds = np.array([3.0, 6.0])
    seen = np.array([[50.0, 59.0]])
    mean, median = posterior(seen, sds, np.full(2, -np.inf), (20, 80))
    expected = (50 / 9 + 59 / 36) / (1 / 9 + 1 / 36)
    assert mean[0] == pytest.approx(expected, abs=0.01)
    assert median[0] == pytest.approx(expected, abs=0.5)


def test_a_process_that_has_not_set_in_says_only_that() -> None:
    mean, _ = posterior(np.array([[40.0]]), np.array([5.0]), np.array([40.0]), (20, 80))
    ages = np.linspace(20, 80, 6001)
    weights = norm.cdf((40 - ages) / 5)
    assert mean[0] == pytest.approx((weights * ages).sum() / weights.sum(), abs=0.15)


def test_limit_agrees_with_monte_carlo_of_the_best_linear_estimate() -> None:
    limits = bayes_limits((20.0, 80.0), draws=2000)["Limits"]
    for name in ("iron_putamen", "ventricles_lateral"):
        sd = limits[name]["SdWithoutPrior"]
        rng = np.random.default_rng(1)
        ages = rng.uniform(20, 80, 200_000)
        seen = ages + rng.normal(0, sd, ages.size)
        shrink = 300 / (300 + sd**2)
        linear = np.abs(50 + shrink * (seen - 50) - ages).mean()
        # The best estimate is at most as bad as the best linear one, and little better under a uniform prior.
        assert limits[name]["MAE"] < linear * 1.02
        assert limits[name]["MAE"] > linear * 0.85


def test_more_processes_never_hurt_and_all_reach_the_aim() -> None:
    limits = bayes_limits((20.0, 80.0), draws=2000)["Limits"]
    assert 1.5 < limits["all"]["MAE"] < 2.5
    for modality in ("T1w", "FLAIR", "T2starw"):
        assert limits["all"]["MAE"] < limits[modality]["MAE"] < limits["cortex_frontal"]["MAE"]
