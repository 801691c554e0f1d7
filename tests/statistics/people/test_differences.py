"""Differences between groups against SciPy, statsmodels and a published effect size."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bids_brainage.errors import InputError
from bids_brainage.statistics.people.differences import compare_levels, compare_two
from tests.statistics.people.columns import check_row


def people(
    seed: int = 0, sizes: tuple[int, ...] = (30, 20), shift: float = 2.0
) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(sizes)), sizes)
    return rng.normal(0, 4, len(labels)) + shift * labels, labels


def test_two_groups_as_scipy_has_them() -> None:
    values, labels = people()
    found = compare_two(values, labels, "ill")
    one, two = values[labels == 1], values[labels == 0]
    welch = stats.ttest_ind(one, two, equal_var=False)
    assert (found.level, found.other, found.n_level, found.n_other) == ("1", "0", 20, 30)
    assert found.p_welch == pytest.approx(welch.pvalue)
    assert found.difference_interval == pytest.approx(tuple(welch.confidence_interval()))
    assert found.p_mann_whitney == pytest.approx(stats.mannwhitneyu(one, two).pvalue)
    # Cohen's d is the pooled t in other units.
    pooled = stats.ttest_ind(one, two).statistic
    assert found.cohen_d == pytest.approx(pooled * np.sqrt(1 / 20 + 1 / 30))
    assert found.hedges_g == pytest.approx(found.cohen_d * (1 - 3 / (4 * 48 - 1)), rel=1e-4)
    check_row(found.row(), "differences")


def test_the_interval_of_d_is_where_the_observed_t_is_just_not_rare() -> None:
    found = compare_two(*people(), "ill")
    scale = np.sqrt(1 / 20 + 1 / 30)
    for end, share in zip(found.cohen_d_interval, (0.975, 0.025), strict=True):
        assert stats.nct.cdf(found.cohen_d / scale, 48, end / scale) == pytest.approx(share, abs=1e-6)


def test_intervals_of_d_hold_the_truth_as_often_as_they_say() -> None:
    held = 0
    for seed in range(300):
        ends = compare_two(*people(seed, (15, 12), shift=4.0), "ill").cohen_d_interval
        held += ends.low <= 1 <= ends.high
    assert stats.binomtest(held, 300, 0.95).pvalue > 0.01


def test_effects_as_large_as_can_be_have_intervals_or_say_so() -> None:
    values = np.array([0.0, 0.001, 50, 50.001])
    found = compare_two(values, np.array(list("aabb")), "group")
    assert found.cohen_d > 1000
    same = compare_two(np.array([1.0, 1, 2, 2]), np.array(list("aabb")), "group")
    assert same.difference == 1
    assert np.isnan([same.cohen_d, same.p_welch, same.difference_interval.low]).all()


@pytest.mark.parametrize("shift", np.linspace(-16, 16, 33))
def test_every_interval_of_d_is_found(shift: float) -> None:
    found = compare_two(*people(7, (37, 35), shift), "ill")
    assert found.cohen_d_interval.low < found.cohen_d < found.cohen_d_interval.high


def test_three_groups_as_scipy_has_them() -> None:
    values, labels = people(1, (12, 15, 9))
    found, pairs = compare_levels(values, labels, "site")
    groups = [values[labels == level] for level in range(3)]
    anova, ranks = stats.f_oneway(*groups), stats.kruskal(*groups)
    assert (found.f, found.p_anova) == pytest.approx(tuple(anova))
    assert (found.h, found.p_kruskal) == pytest.approx(tuple(ranks))
    assert found.eta_squared == pytest.approx(found.f * 2 / (found.f * 2 + 33))
    assert [(pair.level, pair.other) for pair in pairs] == [("1", "0"), ("2", "0"), ("2", "1")]
    assert pairs[2] == compare_two(values, labels, "site", "2", "1")
    check_row(found.row(), "levels")


def test_missing_people_and_lonely_levels_are_left_out() -> None:
    values = np.array([1.0, 2, 5, 6, np.nan, 9, 7])
    labels = np.array(["a", "a", "b", "b", "b", "c", None], dtype=object)
    found = compare_two(values, labels, "group")
    assert (found.level, found.other, found.difference) == ("b", "a", 4)


@pytest.mark.parametrize("labels", [list("aaaa"), list("aaab"), [None] * 4])
def test_no_two_levels_are_refused(labels: list[str | None]) -> None:
    with pytest.raises(InputError, match="two levels"):
        compare_two(np.arange(4.0), np.array(labels, dtype=object), "col\numn")
