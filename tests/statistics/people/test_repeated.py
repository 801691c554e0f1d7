"""Change a year against slopes worked by hand, statsmodels' fixed effects and simulated truth."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy import stats

from bids_brainage.errors import InputError
from bids_brainage.statistics.people.repeated import measure_change, measure_repeated
from tests.statistics.people.columns import check_row


def visits(
    seed: int, people: int = 40, rate: float = 1.2, noise: float = 1.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Estimates, ages and labels of people with two to four sessions."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(people), rng.integers(2, 5, people))
    first, dba = rng.uniform(50, 80, people), rng.normal(0, 4, people)
    ages = first[labels] + rng.uniform(0, 6, len(labels))
    slopes = rng.normal(rate, 0.3, people)
    estimates = first[labels] + dba[labels] + slopes[labels] * (ages - first[labels])
    return estimates + rng.normal(0, noise, len(labels)), ages, labels


def test_two_people_by_hand() -> None:
    ages, labels = np.array([60.0, 62, 50, 54]), np.array(list("aabb"))
    found = measure_change(np.array([61.0, 65, 50, 52]), ages, labels)
    assert (found.people, found.mean, found.mean_span) == (2, 1.25, 3)  # 2 and 0.5
    assert found.sd == pytest.approx(1.5 / np.sqrt(2))
    assert found.pooled == pytest.approx((2 * 2 + 8 * 0.5) / 10)


def test_the_pooled_slope_is_that_of_fixed_effects_with_errors_clustered_by_person() -> None:
    estimates, ages, labels = visits(1)
    found = measure_change(estimates, ages, labels, least_span=0)
    table = pd.DataFrame({"y": estimates, "age": ages, "who": labels})
    theirs = smf.ols("y ~ age + C(who)", table).fit(
        cov_type="cluster", cov_kwds={"groups": table.who, "use_correction": False}, use_t=True
    )
    assert found.pooled == pytest.approx(theirs.params["age"])
    n = len(set(labels))
    reach = stats.t.ppf(0.975, n - 1) * theirs.bse["age"] * np.sqrt(n / (n - 1))
    assert found.pooled_interval.high - found.pooled == pytest.approx(reach)
    single = [np.polyfit(ages[labels == who], estimates[labels == who], 1)[0] for who in range(n)]
    assert found.mean == pytest.approx(np.mean(single))
    assert found.sd == pytest.approx(np.std(single, ddof=1))


def test_the_pooled_interval_holds_the_truth_as_often_as_it_says() -> None:
    held = 0
    for seed in range(300):
        ends = measure_change(*visits(seed, 30)).pooled_interval
        held += ends.low <= 1.2 <= ends.high
    assert stats.binomtest(held, 300, 0.95).pvalue > 0.01


def test_sessions_close_together_have_agreement_and_no_change() -> None:
    estimates, ages = np.array([61.0, 62, 48, 50, 70]), np.array([60.0, 60.1, 50, 50, 71])
    labels = np.array(list("aabbc"))
    found = measure_repeated(estimates, ages, labels)
    assert found.change is None
    assert (found.brain_age.people, found.brain_age.people_left_out) == (2, 1)
    assert found.dba.within_sd == pytest.approx(np.sqrt((0.9**2 / 2 + 2) / 2))
    with pytest.raises(InputError, match=r"0 people .* 0.5 years"):
        measure_change(estimates, ages, labels)


def test_rows_have_described_columns() -> None:
    found = measure_repeated(*visits(0))
    assert [row["measure"] for row in found.rows()] == ["brain_age", "dba"]
    check_row(found.rows()[0], "agreement")
    assert found.change is not None
    check_row(found.change.row(), "change")


def test_ages_range_raises_the_agreement_of_brain_age_alone() -> None:
    estimates, ages, labels = visits(2, rate=1.0)
    found = measure_repeated(estimates, ages, labels)
    wide = measure_repeated(estimates + labels, ages + labels, labels)
    assert wide.dba.icc_31 == pytest.approx(found.dba.icc_31)
    assert wide.brain_age.icc_31 > found.brain_age.icc_31
