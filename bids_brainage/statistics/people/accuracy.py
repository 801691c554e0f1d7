"""How well estimates meet ages, as the field reports it, among all people and in groups of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bids_brainage.statistics.people.intervals import (
    UNKNOWN,
    Interval,
    correlation,
    fisher_interval,
    mean_interval,
    wilson_interval,
)

#: The level of people whose column says nothing.
MISSING = "n/a"


@dataclass(frozen=True)
class Accuracy:
    """Estimates against ages, in years; not a number where people are too few or all alike.

    Attributes
    ----------
    n : int
        People with an estimate and an age.
    youngest, oldest, age_sd : float
        Of their ages (sample standard deviation).
    mae, rmse, r2 : float
        Errors, and the coefficient of determination 1 - SS(error) / SS(age), which can be negative.
    r, r_interval
        Pearson's correlation of estimate and age.
    guess_mae : float
        MAE of guessing the same age for everyone.
    bias, bias_interval
        Mean of DBA (estimate - age).
    dba_sd : float
        Sample standard deviation of DBA.
    dba_age_r, dba_age_interval
        Pearson's correlation of DBA and age: regression to the mean makes it negative.
    n_intervals : int
        People with an interval.
    coverage, coverage_interval
        Share of those whose interval holds their age.
    """

    n: int
    youngest: float
    oldest: float
    age_sd: float
    mae: float
    rmse: float
    r2: float
    r: float
    r_interval: Interval
    guess_mae: float
    bias: float
    bias_interval: Interval
    dba_sd: float
    dba_age_r: float
    dba_age_interval: Interval
    n_intervals: int
    coverage: float
    coverage_interval: Interval

    def row(self) -> dict[str, Any]:
        """Cells of a table, by column."""
        return as_cells(self)


@dataclass(frozen=True)
class GroupAccuracy:
    """Accuracy among the people who have one level of a column."""

    column: str
    level: str
    accuracy: Accuracy

    def row(self) -> dict[str, Any]:
        """Cells of a table, by column."""
        return {"column": self.column, "level": self.level, **self.accuracy.row()}


def as_cells(result: Any) -> dict[str, Any]:
    """The fields of a dataclass by name; an interval ``x_interval`` becomes ``x_low`` and ``x_high``."""
    cells: dict[str, Any] = {}
    for name in result.__dataclass_fields__:
        value = getattr(result, name)
        if isinstance(value, Interval):
            stem = name.removesuffix("_interval")
            cells |= {f"{stem}_low": value.low, f"{stem}_high": value.high}
        else:
            cells[name] = value
    return cells


def measure_accuracy(
    estimates: np.ndarray,
    ages: np.ndarray,
    lower: np.ndarray | None = None,
    upper: np.ndarray | None = None,
    guess: np.ndarray | float | None = None,
) -> Accuracy:
    """Compare estimates with ages.

    Parameters
    ----------
    estimates, ages : array (n,)
        Years; people who lack one of them (not a number) are left out.
    lower, upper : array (n,), optional
        Ends of the 95 % intervals; not a number where there is none.
    guess : float or array (n,), optional
        What is guessed without looking, such as the mean age in training; the mean of `ages` by default,
        which no other guess beats by squared error.

    Returns
    -------
    Accuracy
    """
    known = np.isfinite(estimates) & np.isfinite(ages)
    estimates, ages = np.asarray(estimates, float)[known], np.asarray(ages, float)[known]
    n, dba = len(ages), estimates - ages
    if guess is None:
        guess = float(ages.mean()) if n else np.nan
    guesses = np.broadcast_to(guess, known.shape)[known]
    spread = float(np.sum((ages - ages.mean()) ** 2)) if n else 0.0
    r, dba_age = correlation(estimates, ages), correlation(dba, ages)
    covered, bounded = _covered(ages, lower, upper, known)
    return Accuracy(
        n=n,
        youngest=float(ages.min()) if n else np.nan,
        oldest=float(ages.max()) if n else np.nan,
        age_sd=_sd(ages),
        mae=_mean(np.abs(dba)),
        rmse=float(np.sqrt(_mean(dba**2))),
        r2=1 - float(dba @ dba) / spread if spread > 0 else np.nan,
        r=r,
        r_interval=_ends(r, n),
        guess_mae=_mean(np.abs(ages - guesses)),
        bias=_mean(dba),
        bias_interval=mean_interval(dba),
        dba_sd=_sd(dba),
        dba_age_r=dba_age,
        dba_age_interval=_ends(dba_age, n),
        n_intervals=bounded,
        coverage=covered / bounded if bounded else np.nan,
        coverage_interval=wilson_interval(covered, bounded),
    )


def accuracy_by(
    groups: Mapping[str, np.ndarray],
    estimates: np.ndarray,
    ages: np.ndarray,
    lower: np.ndarray | None = None,
    upper: np.ndarray | None = None,
) -> tuple[GroupAccuracy, ...]:
    """Compare estimates with ages in each group of people; the guess is the group's own mean age.

    Parameters
    ----------
    groups : mapping of str to array (n,)
        Columns of levels: text, numbers or truth values; None and not-a-number are missing.
    estimates, ages, lower, upper
        See `measure_accuracy`.

    Returns
    -------
    tuple of GroupAccuracy
        By column, then by level; people whose level is missing come last.
    """
    found = []
    for column, labels in groups.items():
        levels = level_names(labels)
        for level in sorted(set(levels), key=lambda name: (name == MISSING, name)):
            there = levels == level
            ends = [None if end is None else np.asarray(end)[there] for end in (lower, upper)]
            own = measure_accuracy(np.asarray(estimates)[there], np.asarray(ages)[there], *ends)
            found.append(GroupAccuracy(column, level, own))
    return tuple(found)


def level_names(labels: np.ndarray) -> np.ndarray:
    """The levels (n,) as text; whole numbers without a point, what is missing as n/a."""
    return np.array([_level_name(label) for label in np.asarray(labels, dtype=object)], dtype=object)


def _level_name(label: Any) -> str:
    if label is None or (isinstance(label, float | np.floating) and not np.isfinite(label)):
        return MISSING
    if isinstance(label, float | np.floating) and float(label).is_integer():
        return str(int(label))
    return str(label).strip() or MISSING


def _covered(
    ages: np.ndarray, lower: np.ndarray | None, upper: np.ndarray | None, known: np.ndarray
) -> tuple[int, int]:
    """How many of the people have an interval that holds their age, and how many have one."""
    if lower is None or upper is None:
        return 0, 0
    low, high = np.asarray(lower, float)[known], np.asarray(upper, float)[known]
    there = np.isfinite(low) & np.isfinite(high)
    return int(np.sum((low <= ages) & (ages <= high) & there)), int(there.sum())


def _ends(r: float, n: int) -> Interval:
    return fisher_interval(r, n) if np.isfinite(r) else UNKNOWN


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else np.nan


def _sd(values: np.ndarray) -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else np.nan
