"""Designs of people who were seen more than once: effects within people, and change a year.

Both take what differs between people out: the first by a column for each person, and exchanges within people
alone; the second by the difference of two sessions, so that a person is one observation. Of people with two
sessions each, the first weighs people by the square of the time between them, the second does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bids_brainage import messages
from bids_brainage.errors import InputError
from bids_brainage.statistics.design import Contrast, Design, Exchangeability
from bids_brainage.statistics.modelling.checks import FEWEST_IN_GROUP, check_groups, check_rank
from bids_brainage.statistics.modelling.columns import (
    PeopleTable,
    cell_text,
    number,
    read_column,
    row_names,
    table_length,
)
from bids_brainage.statistics.modelling.contrasts import term_contrasts
from bids_brainage.statistics.modelling.factors import INTERCEPT, Term, distinct_terms
from bids_brainage.statistics.modelling.matrix import DesignMatrix, design_matrix
from bids_brainage.statistics.modelling.model import GroupModel, Settings
from bids_brainage.statistics.modelling.quick import quick_model, read_term, term_name, with_lower_terms
from bids_brainage.statistics.modelling.repeats import people_of
from bids_brainage.statistics.modelling.weaknesses import known_weaknesses
from bids_brainage.suggestions import some
from bids_brainage.terms import AGE

# A week; who was seen twice within it has not aged.
_SHORTEST = 1 / 52
# Times between sessions that differ by more than this factor are told.
_UNEVEN = 2.0


def within_model(
    table: PeopleTable,
    contrast: str,
    covariates: Sequence[str] = (),
    rows: np.ndarray | None = None,
    settings: Settings | None = None,
    name: str = "",
) -> GroupModel:
    """Make the design of an effect within people, such as that of age or of the session.

    It has a column for each person with at least two complete sessions, and exchanges within people alone.

    Parameters
    ----------
    table, contrast, covariates, rows, settings, name
        See `quick_model`; a contrast or covariate must vary within people.

    Raises
    ------
    InputError
        See `quick_model`; or if nobody was seen twice, or a column does not vary within people.
    """
    asked = read_term(table, contrast, rows)
    terms = [read_term(table, word, rows) for word in covariates]
    terms = distinct_terms([INTERCEPT, *with_lower_terms([*terms, asked])])
    offered = np.arange(table_length(table)) if rows is None else np.asarray(rows, dtype=np.intp)
    # Means are those of the people who take part, so the design is made again without those seen once.
    complete = design_matrix(table, terms, offered, once=False)
    repeated = _repeated(table, complete.rows)
    _check_people(len(set(people_of(table, repeated).tolist())))
    made = design_matrix(table, terms, repeated, once=False)
    people = people_of(table, made.rows)
    columns, absorbed = _within(made, people, asked)
    found = term_contrasts(made, asked, term_name(asked))
    check_groups(made, found)
    firsts = made.rows[np.unique(people, return_index=True)[1]]
    design = Design(
        np.hstack([np.eye(len(firsts))[people], made.matrix[:, columns]]),
        (*row_names(table, firsts), *(made.columns[place] for place in columns)),
        tuple(_behind(each, columns, len(firsts)) for each in found),
        Exchangeability(permute=True, blocks=people, within=True),
    )
    notes = [note for note in complete.notes if note not in made.notes] + [*made.notes, *absorbed]
    if len(repeated) < len(complete.rows):
        notes.append(messages.SEEN_ONCE.format(n=len(complete.rows) - len(repeated)))
    settings = settings or Settings()
    weak = known_weaknesses(table, made, found, settings)
    return GroupModel(name or term_name(asked), design, made.rows, settings, (*notes, *weak))


def _check_people(n: int) -> None:
    """Refuse to look at change in a person or two."""
    if n < FEWEST_IN_GROUP:
        raise InputError(messages.FEW_REPEATED.format(n=n, needed=FEWEST_IN_GROUP))


def _repeated(table: PeopleTable, rows: np.ndarray) -> np.ndarray:
    """Rows of people who have at least two."""
    people = people_of(table, rows)
    return rows[np.bincount(people)[people] > 1]


def _within(made: DesignMatrix, people: np.ndarray, asked: Term) -> tuple[list[int], list[str]]:
    """Columns that vary within people, and a sentence on others; refuse a question about these."""
    counts = np.bincount(people)
    means = np.stack([np.bincount(people, column) / counts for column in made.matrix.T], axis=1)
    varying = made.matrix - means[people]
    constant = np.linalg.norm(varying, axis=0) <= 1e-9 * np.linalg.norm(made.matrix, axis=0)
    fixed = [place for place in np.flatnonzero(constant) if place not in made.terms[INTERCEPT]]
    told = some([made.columns[place] for place in fixed], ", ")
    if constant[list(made.terms[asked])].any():
        raise InputError(messages.CONSTANT_WITHIN.format(columns=told or term_name(asked)))
    columns = [int(place) for place in np.flatnonzero(~constant)]
    check_rank(varying[:, columns], [made.columns[place] for place in columns], taken=len(counts))
    return columns, [messages.ABSORBED.format(columns=told)] if fixed else []


def _behind(contrast: Contrast, columns: Sequence[int], people: int) -> Contrast:
    """The contrast, with zeros for people in place of the constant."""
    weights = contrast.weights[:, columns]
    return replace(contrast, weights=np.hstack([np.zeros((len(weights), people)), weights]))


def change_model(
    table: PeopleTable,
    contrast: str = "intercept",
    covariates: Sequence[str] = (),
    rows: np.ndarray | None = None,
    settings: Settings | None = None,
    name: str = "",
) -> GroupModel:
    """Make the design of change a year between each person's first and last session, by age.

    Parameters
    ----------
    table, covariates, rows, settings, name
        See `quick_model`; columns are those of the first session.
    contrast : str
        What is asked of change: ``intercept`` for its mean, or a column that it may depend on.

    Returns
    -------
    GroupModel
        Its observations are ``(maps[rows] - maps[minus]) / years``.

    Raises
    ------
    InputError
        See `quick_model`; or if nobody was seen twice with an age each time.
    """
    first, last, years = _pairs(table, rows)
    _check_people(len(first))
    model = quick_model(table, contrast, covariates, first, settings, name)
    place = {row: number for number, row in enumerate(first)}
    chosen = [place[row] for row in model.rows]
    notes = list(model.notes)
    low, high = float(years[chosen].min()), float(years[chosen].max())
    if high > _UNEVEN * low:
        notes.append(messages.CHANGE_UNEVEN.format(low=f"{low:.1f}", high=f"{high:.1f}"))
    return replace(model, rows=last[chosen], minus=model.rows, years=years[chosen], notes=tuple(notes))


def _pairs(table: PeopleTable, rows: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each person's first and last row by age, and the years between."""
    read_column(table, AGE)
    offered = np.arange(table_length(table)) if rows is None else np.asarray(rows, dtype=np.intp)
    texts = [cell_text(table[AGE][row]) for row in offered]
    ages = np.array([np.nan if text is None else number(text) for text in texts], dtype=np.float64)
    offered, ages = offered[~np.isnan(ages)], ages[~np.isnan(ages)]
    people = people_of(table, offered)
    order = np.lexsort((ages, people))
    starts = np.flatnonzero(np.diff(people[order], prepend=-1))
    ends = np.append(starts[1:], len(order)) - 1
    first, last = order[starts], order[ends]
    years = ages[last] - ages[first]
    apart = years >= _SHORTEST
    return offered[first[apart]], offered[last[apart]], years[apart]
