"""What a column of a table of people holds: numbers, groups, or nothing that a model can use."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bids_brainage import messages
from bids_brainage.errors import InputError
from bids_brainage.quoting import one_line
from bids_brainage.suggestions import some, suggestion
from bids_brainage.terms import MISSING

Cell = str | float | None
#: Cells by the name of their column, a row for each finished session; all columns are of one length.
PeopleTable = Mapping[str, Sequence[Cell]]

PARTICIPANT, SESSION = "participant_id", "session_id"
# Columns in which numbers usually stand for groups.
_CODED = frozenset({"site", "scanner", "center", "centre", "batch", "protocol", "cohort", "study", "group"})
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
# Numbers that differ by less, of the largest or at all, are alike: computing could not tell them apart.
_ALIKE, _TINIEST = 1e-12, 1e-100
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+", re.ASCII)


@dataclass(frozen=True, eq=False)
class Column:
    """A column that a model can use.

    Attributes
    ----------
    name : str
    kind : {"numeric", "categorical"}
    values : ndarray of float64, shape (n,)
        Numbers, or the position of each person's level in `levels`; NaN where missing.
    levels : tuple of str
        Of a categorical column, the reference first; empty for a numeric one.
    """

    name: str
    kind: Literal["numeric", "categorical"]
    values: np.ndarray
    levels: tuple[str, ...] = ()

    @property
    def missing(self) -> np.ndarray:
        """Whose cell is missing, ndarray of bool."""
        return np.isnan(self.values)


def table_length(table: PeopleTable) -> int:
    """The number of rows of a table.

    Raises
    ------
    ValueError
        If its columns are not of one length.
    """
    lengths = {len(cells) for cells in table.values()}
    if len(lengths) > 1:
        raise ValueError(f"columns of {sorted(lengths)} rows")
    return lengths.pop() if lengths else 0


def row_names(table: PeopleTable, rows: Iterable[int]) -> list[str]:
    """Names of rows for sentences: the participant, and the session where there is one."""
    people, sessions = table.get(PARTICIPANT), table.get(SESSION)
    names = []
    for row in rows:
        session = cell_text(sessions[row]) if sessions is not None else None
        person = cell_text(people[row]) if people is not None else None
        names.append(" ".join(part for part in (person or f"row {row + 1}", session) if part))
    return names


def cell_text(cell: Cell) -> str | None:
    """The text of a cell without surrounding blanks; None if it is missing."""
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return None
    text = str(cell).strip()
    return None if text.lower() in MISSING else text


def number(text: str) -> float | None:
    """The finite number that a text is, or None."""
    value = float(text) if _NUMBER.fullmatch(text) else math.inf
    return value if math.isfinite(value) else None


def read_column(
    table: PeopleTable,
    name: str,
    rows: np.ndarray | None = None,
    *,
    categorical: bool = False,
    reference: str | None = None,
) -> Column:
    """Read a column for a model: as numbers if all its cells are, otherwise as groups.

    Parameters
    ----------
    table : PeopleTable
    name : str
    rows : ndarray of int or None
        The rows that take part; None for all.
    categorical : bool
        Take numbers as names of groups.
    reference : str or None
        The level that others are compared with; None for the first in order.

    Raises
    ------
    InputError
        If there is no such column, or a model cannot use it: all cells missing, all alike, a text of its own
        for each person, a few texts among numbers; or if `reference` is none of its levels.
    """
    if name not in table:
        raise InputError(messages.COLUMN_UNKNOWN.format(name=one_line(name), hint=suggestion([name], table)))
    chosen = np.arange(table_length(table)) if rows is None else rows
    texts = [cell_text(table[name][row]) for row in chosen]
    known = [text for text in texts if text is not None]
    if not known:
        raise InputError(messages.COLUMN_MISSING.format(name=one_line(name), n=len(texts)))
    if len(set(known)) == 1:
        raise InputError(messages.COLUMN_CONSTANT.format(name=one_line(name), value=one_line(known[0])))
    numbers = [None if text is None else number(text) for text in texts]
    odd = [row for row, text, value in zip(chosen, texts, numbers, strict=True) if text and value is None]
    if reference is None and not categorical and not odd:
        return _numeric(name, numbers)
    if not categorical and reference is None and 2 * len(odd) < len(known):
        raise InputError(_told_odd(table, name, odd))
    return _categorical(name, texts, reference)


def _numeric(name: str, numbers: Sequence[float | None]) -> Column:
    """The column of numbers, unless they are all alike."""
    values = np.array([math.nan if value is None else value for value in numbers])
    known = values[~np.isnan(values)]
    if known.max() / 2 - known.min() / 2 <= max(_ALIKE * np.abs(known).max(), _TINIEST) / 2:
        value = f"{known[0]:g}"
        raise InputError(messages.COLUMN_CONSTANT.format(name=one_line(name), value=value))
    return Column(name, "numeric", values)


def _categorical(name: str, texts: Sequence[str | None], reference: str | None) -> Column:
    """The column of groups, unless everybody is one."""
    known = [text for text in texts if text is not None]
    levels = sorted(set(known))
    if all(number(level) is not None for level in levels):
        levels.sort(key=float)
    if len(levels) == len(known) and len(levels) > 2:
        comma = messages.COLUMN_COMMA if all(_DECIMAL_COMMA.fullmatch(level) for level in levels) else ""
        facts = {"name": one_line(name), "n": len(levels), "example": one_line(levels[0]), "comma": comma}
        raise InputError(messages.COLUMN_OF_NAMES.format(**facts))
    if reference is not None:
        if reference not in levels:
            facts = {"name": one_line(name), "level": one_line(reference), "levels": some(levels, ", ")}
            raise InputError(messages.LEVEL_UNKNOWN.format(**facts))
        levels.remove(reference)
        levels.insert(0, reference)
    places = {level: float(place) for place, level in enumerate(levels)}
    values = np.array([math.nan if text is None else places[text] for text in texts])
    return Column(name, "categorical", values, tuple(levels))


def _told_odd(table: PeopleTable, name: str, odd: Sequence[int]) -> str:
    """The sentence on texts among numbers."""
    texts = [cell_text(table[name][row]) or "" for row in odd]
    shown = [f"{text} ({who})" for text, who in zip(texts, row_names(table, odd), strict=True)]
    comma = messages.COLUMN_COMMA if any(_DECIMAL_COMMA.fullmatch(text) for text in texts) else ""
    return messages.COLUMN_MIXED.format(name=one_line(name), cells=some(shown, ", ", most=3), comma=comma)


def column_notes(column: Column) -> list[str]:
    """What people should know of a column: levels that are perhaps one, tiny groups, groups as numbers."""
    name = one_line(column.name)
    notes = [
        messages.LEVELS_ALIKE.format(name=name, levels=some(alike, " and "))
        for alike in _alike(column.levels)
    ]
    if column.kind == "categorical":
        counts = Counter(column.values[~column.missing].astype(int))
        few = [f"{column.levels[place]} ({n})" for place, n in sorted(counts.items()) if n < 3]
        if few:
            notes.append(messages.LEVELS_FEW.format(name=name, levels=some(few, ", ")))
    elif column.name.lower() in _CODED and np.all(np.mod(column.values[~column.missing], 1) == 0):
        notes.append(messages.COLUMN_CODED.format(name=name))
    return notes


def _alike(levels: Sequence[str]) -> list[list[str]]:
    """Levels that differ in case alone, or of which one is the other's first letter, as F and female."""
    groups: dict[str, list[str]] = {}
    for level in levels:
        groups.setdefault(level.casefold(), []).append(level)
    letters = [folded for folded in groups if len(folded) == 1]
    for letter in letters:
        for word in [word for word in groups if word != letter and word.startswith(letter)]:
            groups[letter] += groups.pop(word)
    return [alike for alike in groups.values() if len(alike) > 1]
