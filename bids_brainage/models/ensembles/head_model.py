"""Models that combine several predictions into one: linear ones, and the median."""

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

    def slopes(self, values: np.ndarray) -> np.ndarray:
        """Derivatives (k,) of the estimate by each prediction, at `values` (k,)."""


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
    def fit(
        cls, predictions: np.ndarray, ages: np.ndarray, alpha: float = 1.0, positive: bool = False
    ) -> HeadModel:
        """Fit by ridge regression, the intercept not penalised.

        Parameters
        ----------
        predictions : array (n, k)
            Of k models for n people, in years.
        ages : array (n,)
            Years.
        alpha : float
            Penalty; the paper's sub-ensemble heads use 1.0, its top head 0 (least squares).
        positive : bool
            Whether no coefficient may be negative: an older prediction never makes the estimate younger.
        """
        if positive:
            return cls._fit_positive(np.asarray(predictions, np.float64), np.asarray(ages, np.float64), alpha)
        from sklearn.linear_model import LinearRegression, Ridge

        model = Ridge(alpha=alpha, solver="cholesky") if alpha > 0 else LinearRegression()
        model.fit(np.asarray(predictions, dtype=np.float64), np.asarray(ages, dtype=np.float64))
        return cls(np.asarray(model.coef_, dtype=np.float64), float(model.intercept_))

    @classmethod
    def _fit_positive(cls, predictions: np.ndarray, ages: np.ndarray, alpha: float) -> HeadModel:
        """The same by non-negative least squares, exactly.

        scikit-learn's `Ridge(positive=True)` minimises the same sum, but iteratively: of ten predictions
        that are nearly alike, some of its coefficients are off by more than 0.5.
        """
        mean, mean_age = predictions.mean(axis=0), float(ages.mean())
        coefficients = ridge_nnls(predictions - mean, ages - mean_age, alpha)
        return cls(coefficients, mean_age - float(mean @ coefficients))

    def apply(self, predictions: np.ndarray) -> np.ndarray:
        """Estimates (...,) in years from predictions (..., k)."""
        return np.asarray(predictions, dtype=np.float64) @ self.coefficients + self.intercept

    def secants(self, values: np.ndarray, references: np.ndarray) -> tuple[np.ndarray, float]:
        """Coefficients and intercept, whatever the values; see `Head.secants`."""
        return self.coefficients, self.intercept

    def slopes(self, values: np.ndarray) -> np.ndarray:
        """Coefficients, whatever the values."""
        return self.coefficients


@dataclass(frozen=True, eq=False)
class MedianHead:
    """The median of k predictions: for each person, the prediction in the middle alone counts.

    Attributes
    ----------
    k : int
        How many predictions there are; of an even number, the two in the middle count half.
    """

    k: int

    def apply(self, predictions: np.ndarray) -> np.ndarray:
        """Estimates (...,) in years from predictions (..., k)."""
        return np.median(np.asarray(predictions, dtype=np.float64), axis=-1)

    def secants(self, values: np.ndarray, references: np.ndarray) -> tuple[np.ndarray, float]:
        """Weights of the predictions in the middle, and no constant; see `Head.secants`.

        Which prediction is in the middle differs from one person to another, so what the weights make of the
        references does too.
        """
        return self.slopes(values), 0.0

    def slopes(self, values: np.ndarray) -> np.ndarray:
        """1 for the prediction in the middle, or a half for each of two; of equal ones for the first."""
        order = np.argsort(values, kind="stable")
        weights = np.zeros(self.k)
        for place in ((self.k - 1) // 2, self.k // 2):
            weights[order[place]] += 0.5
        return weights


def ridge_nnls(columns: np.ndarray, values: np.ndarray, alpha: float) -> np.ndarray:
    """The coefficients x >= 0 (k,) with the least sum((columns @ x - values)^2) + alpha sum(x^2).

    Parameters
    ----------
    columns : array (n, k)
    values : array (n,)
    alpha : float
    """
    from scipy.optimize import nnls

    k = columns.shape[1]
    augmented = np.vstack([columns, np.sqrt(alpha) * np.eye(k)])
    return np.asarray(nnls(augmented, np.concatenate([values, np.zeros(k)]), maxiter=100 * k)[0])
