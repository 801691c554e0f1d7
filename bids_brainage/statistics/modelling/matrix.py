"""The matrix of a design, from a table of people and the terms of a model."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from bids_brainage import messages
from bids_brainage.errors import InputError
from bids_brainage.quoting import one_line
from bids_brainage.statistics.modelling.columns import (
    Column,
    PeopleTable,
    column_notes,
    read_column,
    row_names,
    table_length,
)
from bids_brainage.statistics.modelling.factors import INTERCEPT, Factor, Term
from bids_brainage.statistics.modelling.repeats import once_each
from bids_brainage.statistics.modelling.transforms import TRANSFORMS
from bids_brainage.suggestions import some

#: The name of the column of ones.
CONSTANT = "intercept"
# Squares of larger numbers, and sums of these, may be too large for a computer.
_HUGE = 1e100
_CODED = re.compile(r"f(\d+)_(\d+)(?:\[(T\.)?l(\d+)\])?")


@dataclass(frozen=True, eq=False)
class DesignMatrix:
    """A design matrix, and what made it.

    Attributes
    ----------
    matrix : ndarray of float64, shape (n, columns)
    columns : tuple of str
    terms : mapping of Term to tuple of int
        The columns of each term, by position.
    sources : mapping of Factor to Column
        What each factor was made of, for the rows that take part.
    rows : ndarray of int, shape (n,)
        The rows of the table that take part, in order.
    notes : tuple of str
        Sentences: who was left out, and what people should know of the columns.
    """

    matrix: np.ndarray
    columns: tuple[str, ...]
    terms: Mapping[Term, tuple[int, ...]]
    sources: Mapping[Factor, Column]
    rows: np.ndarray
    notes: tuple[str, ...]


def design_matrix(
    table: PeopleTable, terms: Iterable[Term], rows: np.ndarray | None = None, *, once: bool = True
) -> DesignMatrix:
    """Make the matrix of a model's terms.

    Groups are coded by a column for each level but the reference, or for each level where nothing else stands
    for their mean, so that columns are not redundant by construction (formulaic's rule, which is R's).

    Parameters
    ----------
    table : PeopleTable
    terms : iterable of Term
    rows : ndarray of int or None
        The rows that may take part; None for all. Those with a missing cell in a column of the model do not.

    once : bool
        Of several rows of a person, only the first complete one takes part.

    Raises
    ------
    InputError
        If a column cannot be used (see `read_column`), or nobody has a value in all columns.
    """
    terms = tuple(terms)
    factors = list(dict.fromkeys(factor for term in terms for factor in term))
    offered = np.arange(table_length(table)) if rows is None else np.asarray(rows, dtype=np.intp)
    kept, notes = _complete(table, factors, offered)
    if once:
        kept, told = once_each(table, kept)
        notes += told
    sources = {factor: _source(table, factor, kept) for factor in factors}
    for column in {source.name: source for source in sources.values()}.values():
        notes += column_notes(column)
    values = {factor: _values(factor, source) for factor, source in sources.items()}
    matrix, columns, places = _coded(terms, sources, values, len(kept))
    return DesignMatrix(matrix, columns, places, sources, kept, tuple(notes))


def _complete(
    table: PeopleTable, factors: Iterable[Factor], rows: np.ndarray
) -> tuple[np.ndarray, list[str]]:
    """Rows that have a value in the columns of all factors, and a sentence on those that have not."""
    missing = {factor.column: _source(table, factor, rows).missing for factor in factors}
    incomplete = np.any(list(missing.values()), axis=0) if missing else np.zeros(len(rows), dtype=bool)
    if not incomplete.any():
        return rows, []
    told = some([name for name in missing if missing[name].any()], ", ")
    if incomplete.all():
        raise InputError(messages.NOBODY_COMPLETE.format(columns=told))
    who = some(row_names(table, rows[incomplete]), ", ")
    note = messages.ROWS_LEFT_OUT.format(n=int(incomplete.sum()), columns=told, names=who)
    return rows[~incomplete], [note]


def _source(table: PeopleTable, factor: Factor, rows: np.ndarray) -> Column:
    """The column of a factor, as numbers or groups as the factor needs it."""
    if factor.transform == "C":
        (reference,) = factor.arguments
        text = None if reference is None else str(reference)
        return read_column(table, factor.column, rows, categorical=True, reference=text)
    column = read_column(table, factor.column, rows)
    if column.kind == "categorical" and (factor.transform or factor.power > 1):
        facts = {"factor": one_line(factor), "column": one_line(factor.column)}
        raise InputError(messages.FACTOR_NOT_NUMBERS.format(**facts, levels=some(column.levels, ", ")))
    return column


def _values(factor: Factor, source: Column) -> np.ndarray:
    """The numbers of a factor, shape (n, columns); of groups, the places of their levels."""
    if source.kind == "categorical":
        return source.values[:, None]
    function = TRANSFORMS[factor.transform].function if factor.transform else None
    values = function(source.values, *factor.arguments) if function else source.values
    with np.errstate(over="ignore"):
        values = values.reshape(len(source.values), -1) ** factor.power
    if not np.all(np.abs(values) < _HUGE):
        raise InputError(messages.FACTOR_NOT_FINITE.format(factor=one_line(factor)))
    return values


def _coded(
    terms: tuple[Term, ...], sources: Mapping[Factor, Column], values: Mapping[Factor, np.ndarray], n: int
) -> tuple[np.ndarray, tuple[str, ...], dict[Term, tuple[int, ...]]]:
    """The matrix by formulaic, which sees names of our own alone: f0_0, f1_0, ... and levels l0, l1, ..."""
    import pandas
    from formulaic import Formula

    factors = list(sources)
    cells = {
        f"f{place}_{part}": _for_formulaic(sources[factor], values[factor][:, part])
        for place, factor in enumerate(factors)
        for part in range(values[factor].shape[1])
    }
    frame = pandas.DataFrame(cells, index=range(n))
    written = {_safe_names(term, factors, values): term for term in terms}
    text = " + ".join(
        ["1" if INTERCEPT in terms else "0", *(" + ".join(names) for names in written if names)]
    )
    made = Formula(text).get_model_matrix(frame, na_action="raise", context={})
    columns = tuple(_shown(name, factors, sources, values) for name in made.columns)
    by_name = {
        frozenset(str(factor) for factor in term.factors): tuple(places)
        for term, places in made.model_spec.term_indices.items()
    }
    indices = {
        term: tuple(place for name in names for place in by_name[frozenset(name.split(":"))])
        for names, term in written.items()
        if names
    }
    if INTERCEPT in terms:
        indices[INTERCEPT] = (made.columns.get_loc("Intercept"),)
    return made.to_numpy(dtype=np.float64), columns, indices


def _for_formulaic(source: Column, values: np.ndarray) -> object:
    """Numbers, or groups with names of our own."""
    import pandas

    if source.kind == "numeric":
        return values
    names = pandas.Index([f"l{place}" for place in range(len(source.levels))])
    return pandas.Categorical.from_codes(values.astype(int), categories=names)


def _safe_names(term: Term, factors: list[Factor], values: Mapping[Factor, np.ndarray]) -> tuple[str, ...]:
    """The products of columns that a term stands for, in names of our own."""
    products = [""] if term else []
    for factor in term:
        parts = [f"f{factors.index(factor)}_{part}" for part in range(values[factor].shape[1])]
        products = [f"{product}:{part}".lstrip(":") for product in products for part in parts]
    return tuple(products)


def _shown(
    name: str, factors: list[Factor], sources: Mapping[Factor, Column], values: Mapping[Factor, np.ndarray]
) -> str:
    """The name of a column as people know it, as ``site[T.B]:age`` or ``poly(age, 2)[1]``."""

    def known(match: re.Match[str]) -> str:
        factor = factors[int(match[1])]
        if match[4] is not None:
            return f"{factor}[{match[3] or ''}{sources[factor].levels[int(match[4])]}]"
        return f"{factor}[{int(match[2]) + 1}]" if values[factor].shape[1] > 1 else str(factor)

    return CONSTANT if name == "Intercept" else _CODED.sub(known, name)
