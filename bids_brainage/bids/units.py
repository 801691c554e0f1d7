"""What JSON files say of the units of columns: beside a table, or above it by BIDS' inheritance."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from bids_brainage import messages
from bids_brainage.bids.ages import declared_unit, told_units, years_per
from bids_brainage.bids.content import check_here
from bids_brainage.bids.dataset import read_json
from bids_brainage.errors import InputError
from bids_brainage.quoting import one_line
from bids_brainage.terms import AGE

_LONGEST = 40


class Declared(NamedTuple):
    """The unit that a file gives a column; or, as `problem`, why that cannot be known."""

    unit: str | None = None
    file: Path | None = None
    problem: str | None = None


class Units:
    """The units of the columns of participants.tsv and of each sessions.tsv; no table borrows another's.

    Parameters
    ----------
    participants : Path
        The table participants.tsv.
    ages : (str, float or None), optional
        Its column of ages, and years per unit if the table itself says so.

    Raises
    ------
    InputError
        If a JSON file beside it is a link to nothing.
    """

    def __init__(self, participants: Path, ages: tuple[str, float | None] | None = None) -> None:
        self.participants = participants
        self._ages = ages or (AGE, None)
        self._read: dict[Path, tuple[dict[str, Any], str | None]] = {}
        for file in (participants.with_suffix(".json"), participants.parent / "sessions.json"):
            self._describe(file)

    def of(self, table: Path, column: str) -> Declared:
        """Return the unit of a column: the nearest file that gives one wins.

        Raises
        ------
        InputError
            If a file that could give one is a link to nothing.
        """
        for file in self._files(table):
            described, problem = self._describe(file)
            unit = declared_unit(described, column)
            if problem or unit:
                return Declared(unit and one_line(unit)[:_LONGEST], file, problem)
        return Declared()

    def years(self, table: Path, column: str, by_table: float | None) -> tuple[float | None, str | None]:
        """Return years per unit of a column of ages, or None if it is not known; and a sentence on that.

        Ages are in years unless the table itself (`by_table`) or a file says otherwise. A file that may say
        so but cannot be read, or does so in a description alone, leaves the unit open; so does another unit
        of participants.tsv for a sessions.tsv of which nothing is said.
        """
        unit, file, problem = self.of(table, column)
        if problem:
            return by_table, problem if by_table else messages.AGE_UNIT_NOT_READ.format(problem=problem)
        if unit is not None:
            years, facts = (
                years_per(unit),
                {"path": file, "unit": unit, "column": one_line(column)[:_LONGEST]},
            )
            if years is None:
                return None, messages.UNKNOWN_AGE_UNIT.format(**facts)
            if by_table not in (None, years):
                return None, messages.AGE_UNITS_DIFFER.format(**facts)
            return years, None
        if by_table is not None:
            return by_table, None
        for file in self._files(table):
            told = told_units(self._describe(file)[0], column)
            if told:
                facts = {"path": file, "unit": told[0], "column": one_line(column)[:_LONGEST]}
                return None, messages.AGE_UNIT_TOLD.format(**facts)
        if table != self.participants and self.years(self.participants, *self._ages)[0] != 1:
            return None, messages.NO_AGE_UNIT.format(path=table, sidecar=table.with_suffix(".json").name)
        return 1.0, None

    def _files(self, table: Path) -> tuple[Path, ...]:
        """Return the files that may describe a table, the nearest first."""
        beside = table.with_suffix(".json")
        if table == self.participants:
            return (beside,)
        folders = (table.parent, self.participants.parent)
        return tuple(folder / name for folder in folders for name in (beside.name, "sessions.json"))

    def _describe(self, file: Path) -> tuple[dict[str, Any], str | None]:
        """Return what a file says about columns, and a sentence if it is there but cannot be used."""
        if file not in self._read:
            check_here(file)
            try:
                self._read[file] = (read_json(file) if file.exists() else {}, None)
            except InputError as error:
                self._read[file] = ({}, str(error))
        return self._read[file]
