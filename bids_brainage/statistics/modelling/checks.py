"""What is wrong with a design: refused with the reason, or told where it only makes results weak."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from bids_brainage import messages
from bids_brainage.errors import InputError
from bids_brainage.quoting import one_line
from bids_brainage.statistics.design import Contrast
from bids_brainage.statistics.modelling.columns import Column
from bids_brainage.statistics.modelling.factors import Factor
from bids_brainage.statistics.modelling.matrix import CONSTANT, DesignMatrix
from bids_brainage.suggestions import some

#: People that must be left when the design's columns are taken off, and people in a group that is compared.
FEWEST_LEFT, FEWEST_IN_GROUP = 3, 3
#: Correlation above which two columns are one, and variance inflation above which it is told.
SAME, INFLATED = 0.99, 10.0


def check_design(made: DesignMatrix, contrasts: Sequence[Contrast]) -> list[str]:
    """Refuse a design that cannot answer its questions, and return sentences on what makes answers weak.

    Raises
    ------
    InputError
        If columns are combinations of others, too few people are left, a group that is compared is too small,
        or a column that is asked for is another column again.
    """
    asked = asked_factors(made, contrasts)
    notes = check_distinct(made, asked)
    check_rank(made.matrix, made.columns)
    check_groups(made, contrasts)
    return notes + separation_notes(made, asked) + inflation_notes(made)


def asked_factors(made: DesignMatrix, contrasts: Iterable[Contrast]) -> list[Factor]:
    """The factors of the terms that contrasts weigh."""
    weighed = np.any([np.any(contrast.weights != 0, axis=0) for contrast in contrasts], axis=0)
    terms = [term for term, places in made.terms.items() if weighed[list(places)].any()]
    return list(dict.fromkeys(factor for term in terms for factor in term))


def check_rank(matrix: np.ndarray, columns: Sequence[str], taken: int = 0) -> None:
    """Refuse a matrix with columns that are combinations of others, or with too few rows.

    Parameters
    ----------
    matrix : ndarray, shape (n, columns)
    columns : sequence of str
    taken : int
        Further columns, which were taken off these.

    Raises
    ------
    InputError
    """
    scaled = matrix / np.maximum(np.linalg.norm(matrix, axis=0), np.finfo(float).tiny)
    _, values, right = np.linalg.svd(np.linalg.qr(scaled, mode="r"), full_matrices=True)
    rank = int(np.sum(values > 1e-7 * values.max())) if values.size else 0
    if len(matrix) - taken - rank < FEWEST_LEFT:
        count = len(columns) + taken
        facts = {"n": len(matrix), "columns": count, "needed": count + FEWEST_LEFT}
        raise InputError(messages.DESIGN_TOO_SMALL.format(**facts))
    if rank < len(columns):
        involved = np.abs(right[rank:]).max(axis=0) > 1e-6
        names = [name for name, is_in in zip(columns, involved, strict=True) if is_in and name != CONSTANT]
        raise InputError(messages.DESIGN_DEFICIENT.format(columns=some(names, ", ")))


def check_groups(made: DesignMatrix, contrasts: Iterable[Contrast]) -> None:
    """Refuse a comparison with a group of one or two.

    Raises
    ------
    InputError
    """
    for contrast in contrasts:
        for factor, level, n in _compared(made, contrast):
            if n < FEWEST_IN_GROUP:
                facts = {"column": one_line(factor.column), "level": one_line(level), "n": n}
                raise InputError(messages.GROUP_TOO_SMALL.format(**facts, needed=FEWEST_IN_GROUP))


def _compared(made: DesignMatrix, contrast: Contrast) -> Iterator[tuple[Factor, str, int]]:
    """The groups that a contrast compares, with the number of people in each."""
    weighed = np.any(contrast.weights != 0, axis=0)
    for term, places in made.terms.items():
        if len(term) != 1 or not weighed[list(places)].any():
            continue
        column = made.sources[term[0]]
        if column.kind == "numeric":
            levels, counts = np.unique(column.values, return_counts=True)
            if len(levels) == 2:
                yield from ((term[0], f"{level:g}", int(n)) for level, n in zip(levels, counts, strict=True))
            continue
        own = weighed[list(places)]
        coded = np.arange(len(column.levels) - len(places), len(column.levels))
        balanced = np.allclose(contrast.weights[:, list(places)].sum(axis=1), 0)
        used = [*([] if balanced else range(coded[0])), *coded[own]]
        counts = np.bincount(column.values.astype(int), minlength=len(column.levels))
        yield from ((term[0], column.levels[place], int(counts[place])) for place in used)


def check_distinct(made: DesignMatrix, asked: Sequence[Factor]) -> list[str]:
    """Refuse a column of numbers that is asked for and is another again; tell of such covariates.

    Raises
    ------
    InputError
    """
    numbers = {column.name: column for column in made.sources.values() if _groups(column) is None}
    wanted = {factor.column for factor in asked}
    notes = []
    names = list(numbers)
    for place, first in enumerate(names):
        for second in names[place + 1 :]:
            r = correlation(numbers[first].values, numbers[second].values)
            if abs(r) <= SAME:
                continue
            facts = {"first": one_line(first), "second": one_line(second), "r": f"{r:.3f}"}
            if wanted & {first, second}:
                raise InputError(messages.COLUMNS_ARE_ONE.format(**facts))
            notes.append(messages.COVARIATES_ARE_ONE.format(**facts))
    return notes


def separation_notes(made: DesignMatrix, asked: Sequence[Factor]) -> list[str]:
    """Tell of groups that are asked for of which all people are in one group of another column."""
    notes = []
    grouped = {
        factor.column: groups for factor, column in made.sources.items() if (groups := _groups(column))
    }
    for name in dict.fromkeys(factor.column for factor in asked if factor.column in grouped):
        for other in [other for other in grouped if other != name]:
            (levels, own), (values, others) = grouped[name], grouped[other]
            for place, level in enumerate(levels):
                inside = np.unique(others[own == place])
                if len(inside) == 1:
                    facts = {"column": name, "level": level, "other": other, "value": values[inside[0]]}
                    told = {key: one_line(text) for key, text in facts.items()}
                    notes.append(messages.GROUP_SEPARATED.format(n=int(np.sum(own == place)), **told))
    return notes


def _groups(column: Column) -> tuple[list[str], np.ndarray] | None:
    """The groups of a column of groups or of two numbers, and each person's; None for other columns."""
    if column.kind == "categorical":
        return list(column.levels), column.values.astype(int)
    levels, own = np.unique(column.values, return_inverse=True)
    return ([f"{level:g}" for level in levels], own) if len(levels) == 2 else None


def inflation_notes(made: DesignMatrix) -> list[str]:
    """Tell of columns that are nearly combinations of others, by their variance inflation factors."""
    factors = variance_inflation(made.matrix)
    high = [
        f"{name} ({factor:.0f})"
        for name, factor in zip(made.columns, factors, strict=True)
        if factor > INFLATED
    ]
    return [messages.DESIGN_INFLATED.format(columns=some(high, ", "))] if high else []


def variance_inflation(matrix: np.ndarray) -> np.ndarray:
    """How many times the variance of each coefficient exceeds that of a column alone; 0 for the constant.

    Parameters
    ----------
    matrix : ndarray, shape (n, columns)
        Of full rank.
    """
    norms = np.linalg.norm(matrix, axis=0)
    triangle = np.linalg.qr(matrix / norms, mode="r")
    inverse = np.linalg.solve(triangle, np.eye(len(triangle)))
    spread = np.square((matrix - matrix.mean(axis=0)) / norms).sum(axis=0)
    return spread * np.square(inverse).sum(axis=1)


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Pearson's correlation; 0 if either is constant."""
    first, second = first - first.mean(), second - second.mean()
    norm = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(first @ second) / norm if norm > 0 else 0.0
