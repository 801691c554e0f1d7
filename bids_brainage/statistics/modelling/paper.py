"""The paper's group analyses: which of them a table of people allows, and why others are skipped."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from importlib.resources import files

import numpy as np
from pydantic import BaseModel, ConfigDict

from bids_brainage import messages
from bids_brainage.errors import InputError
from bids_brainage.statistics.modelling.columns import PeopleTable, cell_text, number, table_length
from bids_brainage.statistics.modelling.model import GroupModel, Settings, Skipped, Values
from bids_brainage.statistics.modelling.quick import quick_model
from bids_brainage.statistics.modelling.repeats import once_each
from bids_brainage.suggestions import some


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Limits(_Part):
    """Where a number must lie, both ends included."""

    at_least: float = -np.inf
    at_most: float = np.inf

    def hold(self, value: float | None) -> bool:
        """Whether a number lies there."""
        return value is not None and self.at_least <= value <= self.at_most


class Groups(_Part):
    """A column of groups that is made of another, the first of `columns` that there is.

    Attributes
    ----------
    name : str
        Of the column that is made.
    columns : tuple of str
        Compared without case, blanks and signs.
    limits : dict of str to Limits
        Where numbers of each group lie; the reference first.
    texts : dict of str to tuple of str
        Texts that stand for each group, compared likewise; the reference first.
    """

    name: str
    columns: tuple[str, ...]
    limits: dict[str, Limits] = {}
    texts: dict[str, tuple[str, ...]] = {}

    def group(self, text: str | None) -> str | None:
        """The group that a cell stands for, or None."""
        if text is None:
            return None
        value = number(text)
        found = [name for name, limits in self.limits.items() if limits.hold(value)]
        plain = _plain(text if value is None else f"{value:g}")
        found += [name for name, texts in self.texts.items() if plain in map(_plain, texts)]
        return found[0] if found else None


class PaperAnalysis(_Part):
    """One of the paper's analyses; see the comments in ``data/group/paper.yaml``."""

    name: str
    title: str
    source: str
    values: Values
    contrast: str
    two_sided: bool
    fewest: int
    rows: dict[str, Limits] = {}
    groups: Groups | None = None
    covariates: tuple[str, ...] = ()


class _Paper(_Part):
    n_permutations: int
    analyses: tuple[PaperAnalysis, ...]


@cache
def paper_analyses() -> _Paper:
    """What the paper analysed, as ``data/group/paper.yaml`` says."""
    import yaml

    text = files("bids_brainage").joinpath("data/group/paper.yaml").read_text(encoding="utf-8")
    return _Paper.model_validate(yaml.safe_load(text))


def paper_models(table: PeopleTable) -> tuple[list[GroupModel], list[Skipped]]:
    """The designs of the paper's analyses that a table allows, and those that it does not allow.

    Parameters
    ----------
    table : PeopleTable
        With ``age`` and ``dba`` in years; the column of diabetes by any of its usual names.
    """
    models, skipped = [], []
    for analysis in paper_analyses().analyses:
        try:
            models.append(_model(table, analysis))
        except InputError as error:
            skipped.append(Skipped(analysis.name, analysis.title, analysis.source, str(error)))
    return models, skipped


def _model(table: PeopleTable, analysis: PaperAnalysis) -> GroupModel:
    """The design of an analysis.

    Raises
    ------
    InputError
        If a column lacks, or there are too few people.
    """
    rows, notes = _within(table, analysis.rows), []
    if analysis.groups:
        table, rows, told = _grouped(table, analysis.groups, rows)
        notes += told
        _check_count(analysis, table[analysis.groups.name], rows)
    settings = Settings(paper_analyses().n_permutations, analysis.two_sided, values=analysis.values)
    if len(rows) < analysis.fewest:
        raise InputError(messages.PAPER_TOO_FEW.format(n=len(rows), needed=analysis.fewest))
    model = quick_model(table, analysis.contrast, analysis.covariates, rows, settings, analysis.name)
    if len(model.rows) < analysis.fewest:
        raise InputError(messages.PAPER_TOO_FEW.format(n=len(model.rows), needed=analysis.fewest))
    return replace(model, title=analysis.title, source=analysis.source, notes=(*notes, *model.notes))


def _within(table: PeopleTable, limits: dict[str, Limits]) -> np.ndarray:
    """Rows whose numbers lie within limits."""
    lacking = [name for name in limits if name not in table]
    if lacking:
        raise InputError(messages.PAPER_NO_COLUMN.format(columns=some(lacking)))
    numbers = {name: [_number(table, name, row) for row in range(table_length(table))] for name in limits}
    rows = [
        row
        for row in range(table_length(table))
        if all(limit.hold(numbers[name][row]) for name, limit in limits.items())
    ]
    return np.array(rows, dtype=np.intp)


def _number(table: PeopleTable, name: str, row: int) -> float | None:
    """The number in a cell, or None."""
    text = cell_text(table[name][row])
    return None if text is None else number(text)


def _grouped(
    table: PeopleTable, groups: Groups, rows: np.ndarray
) -> tuple[PeopleTable, np.ndarray, list[str]]:
    """The table with the column of groups, a row of each person in one, and sentences on both."""
    wanted = {_plain(name): place for place, name in reversed(list(enumerate(groups.columns)))}
    there = sorted((wanted[_plain(name)], name) for name in table if _plain(name) in wanted)
    if not there:
        raise InputError(messages.PAPER_NO_COLUMN.format(columns=some(groups.columns)))
    source = there[0][1]
    made = [groups.group(cell_text(cell)) for cell in table[source]]
    names = [*groups.limits, *groups.texts]
    chosen = np.array([row for row in rows if made[row] is not None], dtype=np.intp)
    left = len(rows) - len(chosen)
    chosen, notes = once_each(table, chosen)
    counts = Counter(made[row] for row in chosen)
    told = ", ".join(f"{name} ({counts[name]})" for name in names)
    note = messages.PAPER_GROUPS.format(column=source, groups=told, left=left)
    return {**table, groups.name: made}, chosen, [note, *notes]


def _check_count(analysis: PaperAnalysis, groups: Sequence[object], rows: np.ndarray) -> None:
    """Refuse groups that are too small."""
    if analysis.groups is None:
        return
    counts = Counter(groups[row] for row in rows)
    small = [
        f"{counts[name]} {name}"
        for name in (*analysis.groups.limits, *analysis.groups.texts)
        if counts[name] < analysis.fewest
    ]
    if small:
        raise InputError(messages.PAPER_GROUP_SMALL.format(groups=some(small, ", "), needed=analysis.fewest))


def _plain(text: str) -> str:
    """A text without case, blanks and signs."""
    return re.sub(r"[\W_]+", "", text.casefold())
