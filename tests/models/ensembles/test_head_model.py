"""Heads against the normal equations, against scikit-learn and against all sets of non-negative weights."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression, Ridge

from bids_brainage.models.ensembles.head_model import HeadModel


def predictions_and_ages(n: int = 40, k: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    ages = rng.uniform(20, 80, n)
    return 0.7 * ages[:, None] + 15 + rng.normal(0, 5, (n, k)), ages


@pytest.mark.parametrize("alpha", [0.0, 1.0, 100.0])
def test_fit_solves_the_normal_equations(alpha):
    X, y = predictions_and_ages()
    head = HeadModel.fit(X, y, alpha)
    Xc, yc = X - X.mean(axis=0), y - y.mean()
    coefficients = np.linalg.solve(Xc.T @ Xc + alpha * np.eye(X.shape[1]), Xc.T @ yc)
    np.testing.assert_allclose(head.coefficients, coefficients, rtol=1e-8)
    np.testing.assert_allclose(head.intercept, y.mean() - X.mean(axis=0) @ coefficients, rtol=1e-8)


@pytest.mark.parametrize(("alpha", "peer"), [(1.0, Ridge(alpha=1.0)), (0.0, LinearRegression())])
def test_estimates_are_scikit_learns(alpha, peer):
    X, y = predictions_and_ages()
    head = HeadModel.fit(X[:30], y[:30], alpha)
    np.testing.assert_allclose(head.apply(X[30:]), peer.fit(X[:30], y[:30]).predict(X[30:]), rtol=1e-9)
    assert head.apply(X[30]).shape == ()


def test_a_heavy_penalty_leaves_the_mean():
    X, y = predictions_and_ages()
    np.testing.assert_allclose(HeadModel.fit(X, y, 1e12).apply(X), y.mean(), atol=1e-3)


def test_more_models_than_people_are_no_trouble():
    X, y = predictions_and_ages(3, 10)
    assert np.isfinite(HeadModel.fit(X, y, 1.0).coefficients).all()


def test_a_positive_head_by_hand():
    """Two predictions, the second the first's mirror image: ridge would give it -a, positive gives it 0.

    Centred, x = (-2, 0, 2) and -x; y = (-2, 0, 2). Of the first alone, x.y / (x.x + alpha) = 8 / (8 + 2).
    """
    X, y = np.array([[48.0, 52.0], [50.0, 50.0], [52.0, 48.0]]), np.array([28.0, 30.0, 32.0])
    head = HeadModel.fit(X, y, 2.0, positive=True)
    np.testing.assert_allclose(head.coefficients, [0.8, 0.0], atol=1e-12)
    assert head.intercept == pytest.approx(30 - 0.8 * 50)
    assert HeadModel.fit(X, y, 2.0).coefficients[1] < -0.4


def test_what_only_falls_with_age_gets_no_weight_and_the_mean_is_left():
    ages = np.linspace(20, 80, 30)
    head = HeadModel.fit(np.column_stack([-ages, 50 - 2 * ages]), ages, 1.0, positive=True)
    assert head.coefficients.tolist() == [0, 0]
    assert head.intercept == pytest.approx(50)
    assert HeadModel.fit(np.full((30, 2), 50.0), ages, 0.0, positive=True).coefficients.tolist() == [0, 0]


def loss(X: np.ndarray, y: np.ndarray, coefficients: np.ndarray, alpha: float) -> float:
    """What ridge regression minimises, with the best intercept."""
    rest = y - X @ coefficients
    return float(((rest - rest.mean()) ** 2).sum() + alpha * coefficients @ coefficients)


def best_of_all_sets(X: np.ndarray, y: np.ndarray, alpha: float) -> np.ndarray:
    """Ridge regression on every set of columns; the best whose weights are not negative."""
    best = np.zeros(X.shape[1])
    for size in range(1, X.shape[1] + 1):
        for columns in map(list, combinations(range(X.shape[1]), size)):
            tried = np.zeros(X.shape[1])
            tried[columns] = HeadModel.fit(X[:, columns], y, alpha).coefficients
            if tried.min() >= 0 and loss(X, y, tried, alpha) < loss(X, y, best, alpha):
                best = tried
    return best


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    k=st.integers(1, 5),
    alpha=st.sampled_from([0.01, 1.0, 100.0]),
    alike=st.floats(0.05, 20),
)
def test_positive_heads_are_the_best_of_all_sets_of_columns(seed, k, alpha, alike):
    """And so no worse than the head of either sign with its negative weights cut off."""
    rng = np.random.default_rng(seed)
    ages = rng.uniform(20, 80, 25)
    X = (0.5 * ages + rng.normal(0, 6, 25))[:, None] + rng.normal(0, alike, (25, k))
    head = HeadModel.fit(X, ages, alpha, positive=True)
    assert (head.coefficients >= 0).all()
    free = HeadModel.fit(X, ages, alpha).coefficients
    least, cut = loss(X, ages, head.coefficients, alpha), loss(X, ages, np.maximum(free, 0), alpha)
    assert least <= cut * (1 + 1e-12)
    if (free >= 0).all():
        np.testing.assert_allclose(head.coefficients, free, atol=1e-7)
    np.testing.assert_allclose(head.coefficients, best_of_all_sets(X, ages, alpha), atol=1e-6)
    np.testing.assert_array_equal(
        HeadModel.fit(X, ages, alpha, positive=True).coefficients, head.coefficients
    )


def test_positive_heads_are_scikit_learns_once_its_iteration_has_come_to_an_end():
    """Predictions that differ much: there it does. Of least squares it is exact anyway."""
    rng = np.random.default_rng(3)
    X, y = rng.normal(50, 15, (60, 6)), rng.uniform(20, 80, 60)
    peer = Ridge(alpha=100.0, positive=True, tol=1e-12, max_iter=100_000).fit(X, y)
    head = HeadModel.fit(X, y, 100.0, positive=True)
    np.testing.assert_allclose(head.coefficients, peer.coef_, atol=1e-6)
    assert head.intercept == pytest.approx(peer.intercept_, abs=1e-4)
    assert 0 < (head.coefficients > 0).sum() < 6
    peer = LinearRegression(positive=True).fit(X, y)
    np.testing.assert_allclose(HeadModel.fit(X, y, 0.0, positive=True).coefficients, peer.coef_, atol=1e-9)


def test_two_copies_of_a_prediction_and_few_people_are_no_trouble_to_positive_heads():
    X, y = predictions_and_ages(6, 2)
    twice = np.hstack([X, X, X, X])
    head = HeadModel.fit(twice, y, 0.0, positive=True)
    assert (head.coefficients >= 0).all()
    np.testing.assert_allclose(head.apply(twice), HeadModel.fit(X, y, 0.0, positive=True).apply(X), atol=1e-6)
