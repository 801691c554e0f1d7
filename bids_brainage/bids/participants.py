"""What participants.tsv and each sessions.tsv say about people."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bids_brainage import messages
from bids_brainage.bids.ages import years_per
from bids_brainage.bids.content import is_elsewhere
from bids_brainage.bids.naming import session_name
from bids_brainage.bids.people import ID_COLUMNS, Key, People, read_people
from bids_brainage.bids.units import Units
from bids_brainage.quoting import LONGEST, one_line, printable
from bids_brainage.suggestions import bare, some
from bids_brainage.terms import AGE, OLDEST, SEX


@dataclass(frozen=True)
class Person:
    """What the tables know about a person in one session: age in years, sex, and warnings."""

    age: float | None = None
    sex: str | None = None
    warnings: tuple[str, ...] = ()


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
        self._people = read_people(path, "participant_id", "sub-") if there else None
        self._units = Units(path, self._people.stated if self._people else None)
        self._sessions: dict[str, People | None] = {}

    @property
    def participants(self) -> tuple[str, ...]:
        rows = self._people.rows if self._people else {}
        return tuple(dict.fromkeys(label for label, _ in rows))

    @property
    def columns(self) -> tuple[str, ...]:
        names = self._people.table.columns if self._people else ()
        return tuple(name for name in names if name and name.lower() not in ID_COLUMNS)

    def session_columns(self, participant: str) -> tuple[str, ...]:
        """Names of the columns of a participant's sessions.tsv, ``session_id`` left out; none without it.

        Raises
        ------
        InputError
            If the table cannot be used.
        """
        own = self._of_sessions(participant)
        names = own.table.columns if own else ()
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

    def group(self, participant: str, session: str | None, column: str) -> str | None:
        """Return an entry that groups people, fit to be kept and shown; None if it is missing.

        Sex may be in a column called gender, as for `person`.
        """
        if column.lower() == SEX:
            found = self.person(participant, session).sex
        else:
            found = self.text(participant, session, column)
        return printable(found.strip())[:LONGEST] or None if found else None

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
        age, warnings = self._age(name, *found)
        own = self._of_sessions(participant) if session else None
        if own and own.ages and found[1:] == (self._people, (participant, None)):
            facts = {"path": own.table.path, "name": name, "other": self.path.name}
            warnings = (*warnings, messages.AGE_OF_NO_SESSION.format(**facts))
        return Person(age, sex, warnings)

    def _age(self, name: str, text: str, people: People, key: Key) -> tuple[float | None, tuple[str, ...]]:
        """Return the age in years that a cell gives, None if it gives none, and sentences about it."""
        facts = {"path": people.table.path, "name": name, "value": one_line(text)[:40]}
        unit = people.unit(key)
        if unit is not None and years_per(unit) is None:
            facts["unit"] = one_line(unit)[:40]
            return None, (messages.ODD_AGE_UNIT.format(**facts),)
        per_unit, problem = self._years(people, unit)
        problems = (problem,) if problem else ()
        number = _number(text)
        if number is None and text.lower().lstrip("+-") not in ("inf", "infinity"):
            return None, (messages.BAD_AGE.format(**facts), *problems)
        if per_unit is None:
            return None, problems
        if number is None or not 0 <= number * per_unit <= OLDEST:
            return None, (messages.IMPLAUSIBLE_AGE.format(**facts), *problems)
        return number * per_unit, problems

    def _find(self, participant: str, session: str | None, column: str) -> tuple[str, People, Key] | None:
        """Return a non-missing cell and the table it comes from, the session's own first."""
        own = self._of_sessions(participant) if session else None
        places: list[tuple[People | None, Key]] = [(own, (session, None))] if session else []
        places += [(self._people, key) for key in ((participant, session), (participant, None))]
        for people, key in places:
            text = people.cell(key, column) if people else None
            if people and text is not None:
                return text, people, key
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
        """Return the table that has a session's row but for zeros in front, and that row's label."""
        if not session:
            return None
        own = self._of_sessions(participant)
        of_sessions = [label for label, _ in own.rows] if own else []
        of_people = (
            [ses for label, ses in self._people.rows if label == participant and ses] if self._people else []
        )
        for people, labels in ((own, of_sessions), (self._people, of_people)):
            alike = _alike(session, labels)
            if people and alike:
                return people, alike
        return None

    def _of_sessions(self, participant: str) -> People | None:
        if participant not in self._sessions:
            name = f"sub-{participant}"
            path = self.path.parent / name / f"{name}_sessions.tsv"
            there = path.exists() or is_elsewhere(path)
            self._sessions[participant] = read_people(path, "session_id", "ses-") if there else None
        return self._sessions[participant]

    def _years(self, people: People, unit: str | None = None) -> tuple[float | None, str | None]:
        """Return years per unit of a table's ages, or None and a sentence why it is not known."""
        column, by_name = people.ages or (AGE, None)
        return self._units.years(people.table.path, column, years_per(unit) if unit else by_name)


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
