"""Heads against the normal equations and against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
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
