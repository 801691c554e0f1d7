"""How alike a person's sessions are: intraclass correlations and the standard deviation within people.

ICC(2,1) counts a shift between sessions as disagreement, ICC(3,1) does not (Shrout and Fleiss 1979, Psychol
Bull 86, 420; McGraw and Wong 1996, Psychol Methods 1, 30, name them ICC(A,1) and ICC(C,1)).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bids_brainage import messages
from bids_brainage.errors import InputError
from bids_brainage.statistics.people.accuracy import as_cells
from bids_brainage.statistics.people.intervals import LEVEL, UNKNOWN, Interval


@dataclass(frozen=True)
class Icc:
    """Intraclass correlations of single measurements, with 95 % intervals.

    Attributes
    ----------
    absolute, absolute_interval
        ICC(2,1): two-way random effects, absolute agreement.
    consistent, consistent_interval
        ICC(3,1): two-way mixed effects, consistency.
    """

    absolute: float
    absolute_interval: Interval
    consistent: float
    consistent_interval: Interval


@dataclass(frozen=True)
class Agreement:
    """Sessions of the same people.

    Attributes
    ----------
    people : int
        With at least as many sessions as `sessions`.
    sessions : int
        The first ones of each person, from which the intraclass correlations are.
    people_left_out : int
        With fewer sessions.
    sessions_left_out : int
        Later sessions of the people who are in.
    icc_21, icc_21_interval, icc_31, icc_31_interval
        See `Icc`.
    within_sd, within_sd_interval
        Standard deviation within people, pooled over all sessions of everybody seen at least twice; what
        changes between sessions, such as age, is in it.
    """

    people: int
    sessions: int
    people_left_out: int
    sessions_left_out: int
    icc_21: float
    icc_21_interval: Interval
    icc_31: float
    icc_31_interval: Interval
    within_sd: float
    within_sd_interval: Interval

    def row(self) -> dict[str, Any]:
        """Cells of a table, by column."""
        return as_cells(self)


def intraclass_correlations(table: np.ndarray) -> Icc:
    """ICC(2,1) and ICC(3,1) of a complete table.

    Parameters
    ----------
    table : array (people, sessions)

    Raises
    ------
    InputError
        Fewer than two people or sessions.
    """
    table = np.asarray(table, float)
    n, k = table.shape
    if n < 2 or k < 2:
        raise InputError(messages.AGREEMENT_TOO_FEW.format(people=n, sessions=k))
    centred = table - table.mean()
    between = k * float(np.sum(centred.mean(axis=1) ** 2)) / (n - 1)
    judges = n * float(np.sum(centred.mean(axis=0) ** 2)) / (k - 1)
    rest = centred - centred.mean(axis=1, keepdims=True) - centred.mean(axis=0)
    error = float(np.sum(rest**2)) / ((n - 1) * (k - 1))
    if error <= 1e-14 * (between + judges):
        error = 0.0  # rounding
    absolute = _share(between - error, between + (k - 1) * error + k * (judges - error) / n)
    consistent = _share(between - error, between + (k - 1) * error)
    return Icc(
        absolute,
        _absolute_interval(between, judges, error, n, k, absolute),
        consistent,
        _consistent_interval(between, error, n, k),
    )


def measure_agreement(
    values: np.ndarray, people: np.ndarray, order: np.ndarray, sessions: int = 2
) -> Agreement:
    """Compare the sessions of people who were seen at least twice, who need not have equally many.

    Parameters
    ----------
    values : array (n,)
        One a session; those that are not a number are left out.
    people : array (n,)
        Whose it is.
    order : array (n,)
        Tells which session was first: age, or a running number. Ties stay as they stand.
    sessions : int
        How many of each person are compared.

    Raises
    ------
    InputError
        Fewer than two people have that many sessions.
    """
    known = np.isfinite(values)
    whose = by_person(np.asarray(people)[known], np.asarray(order)[known])
    numbers = np.asarray(values, float)[known]
    enough = [rows for rows in whose if len(rows) >= sessions]
    if len(enough) < 2:
        raise InputError(messages.AGREEMENT_TOO_FEW.format(people=len(enough), sessions=sessions))
    icc = intraclass_correlations(np.stack([numbers[rows[:sessions]] for rows in enough]))
    within, ends = _within_sd([numbers[rows] for rows in whose if len(rows) > 1])
    return Agreement(
        people=len(enough),
        sessions=sessions,
        people_left_out=len(whose) - len(enough),
        sessions_left_out=sum(len(rows) for rows in enough) - sessions * len(enough),
        icc_21=icc.absolute,
        icc_21_interval=icc.absolute_interval,
        icc_31=icc.consistent,
        icc_31_interval=icc.consistent_interval,
        within_sd=within,
        within_sd_interval=ends,
    )


def by_person(people: np.ndarray, order: np.ndarray) -> list[np.ndarray]:
    """The rows of each person, the first session first."""
    labels, index = np.unique(people, return_inverse=True)
    rows = np.lexsort((order, index))
    return np.split(rows, np.cumsum(np.bincount(index, minlength=len(labels)))[:-1]) if len(rows) else []


def _share(part: float, whole: float) -> float:
    return part / whole if whole > 0 else np.nan


def _absolute_interval(between: float, judges: float, error: float, n: int, k: int, icc: float) -> Interval:
    """Shrout and Fleiss 1979, p. 424, for ICC(2,1)."""
    from scipy.stats import f

    if error == 0 or not np.isfinite(icc):
        return UNKNOWN
    ratio, rest = judges / error, n * (1 + (k - 1) * icc) - k * icc
    freedom = (k - 1) * (n - 1) * (k * icc * ratio + rest) ** 2 / ((n - 1) * (k * icc * ratio) ** 2 + rest**2)
    top = (1 + LEVEL) / 2
    upper, lower = float(f.ppf(top, n - 1, freedom)), float(f.ppf(top, freedom, n - 1))
    shift = k * judges + (k * n - k - n) * error
    return Interval(
        n * (between - upper * error) / (upper * shift + n * between),
        n * (lower * between - error) / (shift + n * lower * between),
    )


def _consistent_interval(between: float, error: float, n: int, k: int) -> Interval:
    """Shrout and Fleiss 1979, p. 424, for ICC(3,1)."""
    from scipy.stats import f

    if error == 0:
        return UNKNOWN
    top, free = (1 + LEVEL) / 2, ((n - 1), (n - 1) * (k - 1))
    low = between / error / float(f.ppf(top, *free))
    high = between / error * float(f.ppf(top, *free[::-1]))
    return Interval((low - 1) / (low + k - 1), (high - 1) / (high + k - 1))


def _within_sd(values: list[np.ndarray]) -> tuple[float, Interval]:
    """Pooled standard deviation around each person's mean, with its interval by chi square."""
    from scipy.stats import chi2

    total = float(sum(np.sum((own - own.mean()) ** 2) for own in values))
    free = sum(len(own) - 1 for own in values)
    ends = [float(np.sqrt(total / chi2.ppf(share, free))) for share in ((1 + LEVEL) / 2, (1 - LEVEL) / 2)]
    return float(np.sqrt(total / free)), Interval(*ends)
