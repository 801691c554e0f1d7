"""How much DBA differs between the levels of a category, over the whole range of ages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bids_brainage import messages
from bids_brainage.errors import InputError
from bids_brainage.quoting import one_line
from bids_brainage.statistics.people.accuracy import MISSING, as_cells, level_names
from bids_brainage.statistics.people.intervals import LEVEL, UNKNOWN, Interval, student_interval

#: People of each level without whom a difference is not measured.
FEWEST = 2


@dataclass(frozen=True)
class Difference:
    """One level minus another.

    Attributes
    ----------
    column, level, other : str
    n_level, n_other : int
    mean_level, mean_other, difference : float
        Years.
    difference_interval, p_welch
        Welch's, which lets the levels spread differently.
    cohen_d, cohen_d_interval
        Difference over the pooled standard deviation; exact interval by noncentral t (Hedges and Olkin 1985).
    hedges_g, hedges_g_interval
        The same without its bias in small samples (Hedges 1981, J Educ Stat 6, 107).
    p_mann_whitney : float
        Two-sided.
    """

    column: str
    level: str
    other: str
    n_level: int
    n_other: int
    mean_level: float
    mean_other: float
    difference: float
    difference_interval: Interval
    p_welch: float
    cohen_d: float
    cohen_d_interval: Interval
    hedges_g: float
    hedges_g_interval: Interval
    p_mann_whitney: float

    def row(self) -> dict[str, Any]:
        """Cells of a table, by column."""
        return as_cells(self)


@dataclass(frozen=True)
class Levels:
    """All levels of a category together.

    Attributes
    ----------
    column : str
    levels : tuple of str
        Those with at least two people.
    n : int
        People in them.
    f, freedom, freedom_error, p_anova
        Analysis of variance.
    eta_squared : float
        Share of the variance between levels.
    h, p_kruskal
        Kruskal and Wallis's ranks.
    """

    column: str
    levels: tuple[str, ...]
    n: int
    f: float
    freedom: int
    freedom_error: int
    p_anova: float
    eta_squared: float
    h: float
    p_kruskal: float

    def row(self) -> dict[str, Any]:
        """Cells of a table, by column."""
        return {**as_cells(self), "levels": ", ".join(self.levels)}


def compare_two(
    values: np.ndarray, labels: np.ndarray, column: str, level: str | None = None, other: str | None = None
) -> Difference:
    """Measure the difference between two levels of a category.

    Parameters
    ----------
    values : array (n,)
        DBA, years; people who lack it are left out.
    labels : array (n,)
        Levels of the category; None and not-a-number are missing.
    column : str
        Its name.
    level, other : str, optional
        Which ones; if there are but two, the second in order of text minus the first (1 - 0, yes - no).

    Raises
    ------
    InputError
        There are not two levels with two people each.
    """
    groups = _groups(values, labels)
    if level is None or other is None:
        _refuse_unless(len(groups) == 2, column, groups)
        other, level = groups
    _refuse_unless(level in groups and other in groups, column, groups)
    return _difference(groups[level], groups[other], (column, level, other))


def compare_levels(
    values: np.ndarray, labels: np.ndarray, column: str
) -> tuple[Levels, tuple[Difference, ...]]:
    """Compare all levels of a category; see `compare_two`.

    Returns
    -------
    Levels
    tuple of Difference
        Of each pair, uncorrected.

    Raises
    ------
    InputError
        There are not two levels with two people each.
    """
    groups = _groups(values, labels)
    _refuse_unless(len(groups) >= 2, column, groups)
    names = list(groups)
    pairs = [(b, a) for index, a in enumerate(names) for b in names[index + 1 :]]
    found = tuple(_difference(groups[one], groups[two], (column, one, two)) for one, two in pairs)
    return _levels(list(groups.values()), column, tuple(names)), found


def _refuse_unless(fits: bool, column: str, groups: Sequence[str] | dict[str, np.ndarray]) -> None:
    if not fits:
        names = ", ".join(one_line(name) for name in groups) or "none"
        raise InputError(messages.LEVELS_WRONG.format(column=one_line(column), names=names, least=FEWEST))


def _groups(values: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    """The values of each level that enough people have, in order of text."""
    values, levels = np.asarray(values, float), level_names(labels)
    known = np.isfinite(values) & (levels != MISSING)
    found = {name: values[known & (levels == name)] for name in sorted(set(levels[known]))}
    return {name: own for name, own in found.items() if len(own) >= FEWEST}


def _difference(one: np.ndarray, two: np.ndarray, names: tuple[str, str, str]) -> Difference:
    from scipy.stats import mannwhitneyu

    n, m = len(one), len(two)
    difference = float(one.mean() - two.mean())
    parts = np.array([one.var(ddof=1) / n, two.var(ddof=1) / m])
    spread = float(parts.sum())
    varies = spread > 0
    freedom = float(spread**2 / np.sum(parts**2 / [n - 1, m - 1])) if varies else 0.0
    pooled = np.sqrt(((n - 1) * one.var(ddof=1) + (m - 1) * two.var(ddof=1)) / (n + m - 2))
    d = float(difference / pooled) if varies else np.nan
    ends = _effect_interval(d, n, m) if varies else UNKNOWN
    small = _small_sample(n + m - 2)
    return Difference(
        *names,
        n_level=n,
        n_other=m,
        mean_level=float(one.mean()),
        mean_other=float(two.mean()),
        difference=difference,
        difference_interval=student_interval(difference, float(np.sqrt(spread)), freedom),
        p_welch=_student_p(difference / np.sqrt(spread), freedom) if varies else np.nan,
        cohen_d=d,
        cohen_d_interval=ends,
        hedges_g=small * d,
        hedges_g_interval=Interval(small * ends.low, small * ends.high),
        p_mann_whitney=float(mannwhitneyu(one, two).pvalue),
    )


def _student_p(t_value: float, freedom: float) -> float:
    from scipy.stats import t

    return float(2 * t.sf(abs(t_value), freedom))


def _effect_interval(d: float, n: int, m: int) -> Interval:
    """The noncentral t variates of which the observed t is the upper and the lower end."""
    from scipy.optimize import brentq
    from scipy.stats import nct

    scale = np.sqrt(1 / n + 1 / m)
    t, freedom = d / scale, n + m - 2
    reach = 10 + abs(t)  # standard errors: far beyond any end of a 95 % interval

    def end(share: float) -> float:
        def miss(shift: float) -> float:
            below = float(nct.cdf(t, freedom, shift))
            # Far from t, where it is 0 or 1, scipy may not know it.
            return (float(shift < t) if np.isnan(below) else below) - share

        low, high = t - reach, t + reach
        return float(brentq(miss, low, high)) * scale if miss(low) * miss(high) < 0 else np.nan

    return Interval(end((1 + LEVEL) / 2), end((1 - LEVEL) / 2))


def _small_sample(freedom: int) -> float:
    """Hedges' exact factor."""
    from scipy.special import gammaln

    return float(np.exp(gammaln(freedom / 2) - gammaln((freedom - 1) / 2)) / np.sqrt(freedom / 2))


def _levels(groups: list[np.ndarray], column: str, names: tuple[str, ...]) -> Levels:
    from scipy.stats import f as f_distribution
    from scipy.stats import kruskal

    everybody = np.concatenate(groups)
    n, k = len(everybody), len(groups)
    total = float(np.sum((everybody - everybody.mean()) ** 2))
    inside = float(sum(np.sum((own - own.mean()) ** 2) for own in groups))
    f = (total - inside) / (k - 1) / (inside / (n - k)) if inside > 0 else np.nan
    ranks = kruskal(*groups) if total > 0 else None
    return Levels(
        column=column,
        levels=names,
        n=n,
        f=f,
        freedom=k - 1,
        freedom_error=n - k,
        p_anova=float(f_distribution.sf(f, k - 1, n - k)),
        eta_squared=(total - inside) / total if total > 0 else np.nan,
        h=float(ranks.statistic) if ranks else np.nan,
        p_kruskal=float(ranks.pvalue) if ranks else np.nan,
    )
