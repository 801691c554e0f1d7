"""Curves that are smooth in age, for many places at once.

Cubic B-splines with a penalty on the second differences of their coefficients (P-splines: Eilers and Marx
1996, Stat Sci 11, 89): the stronger it is, the straighter the curve. Places have the penalty with which
people are predicted best when they are left out, one for all places or each its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

DEGREE = 3
#: Pieces of the range of ages; how far a curve bends is up to the penalty.
PIECES = 8
#: Penalties that are tried, for one person: from a curve that is free to a straight line.
PENALTIES = 10.0 ** np.arange(-5, 4)
# Keeps splines without anybody near from having no equation at all, for one person.
_FLOOR = 1e-9
#: A place has a penalty of its own where it is worse by this many people's share with that of all places:
#: among few people, the best of several penalties is often too weak a one by chance.
MARGIN = 10.0
# By how much one place can be against a penalty for all.
_MOST = 2.0


@dataclass(frozen=True)
class AgeBasis:
    """B-splines with evenly spaced knots.

    Attributes
    ----------
    low, high : float
        Ages, years; who is younger or older is taken as that old.
    pieces : int
    """

    low: float
    high: float
    pieces: int = PIECES

    @property
    def size(self) -> int:
        """How many splines there are."""
        return self.pieces + DEGREE

    def __call__(self, ages: np.ndarray) -> np.ndarray:
        """The splines (n, size) at ages (n,)."""
        from scipy.interpolate import BSpline

        step = (self.high - self.low) / self.pieces
        knots = self.low + step * np.arange(-DEGREE, self.pieces + DEGREE + 1)
        # The last knot as computed may lie a rounding error before the oldest.
        inside = np.clip(
            np.asarray(ages, float), max(self.low, knots[DEGREE]), min(self.high, knots[-DEGREE - 1])
        )
        return np.asarray(BSpline.design_matrix(inside, knots, DEGREE).toarray())

    def outside(self, ages: np.ndarray) -> np.ndarray:
        """Which ages (n,) are out of the range."""
        ages = np.asarray(ages, float)
        return np.asarray((ages < self.low) | (ages > self.high))


class Smoother:
    """Penalised least squares for the same people and any number of places.

    Parameters
    ----------
    basis : array (n, size)
        `AgeBasis` at people's ages.
    others : array (n, q)
        Further columns, such as sexes and sites. They are drawn to 0 as by one more person without any
        effect, so that small sites are not taken at their word.

    Notes
    -----
    All penalties share one eigendecomposition, and the residual of a person left out is the residual over
    1 - leverage, as in any linear smoother: nothing is fitted twice.
    """

    def __init__(self, basis: np.ndarray, others: np.ndarray) -> None:
        n, size = basis.shape
        columns = np.column_stack([basis, others])
        fixed = np.concatenate([np.full(size, _FLOOR * n), np.ones(others.shape[1])])
        gram = np.linalg.cholesky(columns.T @ columns + np.diag(fixed))
        back = np.linalg.inv(gram).T
        bends = np.zeros((size - 2, columns.shape[1]))
        bends[:, :size] = np.diff(np.eye(size), 2, axis=0)
        bent = bends @ back
        strengths, turn = np.linalg.eigh(bent.T @ bent)
        self._back = back @ turn
        self._scores = columns @ self._back
        self._shrinks = 1 / (1 + n * PENALTIES[:, None] * np.maximum(strengths, 0))

    def losses(self, values: np.ndarray) -> np.ndarray:
        """How well people who are left out are predicted.

        Parameters
        ----------
        values : array (n, places)

        Returns
        -------
        ndarray (penalties, places)
            Sum of squares, as a multiple of that with the place's best penalty; 1 where nobody varies.
        """
        parts = self._scores.T @ values
        sums = np.stack(
            [np.sum(self._left_out(values, parts, s[:, None]) ** 2, axis=0) for s in self._shrinks]
        )
        least = sums.min(axis=0)
        return np.divide(sums, least, out=np.ones_like(sums), where=least > 0)

    def shared(self, blocks: Iterable[np.ndarray]) -> int:
        """The penalty that is best for all places together, which come in blocks (n, places)."""
        against = sum(np.minimum(self.losses(values), _MOST).sum(axis=1) for values in blocks)
        return int(np.argmin(against))

    def fit(
        self, values: np.ndarray, shared: int | None = None, margin: float = MARGIN
    ) -> tuple[np.ndarray, np.ndarray]:
        """Fit a curve to each place.

        Parameters
        ----------
        values : array (n, places)
        shared : int, optional
            Which penalty places have unless they are much better predicted by one of their own; by default,
            each has its best.
        margin : float
            How much better that is, as a number of people's share; infinite: none has one of its own.

        Returns
        -------
        ndarray (size + q, places)
            Coefficients.
        ndarray (n, places)
            Residuals of each person from the curve of the others.
        """
        losses = self.losses(values)
        best = np.argmin(losses, axis=0)
        if shared is not None:
            best = np.where(losses[shared] <= 1 + margin / len(values), shared, best)
        parts, shrink = self._scores.T @ values, self._shrinks[best].T
        return self._back @ (shrink * parts), self._left_out(values, parts, shrink)

    def _left_out(self, values: np.ndarray, parts: np.ndarray, shrink: np.ndarray) -> np.ndarray:
        leverage = self._scores**2 @ shrink
        return np.asarray((values - self._scores @ (shrink * parts)) / (1 - leverage))
