"""A design, split by a contrast into what is tested and what is not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from bids_brainage import messages
from bids_brainage.errors import InputError
from bids_brainage.quoting import one_line
from bids_brainage.statistics.design import Contrast

# Singular values below this share of the largest are taken for zero.
_RANK_TOLERANCE = 1e-10
_ESTIMABLE = 1e-7


@dataclass(frozen=True)
class Reference:
    """The distribution that a statistic has in theory.

    Attributes
    ----------
    statistic : {"t", "F"}
    effect, error : int
        Degrees of freedom of numerator and denominator; `effect` is 1 for t.
    """

    statistic: Literal["t", "F"]
    effect: int
    error: int

    def threshold(self, p: float, two_tailed: bool) -> float:
        """The value above which the statistic lies with probability `p`; of |t| if `two_tailed`."""
        from scipy import stats

        if self.statistic == "F":
            return float(stats.f.isf(p, self.effect, self.error))
        return float(stats.t.isf(p / 2 if two_tailed else p, self.error))


@dataclass(frozen=True, eq=False)
class Partition:
    """A model of rank `q + r`, of which `q` directions are tested (Winkler et al. 2014, section 2.2).

    Attributes
    ----------
    name : str
        That of the contrast.
    effect : ndarray of float64, shape (n, q)
        Orthonormal directions of the effect, orthogonal to the nuisance. A t test has one, which points to
        where the contrast is positive.
    nuisance : ndarray of float64, shape (n, r)
        Orthonormal directions of what the model holds besides; `r` may be 0.
    regressors : ndarray of float64, shape (n, rows of the contrast)
        The effect as the design writes it, not orthogonal to anything: observations with the same row are
        the same to the contrast.
    reference : Reference
    """

    name: str
    effect: np.ndarray
    nuisance: np.ndarray
    regressors: np.ndarray
    reference: Reference


def partition(matrix: np.ndarray, contrast: Contrast) -> Partition:
    """Split a design by a contrast.

    The design may be rank deficient, as long as the contrast is of something that it determines.

    Parameters
    ----------
    matrix : ndarray, shape (n, columns)
    contrast : Contrast

    Raises
    ------
    InputError
        The contrast is zero or of another number of columns, has several rows for a t test, is not determined
        by the design, or no observations are left to estimate the error from.
    """
    name = one_line(contrast.name)
    matrix = np.asarray(matrix, dtype=np.float64)
    weights = np.atleast_2d(np.asarray(contrast.weights, dtype=np.float64))
    _check_shapes(name, matrix, weights, contrast.statistic)
    # Columns of one length: what counts as rank does not depend on units.
    lengths = np.linalg.norm(matrix, axis=0)
    lengths[lengths == 0] = 1.0
    scaled, asked = matrix / lengths, weights / lengths
    left, singular, right = np.linalg.svd(scaled, full_matrices=False)
    kept = singular > _RANK_TOLERANCE * singular[0]
    left, singular, right = left[:, kept], singular[kept], right[kept]
    missed = asked - asked @ right.T @ right
    if np.abs(missed).max() > _ESTIMABLE * np.abs(asked).max():
        raise InputError(messages.CONTRAST_NOT_ESTIMABLE.format(name=name))
    effect = _orthonormal(left @ ((right @ asked.T) / singular[:, None]))
    if contrast.statistic == "t":
        # The singular vector's sign is arbitrary, that of a contrast is not.
        effect *= np.sign(effect[:, 0] @ (left @ ((right @ asked[0]) / singular)))
    nuisance = _orthonormal(left - effect @ (effect.T @ left), left.shape[1] - effect.shape[1])
    error = len(matrix) - left.shape[1]
    if error < 1:
        raise InputError(messages.NO_ERROR_LEFT.format(name=name, n=len(matrix), rank=left.shape[1]))
    regressors = matrix @ np.linalg.pinv(weights)
    reference = Reference(contrast.statistic, effect.shape[1], error)
    return Partition(name, effect, nuisance, regressors, reference)


def _check_shapes(name: str, matrix: np.ndarray, weights: np.ndarray, statistic: str) -> None:
    if weights.shape[1] != matrix.shape[1]:
        raise InputError(
            messages.CONTRAST_LENGTH.format(name=name, n=weights.shape[1], columns=matrix.shape[1])
        )
    if not weights.any(axis=1).all() or not matrix.any():
        raise InputError(messages.CONTRAST_ZERO.format(name=name))
    if statistic == "t" and len(weights) != 1:
        raise InputError(messages.CONTRAST_ROWS.format(name=name, n=len(weights)))


def _orthonormal(columns: np.ndarray, rank: int | None = None) -> np.ndarray:
    """An orthonormal basis of the columns' span, of the given rank or that which is found."""
    left, singular, _ = np.linalg.svd(columns, full_matrices=False)
    if rank is None:
        rank = int((singular > _RANK_TOLERANCE * singular[0]).sum())
    return left[:, :rank]
