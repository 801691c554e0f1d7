"""What the group level has written, as its page reads it: records, and tables as rows of text."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_brainage import messages
from bids_brainage.errors import InputError
from bids_brainage.reading import MB, read_json, read_text
from bids_brainage.records.group import AnalysisRecord, GroupRecord
from bids_brainage.reports.words import Words
from bids_brainage.terms import MISSING

GROUP = "group"
ESTIMATES = "brainage.tsv"
#: No table of a group is larger than this.
LARGEST_TABLE = 500 * MB

Row = Mapping[str, str]


@dataclass(frozen=True, eq=False)
class Analysis:
    """An analysis, and the folder of its files."""

    folder: Path
    record: AnalysisRecord

    def rows(self, name: str) -> list[Row]:
        """The rows of one of its tables."""
        return read_rows(self.folder / name)

    def about(self, table: str) -> Mapping[str, Any]:
        """What the columns of one of its tables mean."""
        path = (self.folder / table).with_suffix(".json")
        try:
            content = read_json(path, 10 * MB)
        except (OSError, ValueError) as error:
            raise InputError(messages.GROUP_UNREADABLE.format(path=path, reason=error)) from error
        return content if isinstance(content, dict) else {}


@dataclass(frozen=True, eq=False)
class GroupResults:
    """All that a page is made of.

    Attributes
    ----------
    folder : Path
        ``OUT/group``.
    record : GroupRecord
    estimates : list of mapping
        Rows of brainage.tsv.
    tables : mapping of str to list
        Rows of the tables about people, by what they hold.
    analyses : tuple of Analysis
    """

    folder: Path
    record: GroupRecord
    estimates: Sequence[Row]
    tables: Mapping[str, Sequence[Row]]
    analyses: tuple[Analysis, ...]

    @property
    def words(self) -> Words:
        """What is estimated, and its unit."""
        return Words(self.record.target, self.record.unit)

    def of(self, ensemble: str) -> list[Row]:
        """The estimates by one ensemble, of each person the first."""
        first: dict[str, Row] = {}
        for row in self.estimates:
            if row["ensemble"] == ensemble:
                first.setdefault(row["participant_id"], row)
        return list(first.values())


def read_group(out_dir: Path) -> GroupResults:
    """Read what the group level has written below an output folder.

    Raises
    ------
    InputError
        It has written nothing there, or a file of it cannot be read.
    """
    folder = out_dir / GROUP
    record = GroupRecord.read(folder / "group.json")
    analyses = tuple(
        Analysis(folder / name, AnalysisRecord.read(folder / name / "analysis.json"))
        for name in record.analyses
    )
    tables = {name: read_rows(folder / file) for name, file in record.tables.items()}
    return GroupResults(folder, record, read_rows(folder / ESTIMATES), tables, analyses)


def read_rows(path: Path) -> list[Row]:
    """A table's rows, as texts by column.

    Raises
    ------
    InputError
        The table cannot be read, or rows differ in length.
    """
    try:
        text = read_text(path, LARGEST_TABLE)
        reader = csv.DictReader(
            text.rstrip("\n").split("\n"), delimiter="\t", quoting=csv.QUOTE_NONE, strict=True
        )
        rows: list[Row] = list(reader)
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(messages.GROUP_UNREADABLE.format(path=path, reason=error)) from error
    if any(None in row or None in row.values() for row in rows):
        raise InputError(messages.GROUP_UNREADABLE.format(path=path, reason="its rows differ in length"))
    return rows


def number(row: Row, name: str) -> float | None:
    """The number in a cell, or None."""
    text = row.get(name, "")
    try:
        return None if text in MISSING else float(text)
    except ValueError:
        return None


def numbers(rows: Sequence[Row], name: str) -> NDArray[np.float64]:
    """The numbers of a column (n,); not a number where there is none."""
    found = (number(row, name) for row in rows)
    return np.array([np.nan if value is None else value for value in found], dtype=float)
