"""The split of a group's DBA adds up, and its intervals are those of SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bids_brainage.errors import InputError
from bids_brainage.statistics.people.multiplicity import holm
from bids_brainage.statistics.people.split import REST, TOTAL, split_difference, split_mean
from tests.statistics.people.columns import check_row

PLACES = ("a", "b", "c")


def people(seed: int = 0, n: int = 40) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """DBA, places' years, and who has a lesion in the second place."""
    rng = np.random.default_rng(seed)
    values, ill = rng.normal([0.5, 0, -1], 1, (n, 3)), np.arange(n) % 3 == 0
    values[ill, 1] += 3
    return values.sum(axis=1) + rng.normal(0.2, 0.3, n), values, ill


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 1000), st.integers(6, 50), st.sampled_from([0, 99]))
def test_all_rows_add_up_to_the_last(seed: int, n: int, resamples: int) -> None:
    n = max(n, 15) if resamples else n
    dba, values, ill = people(seed, n)
    for found in (
        split_mean(dba, values, PLACES, resamples),
        split_difference(dba, values, ill, ~ill, PLACES, resamples),
    ):
        assert found.places == (*PLACES, REST, TOTAL)
        assert found.years[:-1].sum() == pytest.approx(found.years[-1], abs=1e-9)
    assert split_mean(dba, values, PLACES).years[-1] == pytest.approx(dba.mean())


def test_one_group_as_scipy_has_it() -> None:
    dba, values, _ = people()
    found = split_mean(dba, values, PLACES)
    theirs = stats.ttest_1samp(values[:, 2], 0)
    assert found.p[2] == pytest.approx(theirs.pvalue)
    assert (found.low[2], found.high[2]) == pytest.approx(tuple(theirs.confidence_interval()))
    check_row(found.rows()[0], "split")


def test_two_groups_as_scipy_has_them_and_the_lesion_is_where_it_is() -> None:
    dba, values, ill = people()
    found = split_difference(dba, values, ill, ~ill, PLACES)
    theirs = stats.ttest_ind(values[ill], values[~ill], equal_var=False)
    np.testing.assert_allclose(found.p[:3], theirs.pvalue)
    np.testing.assert_allclose(found.low[:3], theirs.confidence_interval().low)
    assert (found.n, found.n_other, found.interval) == (14, 26, "welch")
    assert np.argmax(found.shares[:3]) == 1
    assert 0.6 < found.shares[1] < 1.4
    assert found.p_holm[1] < 0.001


def test_resampled_intervals_are_near_students_and_repeat() -> None:
    dba, values, ill = people(n=200)
    plain = split_difference(dba, values, ill, ~ill, PLACES)
    found = split_difference(dba, values, ill, ~ill, PLACES, resamples=1999, seed=3)
    np.testing.assert_allclose(found.low, plain.low, atol=0.06)
    np.testing.assert_allclose(found.high, plain.high, atol=0.06)
    again = split_difference(dba, values, ill, ~ill, PLACES, resamples=1999, seed=3)
    np.testing.assert_array_equal(found.low, again.low)


def test_a_place_without_relevance_is_zero_and_has_no_p() -> None:
    dba, values, _ = people()
    values[:, 0] = 0
    found = split_mean(dba, values, PLACES)
    assert found.years[0] == 0
    assert np.isnan(found.p[0])
    np.testing.assert_array_equal(found.p_holm[:3], holm(found.p[:3]))
    assert np.isnan(found.p_holm[3:]).all()


def test_too_few_people_or_values_that_are_none_are_refused() -> None:
    dba, values, _ = people()
    with pytest.raises(InputError, match="of 1 people"):
        split_mean(dba[:1], values[:1], PLACES)
    with pytest.raises(InputError, match="at least 5"):
        split_mean(dba[:4], values[:4], PLACES, resamples=9)
    values[0, 0] = np.nan
    with pytest.raises(InputError, match="map of numbers"):
        split_mean(dba, values, PLACES)
