"""Training, validation and test people: stratified by age, groups kept together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Split:
    """Indices of the people in each role of one fold, ascending."""

    training: np.ndarray
    validation: np.ndarray
    test: np.ndarray

    @property
    def held_out(self) -> np.ndarray:
        """Validation and test people, in this order."""
        return np.concatenate([self.validation, self.test])


def split_by_age(
    ages: np.ndarray, groups: Sequence[str], parts: tuple[int, int, int], folds: int, seed: int
) -> list[Split]:
    """Split people into training, validation and test, once for each fold.

    Groups (one person, a family) are sorted by their mean age and dealt out, stratum by stratum, to
    as many equal portions as `parts` sums to. Fold f tests on the next `parts[2]` portions, so that
    with enough folds everyone is tested once, and validates on the `parts[1]` after them.

    Parameters
    ----------
    ages : array (n,)
        Years.
    groups : sequence of str
        Group of each person.
    parts : (training, validation, test)
        Relative sizes, such as (8, 1, 1).
    folds : int
    seed : int

    Returns
    -------
    list of Split
    """
    portion = _portions(np.asarray(ages, dtype=np.float64), np.asarray(groups), sum(parts), seed)
    return [_split(portion, parts, fold) for fold in range(folds)]


def _portions(ages: np.ndarray, groups: np.ndarray, total: int, seed: int) -> np.ndarray:
    """The portion, 0 to total - 1, of each person."""
    rng = np.random.default_rng([seed, 8_1_1])
    names, member = np.unique(groups, return_inverse=True)
    group_ages = np.bincount(member, weights=ages) / np.bincount(member)
    order = np.lexsort((rng.permutation(len(names)), group_ages))
    portion = np.empty(len(names), dtype=int)
    for start in range(0, len(names), total):
        stratum = order[start : start + total]
        portion[stratum] = rng.permutation(total)[: len(stratum)]
    return portion[member]


def _split(portion: np.ndarray, parts: tuple[int, int, int], fold: int) -> Split:
    _, n_validation, n_test = parts
    turned = (portion - fold * n_test) % sum(parts)
    test = turned < n_test
    validation = ~test & (turned < n_test + n_validation)
    return Split(np.flatnonzero(~test & ~validation), np.flatnonzero(validation), np.flatnonzero(test))
