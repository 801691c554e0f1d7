"""How certain a correlation, a share or a mean is: 95 % intervals, not-a-number where there can be none."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

LEVEL = 0.95


class Interval(NamedTuple):
    """Its two ends."""

    low: float
    high: float


#: What is not known.
UNKNOWN = Interval(np.nan, np.nan)


def normal_quantile(level: float = LEVEL) -> float:
    """How many standard errors a two-sided interval of a normal variate reaches to each side."""
    from scipy.stats import norm

    return float(norm.ppf((1 + level) / 2))


def correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Pearson's correlation of x (n,) and y (n,); not a number if one of them is constant."""
    if len(x) < 2:
        return np.nan
    x, y = x - x.mean(), y - y.mean()
    size = float(np.sqrt((x @ x) * (y @ y)))
    return float(np.clip((x @ y) / size, -1, 1)) if size > 0 else np.nan


def fisher_interval(
    r: np.ndarray | float,
    n: np.ndarray | int,
    covariates: np.ndarray | int = 0,
    spread: np.ndarray | float = 1.0,
) -> Interval:
    """Interval of correlations by Fisher's z (1921, Metron 1, 3).

    Parameters
    ----------
    r : array or float
        Correlations; arrays make arrays of ends.
    n : array or int
        People.
    covariates : array or int
        What was taken off both variables; each costs one person.
    spread : array or float
        Variance of z beside that of Pearson's: 1 + r^2 / 2 for Spearman's (Bonett and Wright 2000,
        Psychometrika 65, 23).

    Returns
    -------
    Interval
        Not a number where n - covariates is 3 or less.
    """
    free = np.asarray(n, float) - 3 - covariates
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = normal_quantile() * np.sqrt(spread / np.where(free > 0, free, np.nan))
        centre = np.arctanh(np.asarray(r, float))
        low, high = np.tanh(centre - reach), np.tanh(centre + reach)
    return Interval(low[()], high[()])


def wilson_interval(successes: int, n: int) -> Interval:
    """Interval of a share (Wilson 1927, JASA 22, 209)."""
    from scipy.stats import binomtest

    if n == 0:
        return UNKNOWN
    found = binomtest(successes, n).proportion_ci(LEVEL, method="wilson")
    return Interval(float(found.low), float(found.high))


def student_interval(centre: float, standard_error: float, freedom: float) -> Interval:
    """Interval of an estimate whose standard error has so many degrees of freedom."""
    from scipy.stats import t

    if not freedom > 0:
        return UNKNOWN
    reach = float(t.ppf((1 + LEVEL) / 2, freedom)) * standard_error
    return Interval(centre - reach, centre + reach)


def mean_interval(values: np.ndarray) -> Interval:
    """Student's interval of the mean of values (n,)."""
    n = len(values)
    if n < 2:
        return UNKNOWN
    return student_interval(float(values.mean()), float(values.std(ddof=1)) / np.sqrt(n), n - 1)
