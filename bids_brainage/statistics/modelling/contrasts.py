"""Contrasts of a design's columns, by the terms and levels that they stand for."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

import numpy as np

from bids_brainage.statistics.design import Contrast
from bids_brainage.statistics.modelling.factors import INTERCEPT, Factor, Term
from bids_brainage.statistics.modelling.matrix import DesignMatrix

# Of the length of a vector, what rounding leaves.
_ROUNDING = 1e-8


def term_contrasts(made: DesignMatrix, term: Term, name: str) -> list[Contrast]:
    """What one asks of a term: t of a slope or mean, differences of groups, F of what has several columns.

    Of a column with more than two levels: F over all of them, and t for each pair, later less earlier.
    """
    if term != INTERCEPT and len(term) == 1 and made.sources[term[0]].kind == "categorical":
        return _level_contrasts(made, term[0], name)
    places = made.terms[term]
    weights = np.eye(len(made.columns))[list(places)]
    return [Contrast(name, weights, "t" if len(places) == 1 else "F")]


def _level_contrasts(made: DesignMatrix, factor: Factor, name: str) -> list[Contrast]:
    """Differences of a column's levels."""
    levels = made.sources[factor].levels
    means = level_weights(made, factor)
    pairs = [
        Contrast(f"{name}: {levels[later]} - {levels[earlier]}", (means[later] - means[earlier])[None])
        for earlier, later in combinations(range(len(levels)), 2)
    ]
    return pairs if len(levels) == 2 else [Contrast(name, means[1:] - means[0], "F"), *pairs]


def level_weights(made: DesignMatrix, factor: Factor) -> np.ndarray:
    """The coefficients of each level, shape (levels, columns); none for a reference that has no column."""
    places = made.terms[(factor,)]
    count = len(made.sources[factor].levels)
    weights = np.zeros((count, len(made.columns)))
    weights[np.arange(count - len(places), count), list(places)] = 1
    return weights


def needs_flips(matrix: np.ndarray, weights: np.ndarray) -> bool:
    """Whether a contrast asks for a mean, so that exchanging people says nothing and signs must be flipped.

    That is so where the model without the contrast has no constant: then, if the contrast is zero, the data
    vary around zero, symmetrically by assumption.
    """
    # Coefficients for which the contrast is zero span the model without it.
    _, values, right = np.linalg.svd(weights)
    rank = int(np.sum(values > _ROUNDING * values.max()))
    reduced = matrix @ right[rank:].T
    ones = np.ones(len(matrix))
    left = ones - reduced @ np.linalg.lstsq(reduced, ones, rcond=1e-10)[0] if reduced.shape[1] else ones
    return bool(np.linalg.norm(left) > 1e-6 * np.linalg.norm(ones))


def by_exchange(matrix: np.ndarray, contrasts: Iterable[Contrast]) -> dict[bool, tuple[Contrast, ...]]:
    """Contrasts by whether signs must be flipped for them, see `needs_flips`."""
    found: dict[bool, tuple[Contrast, ...]] = {}
    for contrast in contrasts:
        flips = needs_flips(matrix, contrast.weights)
        found[flips] = (*found.get(flips, ()), contrast)
    return found
