"""Contrasts split designs into effect and nuisance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bids_brainage.errors import InputError
from bids_brainage.statistics.design import Contrast
from bids_brainage.statistics.permutation.partition import partition


def t(*weights: float) -> Contrast:
    return Contrast("x\nhostile", np.array([weights], dtype=float))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**20), columns=st.integers(1, 5), rows=st.integers(1, 3), twice=st.booleans())
def test_parts_span_the_model_and_the_effect_is_what_the_contrast_asks(seed, columns, rows, twice):
    rng = np.random.default_rng(seed)
    matrix = rng.standard_normal((15, columns)) * 10.0 ** rng.integers(-3, 4, columns)
    weights = rng.standard_normal((min(rows, columns), columns))
    if twice:
        matrix, weights = np.hstack([matrix, matrix[:, :1]]), np.hstack([weights, weights[:, :1]])
    part = partition(matrix, Contrast("x", weights, "t" if len(weights) == 1 else "F"))
    both = np.hstack([part.effect, part.nuisance])
    np.testing.assert_allclose(both.T @ both, np.eye(columns), atol=1e-8)
    np.testing.assert_allclose(both @ (both.T @ matrix), matrix, rtol=1e-6, atol=1e-6 * np.abs(matrix).max())
    # What the nuisance can say, the contrast does not see.
    coefficients = np.linalg.pinv(matrix / np.linalg.norm(matrix, axis=0)) @ part.nuisance
    seen = weights / np.linalg.norm(matrix, axis=0) @ coefficients
    np.testing.assert_allclose(seen, 0, atol=1e-6 * np.abs(weights / np.linalg.norm(matrix, axis=0)).max())
    assert (part.reference.effect, part.reference.error) == (len(weights), 15 - columns)


def test_units_do_not_decide_what_depends_on_what():
    rng = np.random.default_rng(0)
    matrix = np.column_stack([np.ones(12), rng.standard_normal((12, 2))])
    units = np.array([1, 1e7, 1e-7])
    expected = partition(matrix, t(0, 0, 1))
    found = partition(matrix * units, t(0, 0, 1))
    assert found.reference == expected.reference
    np.testing.assert_allclose(found.effect, expected.effect, atol=1e-8)


def test_a_t_test_points_to_where_the_contrast_is_positive():
    group = np.repeat([0.0, 1.0], 4)
    matrix = np.column_stack([np.ones(8), group])
    assert (partition(matrix, t(0, 1)).effect[group == 1] > 0).all()
    assert (partition(matrix, t(0, -1)).effect[group == 1] < 0).all()


def test_regressors_are_as_the_design_writes_them():
    age = np.arange(8.0)
    matrix = np.column_stack([np.repeat([0.0, 1.0], 4), np.repeat([1.0, 0.0], 4), age])
    regressors = partition(matrix, t(1, -1, 0)).regressors
    assert len(np.unique(regressors)) == 2


@pytest.mark.parametrize(
    ("matrix", "contrast", "said"),
    [
        (np.eye(4)[:, :2], t(1), "has 1 weights, but the design has 2 columns"),
        (np.eye(4)[:, :2], t(0, 0), "asks nothing"),
        (np.eye(4)[:, :2], Contrast("x", np.eye(2)), "has 2 rows"),
        (np.ones((4, 2)), t(1, 0), "does not determine"),
        (np.eye(4)[:, :3] * 0 + np.ones((4, 3)), t(1, -1, 0), "does not determine"),
        (np.eye(4), t(1, 0, 0, 0), "4 observations and a model of rank 4"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_one_line(matrix, contrast, said):
    with pytest.raises(InputError, match=said) as refused:
        partition(matrix, contrast)
    assert "\n" not in str(refused.value)
