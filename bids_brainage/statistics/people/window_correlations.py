"""Correlations of DBA with other measures of people, in windows that slide over age and over the whole range.

The paper's Figure 7, with two corrections for having looked often: Bonferroni's, and one by permutation that
knows that windows share people (the null of the maximum: Westfall and Young 1993, Resampling-based multiple
testing, chapter 2).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from bids_brainage.statistics.people.intervals import Interval, fisher_interval
from bids_brainage.statistics.people.window_kernels import (
    Kernel,
    linear_kernel,
    rank_kernel,
    rank_of,
    without,
)
from bids_brainage.statistics.people.windows import Windows

Method = Literal["pearson", "spearman", "partial"]
METHODS: tuple[Method, ...] = ("pearson", "spearman", "partial")
# Numbers that a chunk of permutations holds at once.
_HELD = 2**22
# Far from rounding, and far from what makes a difference.
_TIE = 1e-9


@dataclass(frozen=True, eq=False)
class Correlations:
    """Correlations by window and column; not a number where people are too few or all alike.

    Attributes
    ----------
    method : {"pearson", "spearman", "partial"}
    columns : tuple of str
    windows : Windows
    n : int array (windows, columns)
    r, p : ndarray (windows, columns)
        Two-sided, by Student's t.
    interval : Interval of ndarray (windows, columns)
        95 %, by Fisher's z.
    tests : int
        The family of Bonferroni's correction: windows times columns, as far as they could be tested.
    p_bonferroni : ndarray (windows, columns)
    p_windows, p_all : ndarray (windows, columns)
        Corrected by permutation over the windows of the column, and over all windows of all columns.
    permutations, seed : int
    """

    method: Method
    columns: tuple[str, ...]
    windows: Windows
    n: np.ndarray
    r: np.ndarray
    p: np.ndarray
    interval: Interval
    tests: int
    p_bonferroni: np.ndarray
    p_windows: np.ndarray
    p_all: np.ndarray
    permutations: int
    seed: int

    def rows(self) -> list[dict[str, Any]]:
        """Cells of a table: a row for each column and window."""
        arrays: dict[str, Any] = {
            "n": self.n, "r": self.r, "r_low": self.interval.low, "r_high": self.interval.high, "p": self.p,
            "p_bonferroni": self.p_bonferroni, "p_windows": self.p_windows, "p_all": self.p_all,
        }  # fmt: skip
        once = {"tests": self.tests, "permutations": self.permutations, "seed": self.seed}
        return [
            {
                "column": column,
                "method": self.method,
                "from": float(low),
                "to": float(high),
                **{name: values[w, c].item() for name, values in arrays.items()},
                **once,
            }
            for c, column in enumerate(self.columns)
            for w, (low, high) in enumerate(zip(self.windows.lows, self.windows.highs, strict=True))
        ]


def correlate(
    dba: np.ndarray,
    ages: np.ndarray,
    columns: Mapping[str, np.ndarray],
    windows: Windows,
    method: Method,
    covariates: np.ndarray | None = None,
    permutations: int = 0,
    seed: int = 0,
) -> Correlations:
    """Correlate DBA with columns in windows of age.

    The permutation gives people the values of others (for partial correlations: what age and covariates leave
    of them over the whole range; Freedman and Lane 1983, J Bus Econ Stat 1, 292, turned round) and takes the
    largest correlation of each permutation, in standard errors of Fisher's z, so that windows with few people
    do not set the bar for all. All columns are permuted alike; where people lack values, those who have one
    exchange them among themselves.

    Parameters
    ----------
    dba, ages : array (n,)
        Years; people who lack one are left out.
    columns : mapping of str to array (n,)
        Numbers; people who lack one are left out of that column.
    windows : Windows
    method : {"pearson", "spearman", "partial"}
        "partial" takes age and covariates off within each window.
    covariates : array (n, q), optional
        For "partial"; people who lack one are left out.
    permutations : int
        0 for none.
    seed : int
        A permutation's seed is this and its index.
    """
    rows = [_Column.of(dba, ages, x, windows, method, covariates) for x in columns.values()]
    observed = [row.kernel(np.arange(len(row.people))[None])[0] for row in rows]
    r = np.clip(np.stack(observed, axis=1), -1, 1)
    n = np.stack([row.n for row in rows], axis=1)
    taken = np.stack([row.nuisance for row in rows], axis=1)
    r[n < np.maximum(windows.minimum, taken + 3)] = np.nan
    p = _p_values(r, n - taken - 1)
    tests = int(np.isfinite(p).sum())
    spread = 1 + r**2 / 2 if method == "spearman" else 1.0
    p_windows, p_all = _corrected(rows, r, n - taken - 2, len(dba), permutations, seed)
    return Correlations(
        method=method,
        columns=tuple(columns),
        windows=windows,
        n=n,
        r=r,
        p=p,
        interval=fisher_interval(r, n, taken - 1, spread),
        tests=tests,
        p_bonferroni=np.minimum(p * tests, 1),
        p_windows=p_windows,
        p_all=p_all,
        permutations=permutations,
        seed=seed,
    )


@dataclass(frozen=True, eq=False)
class _Column:
    """A column and those who have it: whose rows they are, by age; and by window, how many, and how many
    columns are taken off, the mean among them."""

    people: np.ndarray
    n: np.ndarray
    nuisance: np.ndarray
    kernel: Kernel

    @classmethod
    def of(
        cls,
        dba: np.ndarray,
        ages: np.ndarray,
        x: np.ndarray,
        windows: Windows,
        method: Method,
        covariates: np.ndarray | None,
    ) -> _Column:
        x = np.asarray(x, float)
        # Correlations have no unit, and squares of the largest numbers cannot be computed.
        x = x / (np.max(np.abs(x), where=np.isfinite(x), initial=0) or 1.0)
        table = np.column_stack([np.asarray(each, float) for each in (ages, dba, x)])
        partial = method == "partial"
        if partial and covariates is not None:
            table = np.column_stack([table, covariates])
        complete = np.flatnonzero(np.isfinite(table).all(axis=1))
        people = complete[np.argsort(table[complete, 0], kind="stable")]
        own = table[people]
        starts = np.searchsorted(own[:, 0], windows.lows)
        ends = np.searchsorted(own[:, 0], windows.highs)
        slices = [slice(*pair) for pair in zip(starts, ends, strict=True)]
        off = (
            np.column_stack([np.ones(len(own)), own[:, :1], own[:, 3:]])
            if partial
            else np.ones((len(own), 1))
        )
        ranks = np.array([rank_of(off[window]) if partial else 1 for window in slices])
        if method == "spearman":
            kernel = rank_kernel(own[:, 1], own[:, 2], slices)
        else:
            kernel = linear_kernel(own[:, 1], without(own[:, 2], off), off, slices)
        return cls(people, ends - starts, ranks, kernel)


def _p_values(r: np.ndarray, freedom: np.ndarray) -> np.ndarray:
    from scipy.stats import t

    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(2 * t.sf(np.abs(r) * np.sqrt(freedom / (1 - r**2)), freedom))


def _corrected(
    rows: list[_Column], r: np.ndarray, freedom: np.ndarray, n: int, permutations: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """p over windows, and over windows and columns: (b + 1) / (permutations + 1)."""
    unknown = np.full(r.shape, np.nan)
    if not permutations:
        return unknown, unknown.copy()
    scale = np.where(np.isfinite(r), np.sqrt(np.maximum(freedom, 0)), 0)
    maxima = np.zeros((permutations, r.shape[1]))
    chunk = max(1, _HELD // max(n, 1))
    for first in range(0, permutations, chunk):
        indices = range(first, min(first + chunk, permutations))
        draws = np.stack([np.random.default_rng([seed, index]).random(n) for index in indices])
        orders: dict[bytes, np.ndarray] = {}
        for c, row in enumerate(rows):
            key = row.people.tobytes()
            if key not in orders:
                orders[key] = np.argsort(draws[:, row.people], axis=1)
            size = _in_errors(row.kernel(orders[key]), scale[:, c])
            maxima[indices.start : indices.stop, c] = size.max(axis=1, initial=0)
    bar = _in_errors(r.T, scale.T).T - _TIE
    over_windows = (np.sum(maxima[:, None, :] >= bar, axis=0) + 1) / (permutations + 1)
    over_all = (np.sum(maxima.max(axis=1)[:, None, None] >= bar, axis=0) + 1) / (permutations + 1)
    return tuple(np.where(np.isfinite(r), p, np.nan) for p in (over_windows, over_all))  # type: ignore[return-value]


def _in_errors(r: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Size of correlations in standard errors of Fisher's z; 0 where there is none."""
    return np.asarray(np.arctanh(np.minimum(np.abs(np.nan_to_num(r)), 1 - 1e-12)) * scale)
