"""What clusters of people have to do with age, DBA and other columns.

Clusters that were made from maps differ in DBA in part by construction: maps add up to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from bids_brainage.errors import InputError
from bids_brainage.statistics.people.accuracy import MISSING, as_cells, level_names
from bids_brainage.statistics.people.differences import compare_levels
from bids_brainage.statistics.people.multiplicity import holm


@dataclass(frozen=True)
class Relation:
    """Clusters and a column; not a number where it cannot be tested.

    Attributes
    ----------
    column : str
    test : {"anova", "chi-square"}
    n : int
        People who have a value.
    statistic : float
        F or chi square.
    freedom : int
        Between clusters, or of the table.
    effect : float
        Eta squared, or Cramer's V (0 to 1).
    smallest_expected : float
        Of the cells of the table: below 5, p is rough.
    p, p_holm : float
        `p_holm` is corrected for the number of columns.
    """

    column: str
    test: Literal["anova", "chi-square"]
    n: int
    statistic: float = np.nan
    freedom: int = 0
    effect: float = np.nan
    smallest_expected: float = np.nan
    p: float = np.nan
    p_holm: float = np.nan

    def row(self) -> dict[str, Any]:
        """Cells of a table, by column."""
        return as_cells(self)


def relate_clusters(
    labels: np.ndarray, numbers: Mapping[str, np.ndarray], categories: Mapping[str, np.ndarray]
) -> tuple[Relation, ...]:
    """Test each column against the clusters of people.

    Parameters
    ----------
    labels : array (n,)
        Of two clusters or more.
    numbers : mapping of str to array (n,)
        Such as age and DBA; not a number if missing. Analysis of variance.
    categories : mapping of str to array (n,)
        Such as sex; None if missing. Chi square.
    """
    found = [_anova(labels, values, column) for column, values in numbers.items()]
    found += [_chi_square(labels, levels, column) for column, levels in categories.items()]
    corrected = holm(np.array([relation.p for relation in found]))
    return tuple(replace(one, p_holm=float(p)) for one, p in zip(found, corrected, strict=True))


def _anova(labels: np.ndarray, values: np.ndarray, column: str) -> Relation:
    n = int(np.isfinite(values).sum())
    try:
        found, _ = compare_levels(values, labels, column)
    except InputError:
        return Relation(column, "anova", n)
    return Relation(column, "anova", found.n, found.f, found.freedom, found.eta_squared, p=found.p_anova)


def _chi_square(labels: np.ndarray, categories: np.ndarray, column: str) -> Relation:
    from scipy.stats import chi2_contingency
    from scipy.stats.contingency import crosstab

    levels = level_names(categories)
    known = levels != MISSING
    n = int(known.sum())
    table = crosstab(np.asarray(labels)[known], levels[known].astype(str)).count if n else np.zeros((0, 0))
    if min(table.shape) < 2:
        return Relation(column, "chi-square", n)
    found = chi2_contingency(table, correction=False)
    effect = np.sqrt(found.statistic / (n * (min(table.shape) - 1)))
    smallest = float(np.min(found.expected_freq))
    freedom, p = int(found.dof), float(found.pvalue)
    return Relation(column, "chi-square", n, float(found.statistic), freedom, float(effect), smallest, p)
