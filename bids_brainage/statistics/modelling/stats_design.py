"""Designs of what a BIDS Stats Model asks, for a table of people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from bids_brainage import messages
from bids_brainage.errors import InputError
from bids_brainage.quoting import one_line
from bids_brainage.statistics.design import Design
from bids_brainage.statistics.modelling.blocks import exchangeability, in_blocks
from bids_brainage.statistics.modelling.checks import check_design
from bids_brainage.statistics.modelling.columns import (
    PARTICIPANT,
    SESSION,
    PeopleTable,
    cell_text,
    read_column,
    table_length,
)
from bids_brainage.statistics.modelling.contrasts import by_exchange
from bids_brainage.statistics.modelling.factors import INTERCEPT, Factor, Term, distinct_terms
from bids_brainage.statistics.modelling.instructions import transformed_table
from bids_brainage.statistics.modelling.matrix import design_matrix
from bids_brainage.statistics.modelling.model import GroupModel, Settings, Skipped
from bids_brainage.statistics.modelling.named_contrasts import named_contrasts
from bids_brainage.statistics.modelling.stats_model import StatsModel, read_stats_model
from bids_brainage.statistics.modelling.weaknesses import known_weaknesses
from bids_brainage.suggestions import some

# Groups of GroupBy beyond this are no groups.
_MOST_GROUPS = 50


def stats_models(
    content: Any, table: PeopleTable, settings: Settings | None = None, file: str = "the Stats Model"
) -> tuple[list[GroupModel], list[Skipped]]:
    """The designs that a BIDS Stats Model asks for, one a group of GroupBy, and groups that are skipped.

    Contrasts of means, whose signs are flipped, are a design of their own beside others.

    Parameters
    ----------
    content : anything
        What the JSON file says.
    table : PeopleTable
    settings : Settings or None
        What holds where the file says nothing.
    file : str
        The file's name, for sentences.

    Raises
    ------
    InputError
        If the file cannot be used (see `read_stats_model`), or none of its groups has a design.
    """
    try:
        model = read_stats_model(content)
        table = transformed_table(table, model.instructions)
        rows, strangers = _wanted_rows(table, model)
        terms, notes = _terms(table, model)
        notes += strangers
        groups = list(_groups(table, model.group_by, rows))
        models: list[GroupModel] = []
        skipped: list[Skipped] = []
        for levels, own in groups:
            name = " ".join([model.name, *levels.values()])
            try:
                found = _designs(table, model, terms, own, settings or Settings(), name)
            except InputError as error:
                skipped.append(Skipped(name, name, file, str(error)))
                continue
            models += [replace(each, levels=levels, notes=(*notes, *each.notes)) for each in found]
        if not models:
            raise InputError(skipped[0].reason)
    except InputError as error:
        raise InputError(messages.STATS_REFUSED.format(file=one_line(file), reason=error)) from error
    return models, skipped


def _wanted_rows(table: PeopleTable, model: StatsModel) -> tuple[np.ndarray, list[str]]:
    """Rows of the participants and sessions that are named, if any are, and a sentence on those not there."""
    kept = np.ones(table_length(table), dtype=bool)
    strangers: list[str] = []
    for name, column, prefix in (("subject", PARTICIPANT, "sub-"), ("session", SESSION, "ses-")):
        if name not in model.wanted:
            continue
        if column not in table:
            read_column(table, column)
        labels = dict.fromkeys(label.removeprefix(prefix) for label in model.wanted[name])
        there = [(cell_text(cell) or "").removeprefix(prefix) for cell in table[column]]
        kept &= np.array([label in labels for label in there], dtype=bool)
        strangers += [prefix + label for label in labels if label not in there]
    if not kept.any():
        raise InputError(messages.STATS_NOBODY)
    notes = [messages.STATS_STRANGERS.format(names=some(strangers, ", "))] if strangers else []
    return np.flatnonzero(kept), notes


def _terms(table: PeopleTable, model: StatsModel) -> tuple[tuple[Term, ...], list[str]]:
    """The terms of the formula, or the columns of X."""
    columns = [name for variable in model.variables if variable != 1 for name in _matching(table, variable)]
    if model.formula is None:
        constant = [INTERCEPT] if 1 in model.variables else []
        terms = distinct_terms([*constant, *((Factor(name),) for name in columns)])
        if not terms:
            raise InputError(messages.STATS_NO_X)
        return tuple(terms), []
    strangers = [name for name in model.formula.columns if name not in columns]
    if strangers:
        raise InputError(messages.STATS_NOT_IN_X.format(columns=some(strangers, ", ")))
    notes = [] if model.formula.says_intercept else [messages.STATS_CONSTANT]
    return model.formula.terms, notes


def _matching(table: PeopleTable, variable: str) -> list[str]:
    """The columns that a name, perhaps with wildcards, stands for."""
    if variable in table:
        return [variable]
    found = [name for name in table if fnmatchcase(name, variable)]
    if not found:
        read_column(table, variable)
    return found


def _groups(
    table: PeopleTable, columns: tuple[str, ...], rows: np.ndarray
) -> Iterator[tuple[dict[str, str], np.ndarray]]:
    """Rows of each group of people, with its levels by column; people of no group are in none."""
    names = [SESSION if name == "session" else name for name in columns]
    for name in names:
        if name not in table:
            read_column(table, name)
    cells = [tuple(cell_text(table[name][row]) for name in names) for row in rows]
    found = sorted({levels for levels in cells if None not in levels}, key=str)
    if not found or len(found) > _MOST_GROUPS:
        facts = {"columns": some(names, ", "), "n": len(found), "most": _MOST_GROUPS}
        raise InputError(messages.STATS_GROUPS.format(**facts))
    for levels in found:
        own = rows[[cell == levels for cell in cells]]
        yield {name: str(level) for name, level in zip(names, levels, strict=True)}, own


def _designs(
    table: PeopleTable,
    model: StatsModel,
    terms: tuple[Term, ...],
    rows: np.ndarray,
    settings: Settings,
    name: str,
) -> list[GroupModel]:
    """The designs of one group: one, or two if contrasts ask for means as well."""
    options = model.options
    if options.blocks is not None:
        rows = in_blocks(table, rows, options.blocks)
    made = design_matrix(table, terms, rows, once=options.once)
    contrasts = named_contrasts(made, model.contrasts, model.dummies)
    settings = options.settings(settings)
    checked = check_design(made, contrasts)
    found = by_exchange(made.matrix, contrasts) if options.flip is None else {options.flip: contrasts}
    models = []
    for flips, own in sorted(found.items()):
        exchange, told = exchangeability(table, made.rows, flips, options.blocks, options.exchange)
        weak = known_weaknesses(table, made, own, settings)
        design = Design(made.matrix, made.columns, own, exchange)
        called = f"{name} means" if flips and len(found) > 1 else name
        notes = (*made.notes, *told, *checked, *weak)
        models.append(GroupModel(called, design, made.rows, settings, notes))
    return models
