"""People who are in a table more than once."""

from __future__ import annotations

import numpy as np

from bids_brainage import messages
from bids_brainage.statistics.modelling.columns import PARTICIPANT, PeopleTable, cell_text


def people_of(table: PeopleTable, rows: np.ndarray) -> np.ndarray:
    """Each row's person, ndarray of int, numbered in order; every row is one if nobody is named."""
    if PARTICIPANT not in table:
        return np.arange(len(rows))
    numbers: dict[str, int] = {}
    names = [cell_text(table[PARTICIPANT][row]) or f"\n{row}" for row in rows]
    return np.array([numbers.setdefault(name, len(numbers)) for name in names], dtype=np.intp)


def once_each(table: PeopleTable, rows: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """The first row of each person, and a sentence if others are left out."""
    people = people_of(table, rows)
    _, first = np.unique(people, return_index=True)
    if len(first) == len(rows):
        return rows, []
    repeated = int(np.sum(np.bincount(people) > 1))
    note = messages.SESSIONS_LEFT_OUT.format(people=repeated, sessions=len(rows) - len(first))
    return rows[np.sort(first)], [note]
