"""What a dataset's tables say about the people of a group: participants.tsv, sessions.tsv and phenotype/."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bids_brainage.bids.listing import names_in
from bids_brainage.bids.participants import ParticipantsTable
from bids_brainage.bids.people import ID_COLUMNS, People, read_people
from bids_brainage.group.members import Member

PHENOTYPE = "phenotype"
#: A session's label as a column, where somebody has several.
SESSION = "session_id"
# Years; a day is 0.003.
_SAME_AGE = 0.01

Cells = tuple[str | None, ...]


@dataclass(frozen=True)
class PeopleColumns:
    """Cells of all columns, a missing one as None, one for each member.

    Attributes
    ----------
    cells : dict of str to tuple
        By column, in the tables' order. A column that two tables have is `<table>.<column>` of the second.
    """

    cells: dict[str, Cells]


def read_columns(bids_dir: Path, members: Sequence[Member]) -> PeopleColumns:
    """Read what the dataset's tables say about members.

    A session's own row takes precedence: sessions.tsv, the row of that session, the participant's.

    Raises
    ------
    InputError
        A table cannot be used.
    """
    cells = dict(_of_participants(bids_dir / "participants.tsv", members))
    folder = bids_dir / PHENOTYPE
    for name in sorted(name for name in names_in(folder) if name.endswith(".tsv")):
        for column, values in _of_phenotype(folder / name, members):
            own = column if column not in cells else f"{name.removesuffix('.tsv')}.{column}"
            cells[own] = values
    return PeopleColumns(cells)


def other_ages(bids_dir: Path, members: Sequence[Member]) -> list[str]:
    """Names of those whose age in the tables is no longer that of their estimate.

    Raises
    ------
    InputError
        A table cannot be used.
    """
    table = ParticipantsTable(bids_dir / "participants.tsv")
    found = []
    for member in members:
        was, now = member.row["chronological_age"], table.person(member.participant, member.session).age
        if was is not None and now is not None and abs(was - now) > _SAME_AGE:
            found.append(member.name)
    return list(dict.fromkeys(found))


def _of_participants(path: Path, members: Sequence[Member]) -> Iterator[tuple[str, Cells]]:
    table = ParticipantsTable(path)
    names = list(table.columns)
    for label in dict.fromkeys(member.participant for member in members if member.session):
        names += [name for name in table.session_columns(label) if name not in names]
    for name in names:
        yield name, tuple(table.text(member.participant, member.session, name) for member in members)


def _of_phenotype(path: Path, members: Sequence[Member]) -> Iterator[tuple[str, Cells]]:
    people = read_people(path, "participant_id", "sub-")
    for name in people.table.columns:
        if name and name.lower() not in ID_COLUMNS:
            yield name, tuple(_cell(people, member, name) for member in members)


def _cell(people: People, member: Member, name: str) -> str | None:
    own = people.cell((member.participant, member.session), name)
    return people.cell((member.participant, None), name) if own is None else own
