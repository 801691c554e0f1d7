"""A table of people, participants.tsv or a sessions.tsv, by labels of participants and sessions."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from bids_brainage import messages
from bids_brainage.bids.ages import age_column, unit_column, years_per
from bids_brainage.bids.tables import Table, read_table
from bids_brainage.errors import InputError
from bids_brainage.labels import is_label
from bids_brainage.suggestions import bare
from bids_brainage.terms import AGE, MISSING

ID_COLUMNS = ("participant_id", "session_id")
# The column of sessions as many call it.
_SESSIONS = ("session", "ses", "visit", "timepoint")

Key = tuple[str, str | None]


@dataclass(frozen=True)
class People:
    """A table's rows by label, and by session where it has a session_id beside participant_id.

    Attributes
    ----------
    table : Table
    rows : dict
        Each person's cells by (participant, session) or, in a sessions.tsv, by (session, None).
    odd : tuple of str
        Names in the table whose label is not valid in BIDS.
    """

    table: Table
    rows: dict[Key, list[str]] = field(default_factory=dict)
    odd: tuple[str, ...] = ()

    @cached_property
    def ages(self) -> tuple[str, float | None] | None:
        """The column of ages, see `age_column`."""
        return age_column(self.table.columns)

    @cached_property
    def stated(self) -> tuple[str, float | None]:
        """The column of ages, and years per unit if the table says so; other units than years first."""
        column, by_name = self.ages or (AGE, None)
        units = {unit for key in self.rows if (unit := self.unit(key)) is not None}
        others = [years for unit in sorted(units) if (years := years_per(unit)) != 1]
        return column, others[0] if others else by_name

    def unit(self, key: Key) -> str | None:
        """Return the unit of a row's age, if the table has a column of units."""
        column = unit_column(self.table.columns)
        return self.cell(key, column) if column else None

    def position(self, column: str) -> int | None:
        """Return the position of a column, see `Table.position`; that of age may be called age_months."""
        name = self.ages[0] if column.lower() == AGE and self.ages else column
        return self.table.position(name)

    def cell(self, key: Key, column: str) -> str | None:
        """Return the text in a cell without surrounding blanks; None if it is missing."""
        row, position = self.rows.get(key), self.position(column)
        if row is None or position is None:
            return None
        text = row[position].strip()
        return None if text.lower() in MISSING else text


def read_people(path: Path, id_column: str, prefix: str) -> People:
    """Read a table with a row for each person; repeated identical rows count once.

    Raises
    ------
    InputError
        See `read_table`; or if two different rows belong to one person and session.
    """
    table = read_table(path, id_column)
    own = table.position(id_column) or 0
    session = _session_column(table, own) if id_column != "session_id" else None
    rows: dict[Key, list[str]] = {}
    lines: dict[Key, int] = {}
    odd: list[str] = []
    for line, row in zip(table.lines, table.rows, strict=True):
        label = row[own].strip().removeprefix(prefix)
        ses = row[session].strip().removeprefix("ses-") if session is not None else ""
        key = (label, None if ses.lower() in MISSING else ses)
        if not all(is_label(part) for part in key if part is not None):
            odd.append(row[own].strip())
        elif key in rows and row != rows[key]:
            facts = {"name": row[own].strip(), "first": lines[key], "second": line}
            raise InputError(messages.TABLE_DUPLICATE.format(path=path, **facts))
        else:
            rows[key], lines[key] = row, line
    return People(table, rows, tuple(dict.fromkeys(odd)))


def _session_column(table: Table, own: int) -> int | None:
    """Return the position of session_id or of another column of sessions.

    That is ``session`` where somebody has several rows, or one of `_SESSIONS` that names folders of sessions.
    """
    position = table.position("session_id")
    if position is not None:
        return position
    places = [place for name in _SESSIONS if (place := table.position(name)) is not None]
    named = next((place for place in places if _names_sessions(table, own, place)), None)
    repeated = len({row[own].strip() for row in table.rows}) < len(table.rows)
    return table.position(_SESSIONS[0]) if named is None and repeated else named


def _names_sessions(table: Table, own: int, place: int) -> bool:
    """Whether a cell of a column is the label of one of the person's sessions, but for zeros in front."""
    for row in table.rows:
        label, session = row[own].strip().removeprefix("sub-"), row[place].strip().removeprefix("ses-")
        if not is_label(label) or not is_label(session):
            continue
        folder = table.path.parent / f"sub-{label}"
        if (folder / f"ses-{session}").is_dir():
            return True
        if any(bare(ses.name.removeprefix("ses-")) == bare(session) for ses in folder.glob("ses-*")):
            return True
    return False
