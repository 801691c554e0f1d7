"""The table of people that designs are made of: estimates and the dataset's own columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bids_brainage.group.members import Member
from bids_brainage.statistics.modelling.matrix import CONSTANT

#: Columns that come from the estimates; a dataset's own columns of these names are not used.
ESTIMATED = ("participant_id", "session_id", "age", "brain_age", "dba", "uncertainty")

Cell = str | float | None
PeopleTable = Mapping[str, Sequence[Cell]]

#: Of these, what a dataset has of its own as a matter of course: it says the same.
_USUAL = ("participant_id", "session_id", "age")


def shadowed(cells: Mapping[str, Sequence[str | None]]) -> list[str]:
    """The dataset's columns that cannot be asked for, as they are called like the group level's own."""
    taken = {*ESTIMATED, CONSTANT} - {*_USUAL}
    return [name for name in cells if name.lower() in taken]


def people_table(members: Sequence[Member], cells: Mapping[str, Sequence[str | None]]) -> PeopleTable:
    """One row a member.

    Parameters
    ----------
    members : sequence of Member
    cells : mapping
        The dataset's columns, one cell a member; see `read_columns`.
    """
    table: dict[str, Sequence[Cell]] = {
        "participant_id": [member.row["participant_id"] for member in members],
        "session_id": [member.row["session_id"] for member in members],
        "age": [member.row["chronological_age"] for member in members],
        **{name: [member.row[name] for member in members] for name in ESTIMATED[3:]},
        "sex": [member.row["sex"] for member in members],
    }
    taken = {name.lower() for name in ESTIMATED}
    return table | {name: list(own) for name, own in cells.items() if name.lower() not in taken}
