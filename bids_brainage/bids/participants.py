"""People's tables: participants.tsv, each sessions.tsv, and the JSON files that describe their columns."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bids_brainage import messages
from bids_brainage.bids.dataset import read_json
from bids_brainage.bids.naming import session_name
from bids_brainage.errors import InputError
from bids_brainage.labels import is_label
from bids_brainage.quoting import one_line
from bids_brainage.reading import MB, read_text
from bids_brainage.suggestions import some
from bids_brainage.terms import AGE, OLDEST

ID_COLUMNS = ("participant_id", "session_id")
#: Bytes of the largest table that is read: a hundred thousand people with more than a hundred columns.
LARGEST_TABLE = 128 * MB

_MISSING = frozenset({"", "n/a", "na", "nan"})
_YEARS_PER_UNIT = {
    "year": 1.0,
    "years": 1.0,
    "yr": 1.0,
    "y": 1.0,
    "a": 1.0,
    "month": 1 / 12,
    "months": 1 / 12,
    "week": 7 / 365.25,
    "weeks": 7 / 365.25,
    "day": 1 / 365.25,
    "days": 1 / 365.25,
}


@dataclass(frozen=True)
class Person:
    """What the tables know about a person in one session: age in years, sex, and warnings."""

    age: float | None = None
    sex: str | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """A TSV file as it is, cells unchanged.

    Attributes
    ----------
    path : Path
    columns : tuple of str
        The header. Behind the last name it may hold empty ones.
    rows : list of list of str
        Each as long as the header.
    lines : list of int
        Each row's line in the file.
    """

    path: Path
    columns: tuple[str, ...]
    rows: list[list[str]]
    lines: list[int]

    def position(self, name: str) -> int | None:
        """Return the position of the column of that name or, if there is none, of that name in other case.

        Raises
        ------
        InputError
            If several differ from `name` only in case.
        """
        if name in self.columns:
            return self.columns.index(name)
        alike = [column for column in self.columns if column.lower() == name.lower()]
        if len(alike) > 1:
            raise InputError(messages.TABLE_COLUMN_TWICE.format(path=self.path, column=one_line(alike[1])))
        return self.columns.index(alike[0]) if alike else None


def read_table(path: Path, id_column: str) -> Table:
    """Read a TSV file as BIDS has it: UTF-8, one tab between cells, and no quoting.

    Lines end in LF, CRLF or CR; a byte order mark and empty lines are skipped.

    Raises
    ------
    InputError
        If the file cannot be read, is larger than `LARGEST_TABLE` or not UTF-8, has no `id_column` or two
        columns of one name, or a row has more or fewer cells than the header.
    """
    try:
        text = read_text(path, LARGEST_TABLE)
    except UnicodeDecodeError as error:
        raise InputError(messages.TABLE_NOT_UTF8.format(path=path, position=error.start)) from error
    except OSError as error:
        raise InputError(messages.TABLE_NOT_READABLE.format(path=path, reason=error.strerror)) from error
    # str.splitlines() would also split lines at unusual characters inside a cell.
    first, *contents = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    table = Table(path, tuple(name.strip() for name in first.split("\t")), [], [])
    _check_header(table, id_column)
    for line, content in enumerate(contents, start=2):
        if not content.strip():
            continue
        row = content.split("\t")
        if len(row) != len(table.columns):
            facts = {"found": len(row), "expected": len(table.columns)}
            raise InputError(messages.TABLE_RAGGED.format(path=path, line=line, **facts))
        table.rows.append(row)
        table.lines.append(line)
    return table


def _check_header(table: Table, id_column: str) -> None:
    if id_column not in table.columns:
        columns = one_line(", ".join(table.columns))[:100] or "none"
        raise InputError(messages.TABLE_NO_ID.format(path=table.path, column=id_column, columns=columns))
    twice = [name for name, count in Counter(table.columns).items() if name and count > 1]
    if twice:
        raise InputError(messages.TABLE_COLUMN_TWICE.format(path=table.path, column=one_line(twice[0])))


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

    def cell(self, key: Key, column: str) -> str | None:
        """Return the text in a cell without surrounding blanks; None if it is missing."""
        row, position = self.rows.get(key), self.table.position(column)
        if row is None or position is None:
            return None
        text = row[position].strip()
        return None if text.lower() in _MISSING else text


def _read_people(path: Path, id_column: str, prefix: str) -> People:
    """Read a table with a row for each person; repeated identical rows count once.

    Raises
    ------
    InputError
        See `read_table`; or if two different rows belong to one person and session.
    """
    table = read_table(path, id_column)
    own, session = table.columns.index(id_column), None
    if id_column != "session_id" and "session_id" in table.columns:
        session = table.columns.index("session_id")
    rows: dict[Key, list[str]] = {}
    lines: dict[Key, int] = {}
    odd: list[str] = []
    for line, row in zip(table.lines, table.rows, strict=True):
        label = row[own].strip().removeprefix(prefix)
        ses = row[session].strip().removeprefix("ses-") if session is not None else ""
        key = (label, None if ses.lower() in _MISSING else ses)
        if not all(is_label(part) for part in key if part is not None):
            odd.append(row[own].strip())
        elif key in rows and row != rows[key]:
            facts = {"name": row[own].strip(), "first": lines[key], "second": line}
            raise InputError(messages.TABLE_DUPLICATE.format(path=path, **facts))
        else:
            rows[key], lines[key] = row, line
    return People(table, rows, tuple(dict.fromkeys(odd)))


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
        if path.is_symlink() and not path.exists():
            raise InputError(messages.CONTENT_NOT_HERE.format(path=path))
        there = required or path.exists()
        self._people = _read_people(path, "participant_id", "sub-") if there else None
        self._described = {file: _describe(file) for file in (self._json, path.parent / "sessions.json")}
        self._sessions: dict[str, People | None] = {}

    @property
    def _json(self) -> Path:
        return self.path.with_suffix(".json")

    @property
    def participants(self) -> tuple[str, ...]:
        rows = self._people.rows if self._people else {}
        return tuple(dict.fromkeys(label for label, _ in rows))

    @property
    def columns(self) -> tuple[str, ...]:
        names = self._people.table.columns if self._people else ()
        return tuple(name for name in names if name and name not in ID_COLUMNS)

    @property
    def odd_rows(self) -> tuple[str, ...]:
        """A sentence about rows that cannot belong to anyone, if there are any."""
        odd = self._people.odd if self._people else ()
        return (messages.TABLE_ODD_LABELS.format(path=self.path, names=some(odd, ", ")),) if odd else ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences about the table as a whole: rows that cannot belong to anyone, an unknown unit of age."""
        unit_warning = self._years(self.path)[1]
        return (*self.odd_rows, *((unit_warning,) if unit_warning else ()))

    def has(self, column: str) -> bool:
        """Whether the table has such a column, in whatever case."""
        return column.lower() in (name.lower() for name in self.columns)

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
        unit = _unit(self._described[self._json][0], column)
        return one_line(unit)[:40] if unit else ""

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
        if found is None:
            sentence = self._why_no_age(participant, session)
            return Person(None, sex, (sentence.format(path=self.path, name=name),))
        text, path = found
        per_unit, unit_warning = self._years(path)
        number = _number(text)
        age = None if number is None else number * per_unit
        warnings: tuple[str | None, ...] = (unit_warning,)
        if age is None and text.lower().lstrip("+-") not in ("inf", "infinity"):
            warnings = (messages.BAD_AGE.format(path=path, name=name, value=one_line(text)[:40]), *warnings)
        elif age is None or not 0 <= age <= OLDEST:
            sentence = messages.IMPLAUSIBLE_AGE.format(path=path, name=name, value=one_line(text)[:40])
            age, warnings = None, (sentence, *warnings)
        return Person(age, sex, tuple(warning for warning in warnings if warning))

    def _find(self, participant: str, session: str | None, column: str) -> tuple[str, Path] | None:
        """Return a non-missing cell and the table it comes from, the session's own first."""
        own = self._of_sessions(participant) if session else None
        places: list[tuple[People | None, Key]] = [(own, (session, None))] if session else []
        places += [(self._people, key) for key in ((participant, session), (participant, None))]
        for people, key in places:
            text = people.cell(key, column) if people else None
            if people and text is not None:
                return text, people.table.path
        return None

    def _why_no_age(self, participant: str, session: str | None) -> str:
        if self._people is None:
            return messages.NO_PARTICIPANTS_TABLE
        if not {(participant, session), (participant, None)} & self._people.rows.keys():
            return messages.NOT_IN_TABLE
        return messages.NO_AGE_COLUMN if self._people.table.position(AGE) is None else messages.NO_AGE

    def _of_sessions(self, participant: str) -> People | None:
        if participant not in self._sessions:
            name = f"sub-{participant}"
            path = self.path.parent / name / f"{name}_sessions.tsv"
            there = path.exists() or path.is_symlink()
            self._sessions[participant] = _read_people(path, "session_id", "ses-") if there else None
        return self._sessions[participant]

    def _years(self, path: Path) -> tuple[float, str | None]:
        """Return years per unit of the ages in a table, and a warning if its unit is not known.

        A sessions.tsv is described by the JSON file beside it, by that in the dataset's root or, failing
        these, by participants.json; without a unit ages are in years.
        """
        files = (path.with_suffix(".json"), self.path.parent / "sessions.json", self._json)
        for file in files if path != self.path else (self._json,):
            columns, problem = self._described.get(file) or _describe(file)
            unit = _unit(columns, AGE)
            if problem or unit:
                break
        if problem or unit is None:
            return 1.0, problem
        if unit.lower() in _YEARS_PER_UNIT:
            return _YEARS_PER_UNIT[unit.lower()], None
        return 1.0, messages.UNKNOWN_AGE_UNIT.format(path=file, unit=one_line(unit)[:40])


def _describe(path: Path) -> tuple[dict[str, Any], str | None]:
    """Return what a JSON file says about columns, and a warning if it cannot be used."""
    if not path.exists():
        return {}, None
    try:
        return read_json(path), None
    except InputError as error:
        return {}, str(error)


def _unit(columns: Mapping[str, Any], name: str) -> str | None:
    alike = [column for column in columns if column.lower() == name.lower()]
    described = columns.get(name, columns[alike[0]] if alike else None)
    unit = described.get("Units") if isinstance(described, dict) else None
    return str(unit).strip() if unit is not None else None


def _number(text: str | None) -> float | None:
    """Return the finite number that a cell holds, or None."""
    try:
        number = float((text or "").replace("_", " "))  # Python reads 6_1 as 61
    except ValueError:
        return None
    return number if math.isfinite(number) else None
