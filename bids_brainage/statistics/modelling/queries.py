"""Queries of a table: comparisons, read by a grammar of their own; pandas would evaluate them as code."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from bids_brainage import messages
from bids_brainage.errors import InputError
from bids_brainage.quoting import one_line
from bids_brainage.statistics.modelling.columns import (
    PeopleTable,
    cell_text,
    number,
    read_column,
    table_length,
)

_COMPARISON = re.compile(
    r"\s*(`[^`]+`|[^\W\d][\w.]*)\s*(==|!=|<=|>=|<|>)\s*('[^']*'|\"[^\"]*\"|[+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)\s*"
)
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def rows_that_meet(table: PeopleTable, text: str) -> np.ndarray:
    """For whom a query holds, ndarray of bool; never for those whose cell is missing.

    A query is comparisons of a column and a literal, joined by ``and`` or ``&``, such as
    ``age >= 50 and sex == 'F'``.

    Raises
    ------
    InputError
        If it is anything else, or a column is not there.
    """
    kept = np.ones(table_length(table), dtype=bool)
    for part in re.split(r"\s+and\s+|&", text):
        match = _COMPARISON.fullmatch(part)
        literal = match[3] if match else ""
        value = literal[1:-1] if literal[:1] in ("'", '"') else number(literal)
        if match is None or value is None:
            raise InputError(messages.INSTRUCTION_QUERY.format(part=one_line(part)))
        column = match[1].strip("`")
        if column not in table:
            read_column(table, column)
        kept &= np.array([_holds(cell_text(cell), match[2], value) for cell in table[column]], dtype=bool)
    return kept


def _holds(text: str | None, sign: str, value: str | float) -> bool:
    """Whether a comparison holds; never for a missing cell."""
    own = None if text is None else text if isinstance(value, str) else number(text)
    return own is not None and _COMPARE[sign](own, value)
