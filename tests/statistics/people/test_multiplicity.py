"""Holm's correction against statsmodels."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from bids_brainage.statistics.people.multiplicity import holm


@settings(max_examples=15, deadline=None)  # theirs takes a tenth of a second
@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_as_statsmodels_has_it(p: list[float]) -> None:
    np.testing.assert_allclose(holm(np.array(p)), multipletests(p, method="holm")[1])


def test_what_is_no_number_is_not_counted() -> None:
    np.testing.assert_array_equal(holm(np.array([np.nan, 0.01, 0.5])), [np.nan, 0.02, 0.5])
    assert holm(np.array([])).shape == (0,)
