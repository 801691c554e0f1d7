"""Models that combine several predictions into one: linear ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np


class Head(Protocol):
    """What a head must be able to do: estimate, and give each prediction's part in an estimate."""

    def apply(self, predictions: np.ndarray) -> np.ndarray:
        """Estimates (...,) from predictions (..., k)."""

    def secants(self, values: np.ndarray, references: np.ndarray) -> tuple[np.ndarray, float]:
        """One person's weights (k,) and constant, with which constant + weights @ values is the estimate.

        Parameters
        ----------
        values : array (k,)
            The person's predictions.
        references : array (k,)
            What each prediction starts from, the same for everyone.
        """


@dataclass(frozen=True, eq=False)
class HeadModel:
    """A linear model of predictions: estimate = intercept + predictions @ coefficients.

    Attributes
    ----------
    coefficients : float64 array (k,)
    intercept : float
        Years.
    """

    coefficients: np.ndarray
    intercept: float

    @classmethod
    def fit(cls, predictions: np.ndarray, ages: np.ndarray, alpha: float = 1.0) -> HeadModel:
        """Fit by ridge regression, the intercept not penalised.

        Parameters
        ----------
        predictions : array (n, k)
            Of k models for n people, in years.
        ages : array (n,)
            Years.
        alpha : float
            Penalty; the paper's sub-ensemble heads use 1.0, its top head 0 (least squares).
        """
        from sklearn.linear_model import LinearRegression, Ridge

        model = Ridge(alpha=alpha, solver="cholesky") if alpha > 0 else LinearRegression()
        model.fit(np.asarray(predictions, dtype=np.float64), np.asarray(ages, dtype=np.float64))
        return cls(np.asarray(model.coef_, dtype=np.float64), float(model.intercept_))

    def apply(self, predictions: np.ndarray) -> np.ndarray:
        """Estimates (...,) in years from predictions (..., k)."""
        return np.asarray(predictions, dtype=np.float64) @ self.coefficients + self.intercept

    def secants(self, values: np.ndarray, references: np.ndarray) -> tuple[np.ndarray, float]:
        """Coefficients and intercept, whatever the values; see `Head.secants`."""
        return self.coefficients, self.intercept
