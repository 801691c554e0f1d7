"""Two ensembles or models on the same people: which one errs less, and how sure that is."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bids_brainage import messages
from bids_brainage.errors import InputError
from bids_brainage.statistics.people.accuracy import as_cells
from bids_brainage.statistics.people.intervals import UNKNOWN, Interval, correlation

#: Fewest people whose errors are resampled.
FEWEST = 5
# Numbers of resamples that are held at once.
_HELD = 2**21


@dataclass(frozen=True)
class Comparison:
    """The first minus the second, in years: below 0 the first errs less.

    Attributes
    ----------
    n : int
        People with both estimates and an age.
    mae_first, mae_second : float
    difference, difference_interval
        Of the MAEs; bootstrap over people.
    median_difference, median_difference_interval
        Median of the people's differences of |error|.
    better : float
        Share of people on whom the first errs less (half of the ties).
    p_wilcoxon : float
        Wilcoxon's signed ranks of the differences of |error|, two-sided.
    r_first, r_second : float
        Pearson's correlation of estimate and age.
    r_difference, r_difference_interval
    resamples, seed : int
    """

    n: int
    mae_first: float
    mae_second: float
    difference: float
    difference_interval: Interval
    median_difference: float
    median_difference_interval: Interval
    better: float
    p_wilcoxon: float
    r_first: float
    r_second: float
    r_difference: float
    r_difference_interval: Interval
    resamples: int
    seed: int

    def row(self) -> dict[str, Any]:
        """Cells of a table, by column."""
        return as_cells(self)


def compare_estimates(
    first: np.ndarray, second: np.ndarray, ages: np.ndarray, seed: int, resamples: int = 9999
) -> Comparison:
    """Compare two estimates of the same people.

    Intervals are bias-corrected and accelerated bootstrap ones (Efron 1987, JASA 82, 171), but the median's
    is the percentiles', for the jackknife fails on medians.

    Parameters
    ----------
    first, second, ages : array (n,)
        Years, one row a person; people who lack one of the three are left out.
    seed : int
    resamples : int

    Raises
    ------
    InputError
        Fewer than five people have all three.
    """
    table = np.stack([np.asarray(column, float) for column in (first, second, ages)])
    table = table[:, np.isfinite(table).all(axis=0)]
    n = table.shape[1]
    if n < FEWEST:
        raise InputError(messages.COMPARISON_TOO_FEW.format(n=n, least=FEWEST))
    one, two, ages = table
    errors = np.abs(table[:2] - ages)
    apart = errors[0] - errors[1]
    r_one, r_two = correlation(one, ages), correlation(two, ages)

    def ends(statistic: Callable[..., np.ndarray], *data: np.ndarray, method: str = "BCa") -> Interval:
        return _bootstrap(statistic, data, method, seed, resamples)

    return Comparison(
        n=n,
        mae_first=float(errors[0].mean()),
        mae_second=float(errors[1].mean()),
        difference=float(apart.mean()),
        difference_interval=ends(np.mean, apart),
        median_difference=float(np.median(apart)),
        median_difference_interval=ends(np.median, apart, method="percentile"),
        better=float(np.mean((apart < 0) + 0.5 * (apart == 0))),
        p_wilcoxon=_signed_ranks(apart),
        r_first=r_one,
        r_second=r_two,
        r_difference=r_one - r_two,
        r_difference_interval=ends(_r_apart, one, two, ages),
        resamples=resamples,
        seed=seed,
    )


def _bootstrap(
    statistic: Callable[..., np.ndarray], data: tuple[np.ndarray, ...], method: str, seed: int, resamples: int
) -> Interval:
    """Interval of a statistic of columns that are resampled together; unknown if all resamples agree."""
    from scipy.stats import bootstrap

    with warnings.catch_warnings(), np.errstate(invalid="ignore", divide="ignore"):
        warnings.simplefilter("ignore")  # of samples that are all the same
        found = bootstrap(
            data,
            statistic,
            paired=True,
            vectorized=True,
            axis=-1,
            n_resamples=resamples,
            batch=max(1, _HELD // len(data[0])),
            method=method,
            rng=np.random.default_rng(seed),
        ).confidence_interval
    low, high = float(found.low), float(found.high)
    return Interval(low, high) if np.isfinite([low, high]).all() else UNKNOWN


def _signed_ranks(apart: np.ndarray) -> float:
    from scipy.stats import wilcoxon

    return float(wilcoxon(apart).pvalue) if apart.any() else 1.0


def _r_apart(one: np.ndarray, two: np.ndarray, ages: np.ndarray, axis: int = -1) -> np.ndarray:
    """r(one, age) - r(two, age) along the last axis."""
    return np.asarray(_along(one, ages) - _along(two, ages))


def _along(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    x, y = x - x.mean(axis=-1, keepdims=True), y - y.mean(axis=-1, keepdims=True)
    return np.asarray((x * y).sum(axis=-1) / np.sqrt((x**2).sum(axis=-1) * (y**2).sum(axis=-1)))
