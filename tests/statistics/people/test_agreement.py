"""Intraclass correlations against Shrout and Fleiss's published table, and against simulated truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bids_brainage.errors import InputError
from bids_brainage.statistics.people.agreement import by_person, intraclass_correlations, measure_agreement

#: Shrout and Fleiss 1979, table 2: six targets, four judges.
TARGETS = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]])


def test_the_published_table() -> None:
    found = intraclass_correlations(TARGETS)
    assert found.absolute == pytest.approx(0.29, abs=0.005)
    assert found.consistent == pytest.approx(0.71, abs=0.005)
    # Intervals as the R package psych prints them for this table.
    assert found.absolute_interval == pytest.approx((0.019, 0.761), abs=0.001)
    assert found.consistent_interval == pytest.approx((0.342, 0.946), abs=0.001)


def simulated(seed: int, people: int, between: float, within: float, shift: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(0, between, (people, 1)) + rng.normal(0, within, (people, 2)) + [0, shift]


def test_simulated_variances_are_found() -> None:
    found = intraclass_correlations(simulated(0, 4000, 3, 1, shift=2))
    # A fixed shift of 2 between two sessions has a sample variance of 2.
    assert found.absolute == pytest.approx(9 / (9 + 1 + 2), abs=0.02)
    assert found.consistent == pytest.approx(0.9, abs=0.01)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    held = np.zeros(2)
    for seed in range(400):
        found = intraclass_correlations(simulated(seed, 25, 2, 1))
        for which, ends in enumerate((found.absolute_interval, found.consistent_interval)):
            held[which] += ends.low <= 0.8 <= ends.high
    for count in held:
        assert stats.binomtest(int(count), 400, 0.95).pvalue > 0.01


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 1000), st.floats(-50, 50), st.floats(0.1, 10))
def test_unit_and_zero_do_not_matter(seed: int, shift: float, factor: float) -> None:
    table = simulated(seed, 8, 2, 1)
    one, other = intraclass_correlations(table), intraclass_correlations(table * factor + shift)
    assert other.absolute == pytest.approx(one.absolute)
    assert other.consistent_interval == pytest.approx(one.consistent_interval)


def test_the_same_twice_agrees_fully_without_an_interval() -> None:
    once = np.array([30.1, 44.7, 61.3])
    found = intraclass_correlations(np.stack([once, once], axis=1))
    assert (found.absolute, found.consistent) == (1, 1)
    assert np.isnan(found.absolute_interval.low)
    assert np.isnan(intraclass_correlations(np.full((3, 2), 5.0)).absolute)


def test_people_with_three_sessions_give_their_first_two() -> None:
    people = np.array(["b", "a", "a", "b", "a", "c", "c", "d"])
    order = np.array([2, 3, 1, 1, 2, 1, 2, 1])
    values = np.array([5.0, 99, 1, 4, 2, 7, 9, 0])
    found = measure_agreement(values, people, order)
    expected = intraclass_correlations(np.array([[1, 2], [4, 5], [7, 9]]))
    assert found.icc_21 == pytest.approx(expected.absolute)
    assert (found.people, found.people_left_out, found.sessions_left_out) == (3, 1, 1)
    # All sessions: 1, 2, 99 around 34, 4 and 5 around 4.5, 7 and 9 around 8.
    assert found.within_sd == pytest.approx(np.sqrt((33**2 + 32**2 + 65**2 + 0.5 + 2) / 4))


def test_missing_values_are_no_sessions() -> None:
    people, order = np.array(list("aaabbb")), np.array([1, 2, 3, 1, 2, 3])
    values = np.array([np.nan, 1.0, 3, 4, 5, np.nan])
    assert measure_agreement(values, people, order).icc_31 == pytest.approx(
        intraclass_correlations(np.array([[1, 3], [4, 5]])).consistent
    )


def test_one_person_is_refused() -> None:
    with pytest.raises(InputError, match="at least 2"):
        measure_agreement(np.arange(3.0), np.array(list("aab")), np.arange(3))


def test_rows_of_nobody() -> None:
    assert by_person(np.array([]), np.array([])) == []
