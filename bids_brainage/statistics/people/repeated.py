"""People seen more than once: test-retest agreement, and how fast brain age changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bids_brainage import messages
from bids_brainage.errors import InputError
from bids_brainage.statistics.people.accuracy import as_cells
from bids_brainage.statistics.people.agreement import Agreement, by_person, measure_agreement
from bids_brainage.statistics.people.intervals import UNKNOWN, Interval, mean_interval, student_interval

#: Years between first and last session from which a change a year is more than noise over almost nothing.
LEAST_SPAN = 0.5


@dataclass(frozen=True)
class Change:
    """Change of brain age in a year of age; 1 if brains age as people do.

    Attributes
    ----------
    people : int
        Seen at least twice, over at least `least_span` years.
    people_too_close : int
        Seen at least twice, over less than that.
    least_span, mean_span : float
        Years from first to last session.
    mean, mean_interval
        Mean of the people's slopes of brain age on age.
    sd : float
        Standard deviation of the slopes.
    pooled, pooled_interval
        One slope for all, around each person's means: people count as much as their ages differ. Its interval
        lets people differ in their slopes (standard error clustered by person).
    """

    people: int
    people_too_close: int
    least_span: float
    mean_span: float
    mean: float
    mean_interval: Interval
    sd: float
    pooled: float
    pooled_interval: Interval

    def row(self) -> dict[str, Any]:
        """Cells of a table, by column."""
        return as_cells(self)


@dataclass(frozen=True)
class Repeated:
    """Brain age and DBA of people seen at least twice.

    Attributes
    ----------
    brain_age : Agreement
        The wider the range of ages, the higher its intraclass correlations.
    dba : Agreement
    change : Change or None
        None if hardly anyone was seen over a time long enough.
    """

    brain_age: Agreement
    dba: Agreement
    change: Change | None

    def rows(self) -> list[dict[str, Any]]:
        """Cells of the table of agreement."""
        return [{"measure": "brain_age", **self.brain_age.row()}, {"measure": "dba", **self.dba.row()}]


def measure_repeated(
    estimates: np.ndarray, ages: np.ndarray, people: np.ndarray, least_span: float = LEAST_SPAN
) -> Repeated:
    """Compare sessions; people seen once are left out and counted.

    Parameters
    ----------
    estimates, ages : array (n,)
        Years, one row a session; sessions that lack one of them are left out.
    people : array (n,)
        Whose it is. Rows of the same age are taken in the order in which they stand.
    least_span : float
        See `Change`.

    Raises
    ------
    InputError
        Fewer than two people were seen twice.
    """
    known = np.isfinite(estimates) & np.isfinite(ages)
    estimates, ages = np.asarray(estimates, float)[known], np.asarray(ages, float)[known]
    people = np.asarray(people)[known]
    agree = [measure_agreement(values, people, ages) for values in (estimates, estimates - ages)]
    try:
        change = measure_change(estimates, ages, people, least_span)
    except InputError:
        change = None
    return Repeated(agree[0], agree[1], change)


def measure_change(
    estimates: np.ndarray, ages: np.ndarray, people: np.ndarray, least_span: float = LEAST_SPAN
) -> Change:
    """Slopes of brain age on age within people; see `measure_repeated`.

    Raises
    ------
    InputError
        Fewer than two people were seen over at least `least_span` years.
    """
    sessions = [rows for rows in by_person(people, ages) if len(rows) > 1]
    spans = np.array([np.ptp(ages[rows]) for rows in sessions])
    far = [rows for rows, span in zip(sessions, spans, strict=True) if span >= least_span and span > 0]
    if len(far) < 2:
        raise InputError(messages.CHANGE_TOO_FEW.format(people=len(far), span=least_span))
    weights = np.array([np.sum((ages[rows] - ages[rows].mean()) ** 2) for rows in far])
    slopes = np.array([(ages[rows] - ages[rows].mean()) @ estimates[rows] for rows in far]) / weights
    pooled = float(weights @ slopes / weights.sum())
    return Change(
        people=len(far),
        people_too_close=len(sessions) - len(far),
        least_span=least_span,
        mean_span=float(np.mean([np.ptp(ages[rows]) for rows in far])),
        mean=float(slopes.mean()),
        mean_interval=mean_interval(slopes),
        sd=float(slopes.std(ddof=1)),
        pooled=pooled,
        pooled_interval=_pooled_interval(slopes, weights, pooled),
    )


def _pooled_interval(slopes: np.ndarray, weights: np.ndarray, pooled: float) -> Interval:
    n = len(slopes)
    if n < 3:
        return UNKNOWN
    variance = n / (n - 1) * np.sum((weights * (slopes - pooled)) ** 2) / weights.sum() ** 2
    return student_interval(pooled, float(np.sqrt(variance)), n - 1)
