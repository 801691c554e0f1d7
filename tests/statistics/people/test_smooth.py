"""Smooth curves against penalised least squares solved outright, refits one by one, and statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from statsmodels.gam.api import BSplines, GLMGam

from bids_brainage.statistics.people.smooth import PENALTIES, AgeBasis, Smoother


def people(seed: int = 0, n: int = 80) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.uniform(20, 80, n), rng.normal(size=(n, 2)) - [0.3, 0.7]


def solved(columns: np.ndarray, size: int, y: np.ndarray, penalty: float) -> np.ndarray:
    """Coefficients by least squares with the penalties as further equations."""
    bends = np.zeros((size - 2, columns.shape[1]))
    bends[:, :size] = np.diff(np.eye(size), 2, axis=0)
    drawn = np.eye(columns.shape[1])[size:]
    rows = np.vstack([columns, np.sqrt(penalty) * bends, drawn])
    return np.linalg.lstsq(rows, np.concatenate([y, np.zeros(len(rows) - len(y))]), rcond=None)[0]


def test_the_penalty_is_the_one_that_predicts_people_left_out_best() -> None:
    ages, others = people()
    rng = np.random.default_rng(1)
    wavy = np.sin(ages / 8) + rng.normal(0, 0.2, 80) + others @ [1, 2]
    straight = 0.1 * ages + rng.normal(0, 1, 80)
    basis = AgeBasis(20, 80)
    columns, n = np.column_stack([basis(ages), others]), len(ages)
    coefficients, left = Smoother(basis(ages), others).fit(np.column_stack([wavy, straight]))
    for place, y in enumerate((wavy, straight)):
        refitted = np.array(
            [
                [
                    y[i] - columns[i] @ solved(columns[keep], basis.size, y[keep], n * penalty)
                    for i in range(n)
                    for keep in [np.arange(n) != i]
                ]
                for penalty in PENALTIES
            ]
        )
        best = np.argmin((refitted**2).sum(axis=1))
        np.testing.assert_allclose(left[:, place], refitted[best], rtol=1e-3, atol=1e-5)
        expected = columns @ solved(columns, basis.size, y, n * PENALTIES[best])
        np.testing.assert_allclose(columns @ coefficients[:, place], expected, rtol=1e-4, atol=1e-5)


def test_a_straight_line_stays_one() -> None:
    ages, _ = people()
    noise = np.random.default_rng(3).normal(0, 1, len(ages))
    basis = AgeBasis(20, 80)
    coefficients, _ = Smoother(basis(ages), np.zeros((80, 0))).fit((2 + 0.5 * ages + noise)[:, None])
    line = sm.OLS(2 + 0.5 * ages + noise, sm.add_constant(ages)).fit()
    grid = np.linspace(20, 80, 7)
    theirs = line.predict(sm.add_constant(grid))
    np.testing.assert_allclose((basis(grid) @ coefficients)[:, 0], theirs, atol=0.3)


def test_a_curve_is_near_that_of_an_additive_model_of_statsmodels() -> None:
    rng = np.random.default_rng(4)
    ages = rng.uniform(20, 80, 300)
    y = np.sin(ages / 9) + rng.normal(0, 0.3, 300)
    basis = AgeBasis(ages.min(), ages.max())
    coefficients, _ = Smoother(basis(ages), np.zeros((300, 0))).fit(y[:, None])
    splines = BSplines(ages[:, None], df=[11], degree=[3])
    theirs = GLMGam(y, exog=np.ones((300, 1)), smoother=splines, alpha=[1.0]).fit().fittedvalues
    assert np.abs(basis(ages) @ coefficients[:, 0] - theirs).max() < 0.12
    assert np.abs(basis(ages) @ coefficients[:, 0] - np.sin(ages / 9)).mean() < 0.06


def test_nobody_in_between_is_bridged() -> None:
    ages = np.concatenate([np.linspace(20, 30, 40), np.linspace(70, 80, 40)])
    basis = AgeBasis(20, 80)
    coefficients, left = Smoother(basis(ages), np.zeros((80, 0))).fit(ages[:, None] / 10)
    np.testing.assert_allclose(basis(np.array([50.0])) @ coefficients, [[5]], atol=1e-3)
    assert np.abs(left).max() < 1e-3


@pytest.mark.parametrize(("low", "high"), [(20.0, 80.0), (18.3, 91.7), (0.1, 0.7)])
def test_ages_beyond_the_range_are_those_at_its_ends(low: float, high: float) -> None:
    basis = AgeBasis(low, high)
    ages = np.array([low - 5, low, high, high + 5])
    found = basis(ages)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[2], found[3])
    np.testing.assert_array_equal(basis.outside(ages), [True, False, False, True])
