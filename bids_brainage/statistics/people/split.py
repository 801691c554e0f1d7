"""A group's DBA split into places: the mean of its maps adds up to its mean DBA, exactly.

What a person's map does not hold (such as what layers absorbed) is a row of its own. The same goes for the
difference between two groups. Intervals are of one place at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from bids_brainage import messages
from bids_brainage.errors import InputError
from bids_brainage.statistics.people.intervals import LEVEL
from bids_brainage.statistics.people.multiplicity import holm

#: The rows that are not places.
REST, TOTAL = "what the map does not hold", "mean DBA"
FEWEST = 2
#: People of a group whose means can be resampled.
FEWEST_RESAMPLED = 5
# Numbers of resamples that are held at once.
_HELD = 2**22


@dataclass(frozen=True, eq=False)
class Split:
    """Years by place; all but the last add up to the last.

    Attributes
    ----------
    places : tuple of str
        Those of the map, then `REST`, then `TOTAL`.
    years, low, high : ndarray (places + 2,)
        Mean or difference, with its 95 % interval.
    p : ndarray (places + 2,)
        Student's or Welch's, two-sided.
    p_holm : ndarray (places + 2,)
        Corrected over the places; not a number for the two last rows.
    n, n_other : int
        People; `n_other` is 0 for the mean of one group.
    interval : {"student", "welch", "bootstrap"}
    """

    places: tuple[str, ...]
    years: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p: np.ndarray
    p_holm: np.ndarray
    n: int
    n_other: int
    interval: Literal["student", "welch", "bootstrap"]

    @property
    def shares(self) -> np.ndarray:
        """Of the total; large and of either sign where the total is near 0."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(self.years / self.years[-1])

    def rows(self) -> list[dict[str, Any]]:
        """Cells of a table: a row for each place, the rest and the total."""
        columns = {
            "years": self.years, "low": self.low, "high": self.high, "share": self.shares,
            "p": self.p, "p_holm": self.p_holm,
        }  # fmt: skip
        once = {"n": self.n, "n_other": self.n_other, "interval": self.interval}
        return [
            {"place": place, **{name: float(values[i]) for name, values in columns.items()}, **once}
            for i, place in enumerate(self.places)
        ]


def split_mean(
    dba: np.ndarray, values: np.ndarray, places: Sequence[str], resamples: int = 0, seed: int = 0
) -> Split:
    """Split a group's mean DBA.

    Parameters
    ----------
    dba : array (n,)
        Years.
    values : array (n, places)
        Each person's map summed over places, years.
    places : sequence of str
    resamples : int
        Of the bootstrap (BCa: Efron 1987, JASA 82, 171); 0 for Student's intervals.
    seed : int

    Raises
    ------
    InputError
        Fewer than two people (five, to resample), or values that are not numbers.
    """
    table = _table(dba, values, resamples)
    with np.errstate(divide="ignore", invalid="ignore"):
        return _split((table,), places, resamples, seed)


def split_difference(
    dba: np.ndarray,
    values: np.ndarray,
    one: np.ndarray,
    other: np.ndarray,
    places: Sequence[str],
    resamples: int = 0,
    seed: int = 0,
) -> Split:
    """Split the difference of two groups' mean DBA, one minus the other; see `split_mean`.

    Parameters
    ----------
    one, other : bool array (n,)
        Who is in them.
    """
    tables = tuple(_table(dba[who], values[who], resamples) for who in (one, other))
    with np.errstate(divide="ignore", invalid="ignore"):
        return _split(tables, places, resamples, seed)


def _table(dba: np.ndarray, values: np.ndarray, resamples: int) -> np.ndarray:
    """Places, the rest and the total of each person (n, places + 2)."""
    least = FEWEST_RESAMPLED if resamples else FEWEST
    if len(dba) < least or not (np.isfinite(dba).all() and np.isfinite(values).all()):
        raise InputError(messages.SPLIT_TOO_FEW.format(n=len(dba), least=least))
    values = np.asarray(values, np.float64)
    return np.column_stack([values, dba - values.sum(axis=1), dba])


def _split(tables: tuple[np.ndarray, ...], places: Sequence[str], resamples: int, seed: int) -> Split:
    from scipy.stats import t

    two = len(tables) == 2
    years = tables[0].mean(axis=0) - (tables[1].mean(axis=0) if two else 0)
    parts = np.stack([table.var(axis=0, ddof=1) / len(table) for table in tables])
    freedoms = np.array([len(table) - 1 for table in tables])[:, None]
    spread = parts.sum(axis=0)
    freedom = spread**2 / np.sum(parts**2 / freedoms, axis=0)
    error = np.sqrt(spread)
    p = np.where(error > 0, 2 * t.sf(np.abs(years) / error, freedom), np.nan)
    reach = t.ppf((1 + LEVEL) / 2, freedom) * error
    ends = _resampled(tables, resamples, seed) if resamples else (years - reach, years + reach)
    corrected = np.append(holm(p[:-2]), [np.nan, np.nan])
    return Split(
        places=(*places, REST, TOTAL),
        years=years,
        low=ends[0],
        high=ends[1],
        p=p,
        p_holm=corrected,
        n=len(tables[0]),
        n_other=len(tables[1]) if two else 0,
        interval="bootstrap" if resamples else "welch" if two else "student",
    )


def _resampled(tables: tuple[np.ndarray, ...], resamples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Ends of BCa intervals; people are resampled with all of their places."""
    import warnings

    from scipy.stats import bootstrap

    def mean(*groups: np.ndarray, axis: int = -1) -> np.ndarray:
        means = [np.mean(group, axis=axis) for group in groups]
        return np.asarray(means[0] - means[1] if len(means) == 2 else means[0])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of places that are the same in everybody
        found = bootstrap(
            tables,
            mean,
            axis=0,
            vectorized=True,
            n_resamples=resamples,
            batch=max(1, _HELD // max(table.size for table in tables)),
            method="BCa",
            rng=np.random.default_rng(seed),
        ).confidence_interval
    return np.asarray(found.low), np.asarray(found.high)
