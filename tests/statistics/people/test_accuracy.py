"""Accuracy against hand-worked values, scikit-learn, SciPy and statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics
from statsmodels.stats.proportion import proportion_confint

from bids_brainage.statistics.people.accuracy import accuracy_by, level_names, measure_accuracy
from tests.statistics.people.columns import check_row


def test_a_case_worked_by_hand() -> None:
    found = measure_accuracy(np.array([22.0, 38, 44, 70]), np.array([20.0, 40, 50, 70]))
    assert (found.n, found.youngest, found.oldest) == (4, 20, 70)
    assert found.mae == 2.5  # 2, 2, 6, 0
    assert found.rmse == pytest.approx(np.sqrt(11))  # (4 + 4 + 36) / 4
    assert found.bias == -1.5
    assert found.guess_mae == 15  # 45: 25, 5, 5, 25
    assert found.r2 == pytest.approx(1 - 44 / 1300)


def test_as_others_have_it() -> None:
    rng = np.random.default_rng(1)
    ages = rng.uniform(20, 80, 90)
    estimates = 15 + 0.7 * ages + rng.normal(0, 5, 90)
    lower, upper = estimates - 8, estimates + 8
    lower[:10] = np.nan
    found = measure_accuracy(estimates, ages, lower, upper, guess=50.0)
    assert found.r2 == pytest.approx(metrics.r2_score(ages, estimates))
    assert found.rmse == pytest.approx(metrics.root_mean_squared_error(ages, estimates))
    assert found.guess_mae == pytest.approx(np.abs(ages - 50).mean())
    theirs = stats.pearsonr(estimates, ages)
    assert found.r == pytest.approx(theirs.statistic)
    assert found.r_interval == pytest.approx(tuple(theirs.confidence_interval()))
    assert found.dba_age_r == pytest.approx(stats.pearsonr(estimates - ages, ages).statistic)
    theirs = stats.ttest_1samp(estimates - ages, 0).confidence_interval()
    assert found.bias_interval == pytest.approx(tuple(theirs))
    inside = int(((lower <= ages) & (ages <= upper)).sum())
    assert found.n_intervals == 80
    assert found.coverage == inside / 80
    assert found.coverage_interval == pytest.approx(proportion_confint(inside, 80, method="wilson"))
    check_row(found.row(), "accuracy")


def test_people_without_age_or_estimate_are_left_out() -> None:
    estimates, ages = np.array([30.0, np.nan, 50, 61]), np.array([31.0, 40, np.nan, 60])
    found = measure_accuracy(estimates, ages, guess=np.array([1.0, 2, 3, 4]))
    assert found.n == 2
    assert found.mae == 1
    assert found.guess_mae == pytest.approx((30 + 56) / 2)


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_few_people_have_no_intervals_and_cause_no_warnings(n: int) -> None:
    ages = np.array([30.0, 40, 50])[:n]
    with np.errstate(all="raise"):
        found = measure_accuracy(ages + 1, ages, ages - 1, ages + 1)
    assert found.n == n
    assert np.isnan(found.r_interval.low)
    assert np.isnan(found.mae) if n == 0 else found.mae == pytest.approx(1)


def test_one_age_or_one_estimate_has_no_correlation() -> None:
    same = np.full(5, 40.0)
    assert np.isnan(measure_accuracy(np.arange(5.0), same).r2)
    assert np.isnan(measure_accuracy(same, np.arange(5.0)).r)


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.tuples(st.floats(-50, 150), st.floats(0, 100)), min_size=2, max_size=30), st.floats(-20, 20)
)
def test_what_holds_for_all(people: list[tuple[float, float]], shift: float) -> None:
    estimates, ages = np.array(people).T
    found, moved = measure_accuracy(estimates, ages), measure_accuracy(estimates + shift, ages)
    assert abs(found.bias) <= found.mae + 1e-9
    assert found.mae <= found.rmse + 1e-9
    assert moved.bias == pytest.approx(found.bias + shift, abs=1e-9)
    assert moved.dba_sd == pytest.approx(found.dba_sd, abs=1e-7)


def test_groups_are_those_people_alone() -> None:
    rng = np.random.default_rng(2)
    ages, estimates = rng.uniform(20, 80, 12), rng.uniform(20, 80, 12)
    sex = np.array(["f", "m", None] * 4, dtype=object)
    site = np.repeat([1.0, 2.0, np.nan], 4)
    found = accuracy_by({"sex": sex, "site": site}, estimates, ages)
    assert [(g.column, g.level) for g in found] == [
        ("sex", "f"), ("sex", "m"), ("sex", "n/a"), ("site", "1"), ("site", "2"), ("site", "n/a"),
    ]  # fmt: skip
    assert found[1].accuracy == measure_accuracy(estimates[1::3], ages[1::3])
    check_row(found[0].row(), "group_accuracy")


def test_levels_of_truth_values_and_blanks() -> None:
    assert list(level_names(np.array([True, False, "  ", 1.5], dtype=object))) == [
        "True",
        "False",
        "n/a",
        "1.5",
    ]
