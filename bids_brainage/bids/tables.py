"""Ages and sexes from participants.tsv and sessions.tsv."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bids_brainage import messages
from bids_brainage.bids.dataset import read_json
from bids_brainage.bids.naming import session_name
from bids_brainage.errors import InputError

_MISSING = frozenset({"", "n/a", "na", "nan", "none", "null"})
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
_OLDEST = 125.0

Row = dict[str, str]


@dataclass(frozen=True)
class Person:
    """What the tables know of somebody in one session: age in years, sex, and warnings."""

    age: float | None = None
    sex: str | None = None
    warnings: tuple[str, ...] = ()


class Ages:
    """Look up age and sex; the whole of participants.tsv is read once, a sessions.tsv where one is needed.

    Parameters
    ----------
    root : Path
        The BIDS dataset.

    Raises
    ------
    InputError
        If participants.tsv is not UTF-8, ragged, has no participant_id, or names somebody twice.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.path = root / "participants.tsv"
        self.unit, self.unit_warning = age_unit(root / "participants.json")
        if self.path.is_symlink() and not self.path.exists():
            raise InputError(messages.CONTENT_NOT_HERE.format(path=self.path))
        self.rows = _by_id(self.path, "participant_id", "sub-") if self.path.is_file() else None
        self._sessions: dict[str, dict[tuple[str, str | None], Row]] = {}

    def of(self, participant: str, session: str | None) -> Person:
        """Return age and sex of one participant in one session; the session's own age has the last word."""
        name = session_name(participant, session)
        table, row = self.path, self._row(participant, session)
        session_row = self._session_row(participant, session) if session else {}
        sex = _value(row or {}, "sex") or _value(row or {}, "gender")
        if _value(session_row, "age"):
            table, row = self._sessions_path(participant), session_row
        elif self.rows is None:
            return Person(None, sex, (messages.NO_PARTICIPANTS_TABLE.format(path=table, name=name),))
        if row is None:
            return Person(None, sex, (messages.NOT_IN_TABLE.format(path=table, name=name),))
        age, warning = self._age(row, table, name)
        warnings = tuple(text for text in (warning, self.unit_warning) if text)
        return Person(age, sex, warnings)

    def _age(self, row: Row, table: Path, name: str) -> tuple[float | None, str | None]:
        if _column(row, "age") is None:
            return None, messages.NO_AGE_COLUMN.format(path=table, name=name)
        text = _value(row, "age")
        if text is None:
            return None, messages.NO_AGE.format(path=table, name=name)
        try:
            age = float(text) * self.unit
        except ValueError:
            return None, messages.BAD_AGE.format(path=table, name=name, value=text[:40])
        if not math.isfinite(age) or not 0 <= age <= _OLDEST:
            return None, messages.IMPLAUSIBLE_AGE.format(path=table, name=name, value=text[:40])
        return age, None

    def value(self, participant: str, session: str | None, column: str) -> float | None:
        """Return the number in a column, the session's own before the participant's, or None."""
        rows = (self._session_row(participant, session) if session else {}, self._row(participant, session))
        for row in rows:
            number = read_number((row or {}).get(column))
            if number is not None:
                return number
        return None

    def _row(self, participant: str, session: str | None) -> Row | None:
        rows = self.rows or {}
        return rows.get((participant, session)) or rows.get((participant, None))

    def _session_row(self, participant: str, session: str) -> Row:
        if participant not in self._sessions:
            path = self._sessions_path(participant)
            self._sessions[participant] = _by_id(path, "session_id", "ses-") if path.is_file() else {}
        return self._sessions[participant].get((session, None), {})

    def _sessions_path(self, participant: str) -> Path:
        return self.root / f"sub-{participant}" / f"sub-{participant}_sessions.tsv"


def read_table(path: Path, id_column: str) -> Iterator[tuple[int, Row]]:
    """Yield line number and columns of each row of a TSV file.

    Raises
    ------
    InputError
        If the file cannot be read, is not UTF-8, has no `id_column`, or a row has more or fewer columns
        than the header.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(messages.TABLE_NOT_UTF8.format(path=path, position=error.start)) from error
    except OSError as error:
        raise InputError(messages.TABLE_NOT_READABLE.format(path=path, reason=error.strerror)) from error
    # str.splitlines() would also part lines at odd characters inside a cell.
    first, *lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    header = [name.strip() for name in first.split("\t")]
    if id_column not in header:
        columns = ", ".join(header)[:100] or "none"
        raise InputError(messages.TABLE_NO_ID.format(path=path, column=id_column, columns=columns))
    for line, content in enumerate(lines, start=2):
        row = content.split("\t")
        if not content.strip():
            continue
        if len(row) != len(header):
            problem = messages.TABLE_RAGGED.format(path=path, line=line, found=len(row), expected=len(header))
            raise InputError(problem)
        yield line, dict(zip(header, row, strict=True))


def _by_id(path: Path, column: str, prefix: str) -> dict[tuple[str, str | None], Row]:
    """Return rows by label and, where the table has session_id beside participant_id, session."""
    rows: dict[tuple[str, str | None], Row] = {}
    lines: dict[tuple[str, str | None], int] = {}
    for line, row in read_table(path, column):
        session = _value(row, "session_id") if column != "session_id" else None
        key = (row[column].strip().removeprefix(prefix), session.removeprefix("ses-") if session else None)
        if key in rows and row != rows[key]:
            raise InputError(
                messages.TABLE_DUPLICATE.format(path=path, name=row[column], first=lines[key], second=line)
            )
        rows[key], lines[key] = row, line
    return rows


def age_unit(path: Path) -> tuple[float, str | None]:
    """Return years per unit of the age column, as participants.json declares it; years if it does not."""
    if not path.is_file():
        return 1.0, None
    try:
        column = read_json(path).get("age")
    except InputError as error:
        return 1.0, str(error)
    unit = column.get("Units") if isinstance(column, dict) else None
    if unit is None:
        return 1.0, None
    if str(unit).strip().lower() in _YEARS_PER_UNIT:
        return _YEARS_PER_UNIT[str(unit).strip().lower()], None
    return 1.0, messages.UNKNOWN_AGE_UNIT.format(path=path, unit=str(unit)[:40])


def read_number(text: str | None) -> float | None:
    """Return the finite number that a cell holds, or None."""
    try:
        number = float((text or "").strip())
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _column(row: Row, name: str) -> str | None:
    return next((column for column in row if column.lower() == name), None)


def _value(row: Row, name: str) -> str | None:
    column = _column(row, name)
    text = row[column].strip() if column is not None else ""
    return None if text.lower() in _MISSING else text
