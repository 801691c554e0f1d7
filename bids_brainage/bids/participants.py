"""What participants.tsv and each sessions.tsv say about people."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from bids_brainage import messages
from bids_brainage.bids.ages import age_column
from bids_brainage.bids.content import is_elsewhere
from bids_brainage.bids.naming import session_name
from bids_brainage.bids.tables import MISSING, Table, read_table
from bids_brainage.bids.units import Units
from bids_brainage.errors import InputError
from bids_brainage.labels import is_label
from bids_brainage.quoting import one_line
from bids_brainage.suggestions import bare, some
from bids_brainage.terms import AGE, OLDEST

ID_COLUMNS = ("participant_id", "session_id")
# The column of sessions as many call it.
_SESSION = "session"


@dataclass(frozen=True)
class Person:
    """What the tables know about a person in one session: age in years, sex, and warnings."""

    age: float | None = None
    sex: str | None = None
    warnings: tuple[str, ...] = ()


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


def _read_people(path: Path, id_column: str, prefix: str) -> People:
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
    """Return the position of session_id or, where somebody has several rows, of a column ``session``."""
    position = table.position("session_id")
    if position is None and len({row[own].strip() for row in table.rows}) < len(table.rows):
        position = table.position(_SESSION)
    return position


class ParticipantsTable:
    """What participants.tsv, and each participant's sessions.tsv, say about people.

    participants.tsv is read once and whole, a sessions.tsv when somebody in it is looked up. It may have a
    row for each session (with ``session_id``). A session's own row takes precedence over the
    participant's: sessions.tsv, then the row of that session, then the row without a session.

    Parameters
    ----------
    path : Path
        A table with the column ``participant_id``; sessions.tsv is looked for in ``sub-<label>/`` beside it,
        and what its columns mean in the JSON file of the same name.
    required : bool
        Whether it must be there.

    Attributes
    ----------
    participants : tuple of str
        Labels without ``sub-``, in the table's order.
    columns : tuple of str
        Names of the columns, ``participant_id`` and ``session_id`` left out.

    Raises
    ------
    InputError
        If the table cannot be used (see `read_table`), names somebody twice, or is required and not there.
    """

    def __init__(self, path: Path, *, required: bool = False) -> None:
        self.path = path
        there = required or path.exists() or is_elsewhere(path)
        self._people = _read_people(path, "participant_id", "sub-") if there else None
        self._units = Units(path)
        self._sessions: dict[str, People | None] = {}

    @property
    def participants(self) -> tuple[str, ...]:
        rows = self._people.rows if self._people else {}
        return tuple(dict.fromkeys(label for label, _ in rows))

    @property
    def columns(self) -> tuple[str, ...]:
        names = self._people.table.columns if self._people else ()
        return tuple(name for name in names if name and name.lower() not in ID_COLUMNS)

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about rows that cannot belong to anyone, and about ages in a column of another name."""
        notes = []
        if self._people and self._people.odd:
            names = some(self._people.odd, ", ")
            notes.append(messages.TABLE_ODD_LABELS.format(path=self.path, names=names))
        if self._people and self._people.ages and self._people.ages[0].lower() != AGE:
            column = one_line(self._people.ages[0])
            notes.append(messages.AGE_FROM_COLUMN.format(path=self.path, column=column))
        return tuple(notes)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences about the table as a whole: its `notes`, and an unknown unit of age."""
        problem = self._years(self._people)[1] if self._people else None
        return (*self.notes, *((problem,) if problem else ()))

    def has(self, column: str) -> bool:
        """Whether the table has such a column, in whatever case; that of age may be called age_months."""
        is_age = column.lower() == AGE and self._people is not None and self._people.ages is not None
        return is_age or column.lower() in (name.lower() for name in self.columns)

    def text(self, participant: str, session: str | None, column: str) -> str | None:
        """Return a column's value for a participant in a session; None if it is missing.

        Raises
        ------
        InputError
            If the participant's sessions.tsv cannot be used, or several columns could be meant.
        """
        found = self._find(participant, session, column)
        return found[0] if found else None

    def number(self, participant: str, session: str | None, column: str) -> float | None:
        """Return the finite number in a column, see `text`; None if there is none.

        Ages are in years, whatever their unit in the table; an impossible one is None.
        """
        if column.lower() == AGE:
            return self.person(participant, session).age
        return _number(self.text(participant, session, column))

    def unit(self, column: str) -> str:
        """Return the unit of a column in the JSON file beside participants.tsv; "" if it gives none."""
        return self._units.of(self.path, column).unit or ""

    def person(self, participant: str, session: str | None) -> Person:
        """Return age in years and sex of one participant in one session, and why there is no age.

        Raises
        ------
        InputError
            If the participant's sessions.tsv cannot be used.
        """
        name = session_name(participant, session)
        sex = self.text(participant, session, "sex") or self.text(participant, session, "gender")
        found = self._find(participant, session, AGE)
        if found is None or self._alike_session(participant, session):
            return Person(None, sex, (self._why_no_age(participant, session),))
        text, people = found
        age, warnings = self._age(name, text, people)
        return Person(age, sex, warnings)

    def _age(self, name: str, text: str, people: People) -> tuple[float | None, tuple[str, ...]]:
        """Return the age in years that a cell gives, None if it gives none, and sentences about it."""
        facts = {"path": people.table.path, "name": name, "value": one_line(text)[:40]}
        per_unit, problem = self._years(people)
        problems = (problem,) if problem else ()
        number = _number(text)
        if number is None and text.lower().lstrip("+-") not in ("inf", "infinity"):
            return None, (messages.BAD_AGE.format(**facts), *problems)
        if per_unit is None:
            return None, problems
        if number is None or not 0 <= number * per_unit <= OLDEST:
            return None, (messages.IMPLAUSIBLE_AGE.format(**facts), *problems)
        return number * per_unit, problems

    def _find(self, participant: str, session: str | None, column: str) -> tuple[str, People] | None:
        """Return a non-missing cell and the table it comes from, the session's own first."""
        own = self._of_sessions(participant) if session else None
        places: list[tuple[People | None, Key]] = [(own, (session, None))] if session else []
        places += [(self._people, key) for key in ((participant, session), (participant, None))]
        for people, key in places:
            text = people.cell(key, column) if people else None
            if people and text is not None:
                return text, people
        return None

    def _why_no_age(self, participant: str, session: str | None) -> str:
        facts = {"path": self.path, "name": session_name(participant, session)}
        own, alike = self._alike_session(participant, session) or (None, None)
        if own:
            return messages.NOT_IN_TABLE_BUT.format(**facts | {"path": own.table.path, "row": alike})
        if self._people is None:
            return messages.NO_PARTICIPANTS_TABLE.format(**facts)
        if not {(participant, session), (participant, None)} & self._people.rows.keys():
            alike = _alike(participant, self.participants)
            if alike:
                return messages.NOT_IN_TABLE_BUT.format(row=alike, **facts)
            return messages.NOT_IN_TABLE.format(**facts)
        if self._people.ages is None:
            columns = one_line(", ".join(self.columns))[:100] or "none"
            return messages.NO_AGE_COLUMN.format(columns=columns, **facts)
        return messages.NO_AGE.format(**facts)

    def _alike_session(self, participant: str, session: str | None) -> tuple[People, str] | None:
        """Return the sessions.tsv that has a session's row but for zeros in front, and that row's label."""
        own = self._of_sessions(participant) if session else None
        alike = _alike(session, [label for label, _ in own.rows]) if own and session else None
        return (own, alike) if own and alike else None

    def _of_sessions(self, participant: str) -> People | None:
        if participant not in self._sessions:
            name = f"sub-{participant}"
            path = self.path.parent / name / f"{name}_sessions.tsv"
            there = path.exists() or is_elsewhere(path)
            self._sessions[participant] = _read_people(path, "session_id", "ses-") if there else None
        return self._sessions[participant]

    def _years(self, people: People) -> tuple[float | None, str | None]:
        """Return years per unit of a table's ages, or None and a sentence why it is not known."""
        column, by_name = people.ages or (AGE, None)
        return self._units.years(people.table.path, column, by_name)


def _alike(label: str, labels: Sequence[str]) -> str | None:
    """Return the only one of the labels that is the same but for zeros in front; None if there is no such."""
    alike = [other for other in labels if bare(other) == bare(label) != ""]
    return alike[0] if len(alike) == 1 and alike[0] != label and label not in labels else None


def _number(text: str | None) -> float | None:
    """Return the finite number that a cell holds, or None."""
    try:
        number = float((text or "").replace("_", " "))  # Python reads 6_1 as 61
    except ValueError:
        return None
    return number if math.isfinite(number) else None
