"""Relations of clusters against SciPy and a table worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bids_brainage.statistics.people.relating import relate_clusters
from tests.statistics.people.columns import check_row


def test_numbers_and_categories_as_scipy_has_them() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(1, 4, 90)
    age = rng.normal(60, 8, 90) + 3 * labels
    sex = np.where(rng.random(90) < labels / 4, "f", "m").astype(object)
    age[:5], sex[5:8] = np.nan, None
    found = relate_clusters(labels, {"age": age}, {"sex": sex})
    theirs = stats.f_oneway(*(age[5:][labels[5:] == k] for k in (1, 2, 3)))
    assert (found[0].statistic, found[0].p) == pytest.approx(tuple(theirs))
    known = [i for i in range(90) if sex[i] is not None]
    table = [[sum(labels[i] == k and sex[i] == s for i in known) for s in "fm"] for k in (1, 2, 3)]
    chi = stats.chi2_contingency(table, correction=False)
    assert (found[1].statistic, found[1].p, found[1].freedom) == pytest.approx((chi.statistic, chi.pvalue, 2))
    assert found[1].effect == pytest.approx(stats.contingency.association(np.array(table), "cramer"))
    assert found[1].smallest_expected == pytest.approx(chi.expected_freq.min())
    low, high = sorted(one.p for one in found)
    assert max(one.p_holm for one in found) == pytest.approx(max(2 * low, high))
    assert [one.n for one in found] == [85, 87]
    check_row(found[0].row(), "relations")


def test_a_table_worked_by_hand() -> None:
    labels, ill = np.repeat([1, 2], 20), np.array([1.0] * 15 + [0] * 5 + [1] * 5 + [0] * 15)
    found = relate_clusters(labels, {}, {"ill": ill})[0]
    assert found.statistic == pytest.approx(10)  # four cells of 5^2 / 10
    assert found.effect == pytest.approx(0.5)
    assert found.smallest_expected == 10


def test_what_cannot_be_tested_is_said_and_not_counted() -> None:
    labels = np.repeat([1, 2], 10)
    age = np.arange(20.0)
    found = relate_clusters(
        labels, {"age": age, "nobody": np.full(20, np.nan)}, {"site": np.array(["a"] * 20, object)}
    )
    assert [one.n for one in found] == [20, 0, 20]
    assert np.isnan([found[1].p, found[2].p, found[2].p_holm]).all()
    assert found[0].p_holm == found[0].p
