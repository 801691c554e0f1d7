"""What is usual at an age: mean and spread of many places' DBA, and z scores of people beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bids_brainage.statistics.people.accuracy import MISSING, level_names
from bids_brainage.statistics.people.smooth import AgeBasis

_MEAN, _SHAPE, _SCALE, _SHARES = "norms_mean", "norms_shape", "norms_scale", "norms_shares"

#: Labels (n,) of people by column, such as sex and site.
Groups = Mapping[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Deviations:
    """People beside what is usual at their age.

    Attributes
    ----------
    z : ndarray (m, places)
        Standard deviations above the mean; not a number where the reference group does not vary.
    expected, spread : ndarray (m, places)
        Years.
    outside : bool array (m,)
        Younger or older than anyone in the reference group: taken as the nearest age in it.
    unknown : bool array (m,)
        Of a sex or site that the norms do not know: taken as the average one.
    """

    z: np.ndarray
    expected: np.ndarray
    spread: np.ndarray
    outside: np.ndarray
    unknown: np.ndarray


@dataclass(frozen=True, eq=False)
class Norms:
    """Mean and spread by age.

    Attributes
    ----------
    basis : AgeBasis
    levels : mapping of str to tuple of str
        Of each further column, such as sex.
    shares : ndarray (q,)
        Of each level in the reference group, in order.
    mean : float32 array (size + q, places)
        Coefficients, years.
    shape : float32 array (size + q, places)
        Coefficients of the logarithm of the spread, up to `scale`.
    scale : float32 array (places,)
        Years; 0 where the reference group does not vary.
    n : int
        People in the reference group.
    """

    basis: AgeBasis
    levels: Mapping[str, tuple[str, ...]]
    shares: np.ndarray
    mean: np.ndarray
    shape: np.ndarray
    scale: np.ndarray
    n: int

    def deviations(self, values: np.ndarray, ages: np.ndarray, groups: Groups | None = None) -> Deviations:
        """Compare people with the reference group.

        Parameters
        ----------
        values : array (m, places)
            Years.
        ages : array (m,)
            Years.
        groups : mapping of str to array (m,), optional
            Labels of the norms' further columns, as far as they are known.
        """
        others, unknown = level_columns(self.levels, self.shares, len(ages), groups or {})
        columns = np.column_stack([self.basis(ages), others])
        expected, spread = columns @ self.mean, np.exp(columns @ self.shape) * self.scale
        with np.errstate(divide="ignore", invalid="ignore"):
            z = np.where(spread > 0, (values - expected) / spread, np.nan)
        return Deviations(z, expected, spread, self.basis.outside(ages), unknown)

    def packed(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Arrays, and what can be written as JSON."""
        arrays = {_MEAN: self.mean, _SHAPE: self.shape, _SCALE: self.scale, _SHARES: self.shares}
        record = {
            "low": self.basis.low,
            "high": self.basis.high,
            "pieces": self.basis.pieces,
            "levels": {column: list(levels) for column, levels in self.levels.items()},
            "n": self.n,
        }
        return arrays, record

    @classmethod
    def unpacked(cls, arrays: Mapping[str, np.ndarray], record: Mapping[str, Any]) -> Norms:
        """What `packed` made arrays and a record of; ValueError if they do not belong together."""
        basis = AgeBasis(float(record["low"]), float(record["high"]), int(record["pieces"]))
        levels = {str(column): tuple(map(str, names)) for column, names in record["levels"].items()}
        mean, shape, scale, shares = (np.asarray(arrays[name]) for name in (_MEAN, _SHAPE, _SCALE, _SHARES))
        if not (np.isfinite([basis.low, basis.high]).all() and basis.low < basis.high and basis.pieces > 0):
            raise ValueError("the range of ages of its norms is none")
        rows = basis.size + sum(map(len, levels.values()))
        if scale.ndim != 1 or not mean.shape == shape.shape == (rows, len(scale)):
            raise ValueError("the arrays of its norms do not have the shape that their record says")
        if shares.shape != (rows - basis.size,) or not all(
            np.isfinite(each).all() for each in (mean, shape, scale, shares)
        ):
            raise ValueError("the arrays of its norms do not have a finite number for each place")
        return cls(basis, levels, shares, mean, shape, scale, int(record["n"]))


def level_columns(
    levels: Mapping[str, tuple[str, ...]], shares: np.ndarray, n: int, groups: Groups
) -> tuple[np.ndarray, np.ndarray]:
    """Indicators (n, q) of the levels less their shares, 0 for people of none of them; and who these are."""
    columns, unknown = np.zeros((n, len(shares))), np.zeros(n, bool)
    first = 0
    for column, names in levels.items():
        there = slice(first, first + len(names))
        first += len(names)
        labels = level_names(groups[column]) if column in groups else np.full(n, MISSING, object)
        known = np.isin(labels.astype(str), names)
        columns[known, there] = (labels[known, None] == np.array(names, object)) - shares[there]
        unknown |= ~known
    return columns, unknown
