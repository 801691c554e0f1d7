"""Tables about people: accuracy, correction for age, ensembles compared, repeated sessions, biomarkers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_brainage.errors import InputError
from bids_brainage.group.members import Members
from bids_brainage.group.people import PeopleTable, people_table
from bids_brainage.group.table import write_rows
from bids_brainage.statistics.modelling.checks import SAME, correlation
from bids_brainage.statistics.modelling.columns import Column, cell_text, number, read_column
from bids_brainage.statistics.modelling.repeats import once_each
from bids_brainage.statistics.people.accuracy import accuracy_by, measure_accuracy
from bids_brainage.statistics.people.comparing import compare_estimates
from bids_brainage.statistics.people.correction import (
    AgeLine,
    Correction,
    apply_line,
    correct_out_of_fold,
    fit_age_line,
)
from bids_brainage.statistics.people.differences import compare_levels
from bids_brainage.statistics.people.repeated import measure_repeated
from bids_brainage.statistics.people.window_correlations import correlate
from bids_brainage.statistics.people.windows import sliding_windows, whole_range

#: Columns by which accuracy is always reported, where they exist, in whatever case.
BY = ("sex", "gender", "site", "in_training_set")
#: What a dataset may call the column from which estimates have the sex.
SEX = ("sex", "gender")
#: Of a column with more levels, groups would be too small to be told apart.
MOST_LEVELS = 12
#: Fewer people's numbers go along with their ages by chance.
FEWEST_ALIKE = 5
#: What correlates with DBA by construction, or is no biomarker.
NOT_BIOMARKERS = frozenset({"participant_id", "session_id", "age", "brain_age", "dba", "uncertainty"})


@dataclass(frozen=True, eq=False)
class Estimates:
    """An ensemble's estimates of everybody's first session.

    Attributes
    ----------
    ensemble : str
    table : PeopleTable
        Of all sessions.
    rows : ndarray of int
        First sessions.
    """

    ensemble: str
    table: PeopleTable
    rows: NDArray[np.intp]

    def numbers(self, name: str) -> NDArray[np.float64]:
        """A column of numbers for first sessions; not a number where there is none."""
        cells = [self.table[name][row] for row in self.rows]
        return np.array([np.nan if cell is None else float(cell) for cell in cells])


def first_sessions(members: Members, cells: Mapping[str, Sequence[str | None]]) -> list[Estimates]:
    """The estimates of each ensemble, one for each person."""
    found = []
    for ensemble in members.ensembles:
        rows = [row for row, member in enumerate(members.people) if member.ensemble == ensemble]
        own = [members.people[row] for row in rows]
        table = dict(people_table(own, {name: [cell[row] for row in rows] for name, cell in cells.items()}))
        if "sex" not in cells and any(name.lower() in SEX for name in cells):
            del table["sex"]  # The dataset's column says the same.
        for name in ("lower_95", "upper_95", "brain_age_corrected", "in_training_set"):
            table[name] = [member.row[name] for member in own]
        found.append(Estimates(ensemble, table, once_each(table, np.arange(len(rows)))[0]))
    return found


def write_people_tables(
    folder: Path,
    members: Members,
    cells: Mapping[str, Sequence[str | None]],
    *,
    by: Sequence[str],
    window: Sequence[float],
    permutations: int,
    seed: int,
) -> dict[str, str]:
    """Write all tables about people that there is something for.

    Parameters
    ----------
    folder : Path
        ``group``.
    members : Members
    cells : mapping
        The dataset's columns, one cell for each of ``members.people``.
    by : sequence of str
        Columns by which accuracy is reported besides `BY`.
    window : sequence of float
        Width and step (years), and people that a window needs.
    permutations, seed : int
        For correlations in windows.

    Returns
    -------
    dict of str to str
        File names by what they hold.

    Raises
    ------
    InputError
        A column of `by` cannot be used.
    """
    people = first_sessions(members, cells)
    tables = {
        "accuracy": ("group_accuracy", list(_accuracy(people, by))),
        "correction": ("correction", list(_corrections(people))),
        "comparison": ("comparison", list(_comparisons(people, seed))),
        "agreement": ("agreement", list(_agreement(members))),
        "change": ("change", list(_changes(members))),
        "correlations": ("correlations", list(_correlations(people, window, permutations, seed))),
        "levels": ("levels", list(_levels(people, pairs=False))),
        "differences": ("differences", list(_levels(people, pairs=True))),
    }
    written = {name: write_rows(folder, name, key, rows) for name, (key, rows) in tables.items()}
    return {name: path.name for name, path in written.items() if path is not None}


def check_by(members: Members, cells: Mapping[str, Sequence[str | None]], by: Sequence[str]) -> None:
    """Raise InputError unless accuracy can be reported by these columns, of every ensemble."""
    for own in first_sessions(members, cells):
        for name in by:
            _labels(own, name, asked=True)


def _accuracy(people: Sequence[Estimates], by: Sequence[str]) -> Iterator[dict[str, Any]]:
    for own in people:
        ages, estimates = own.numbers("age"), own.numbers("brain_age")
        ends = own.numbers("lower_95"), own.numbers("upper_95")
        whole = measure_accuracy(estimates, ages, *ends)
        yield {"ensemble": own.ensemble, "column": "all", "level": "all", **whole.row()}
        usual = (name for name in own.table if name.lower() in BY)
        groups = {name: _labels(own, name, asked=name in by) for name in dict.fromkeys((*by, *usual))}
        known = {name: labels for name, labels in groups.items() if labels is not None}
        for found in accuracy_by(known, estimates, ages, *ends):
            yield {"ensemble": own.ensemble, **found.row()}


def _labels(own: Estimates, name: str, asked: bool) -> NDArray[Any] | None:
    """A column's cells as levels; None if it is no grouping, unless it was asked for."""
    try:
        read_column(own.table, name, own.rows, categorical=True)
    except InputError:
        if asked:
            raise
        return None
    return np.array([own.table[name][row] for row in own.rows], dtype=object)


def _corrections(people: Sequence[Estimates]) -> Iterator[dict[str, Any]]:
    for own in people:
        ages, estimates = own.numbers("age"), own.numbers("brain_age")
        for correction in _both_corrections(own, ages, estimates):
            for row in correction.rows():
                yield {"ensemble": own.ensemble, **row, "n_fitted": row["n_fitted"] or None}


def _both_corrections(
    own: Estimates, ages: NDArray[np.float64], estimates: NDArray[np.float64]
) -> Iterator[Correction]:
    """By the bundle's line if it has one, and by lines of these people, each of the others."""
    corrected = own.numbers("brain_age_corrected")
    try:
        if np.isfinite(corrected).sum() > 2:
            # What the bundle takes off is its line, exactly; on how many people it was fitted, estimates do
            # not say.
            taken = fit_age_line(estimates - corrected + ages, ages)
            line = AgeLine(taken.intercept, taken.slope, "people held out in training (bundle)")
            yield apply_line(estimates, ages, line)
        yield correct_out_of_fold(estimates, ages, sample="the other people of this group")
    except InputError:
        return


def _comparisons(people: Sequence[Estimates], seed: int) -> Iterator[dict[str, Any]]:
    for one, two in combinations(people, 2):
        place = {_name(two, row): number for number, row in enumerate(two.rows)}
        both = [(number, place.get(_name(one, row))) for number, row in enumerate(one.rows)]
        pairs = np.array([pair for pair in both if pair[1] is not None], dtype=np.intp).reshape(-1, 2)
        ages = one.numbers("age")[pairs[:, 0]]
        first, second = one.numbers("brain_age")[pairs[:, 0]], two.numbers("brain_age")[pairs[:, 1]]
        try:
            found = compare_estimates(first, second, ages, seed)
        except InputError:
            continue
        yield {"first": one.ensemble, "second": two.ensemble, **found.row()}


def _name(own: Estimates, row: int) -> tuple[Any, Any]:
    return own.table["participant_id"][row], own.table["session_id"][row]


def _repeated(members: Members) -> Iterator[tuple[str, Any]]:
    for ensemble in members.ensembles:
        rows = [member.row for member in members.of(ensemble)]
        people = np.array([row["participant_id"] for row in rows])
        ages, estimates = (_floats(rows, name) for name in ("chronological_age", "brain_age"))
        try:
            yield ensemble, measure_repeated(estimates, ages, people)
        except InputError:
            continue


def _floats(rows: Sequence[Mapping[str, Any]], name: str) -> NDArray[np.float64]:
    return np.array([np.nan if row[name] is None else row[name] for row in rows], dtype=float)


def _agreement(members: Members) -> Iterator[dict[str, Any]]:
    for ensemble, found in _repeated(members):
        for measure in ("brain_age", "dba"):
            yield {"ensemble": ensemble, "measure": measure, **getattr(found, measure).row()}


def _changes(members: Members) -> Iterator[dict[str, Any]]:
    for ensemble, found in _repeated(members):
        if found.change is not None:
            yield {"ensemble": ensemble, **found.change.row()}


def _readable(own: Estimates) -> Iterator[Column]:
    """The columns of the dataset that can be related to DBA; one that is the age again is none."""
    ages = own.numbers("age")
    for name in own.table:
        if name in NOT_BIOMARKERS or name in (
            "lower_95",
            "upper_95",
            "brain_age_corrected",
            "in_training_set",
        ):
            continue
        try:
            column = read_column(own.table, name, own.rows)
        except InputError:
            continue
        if column.levels or not is_age_again(column.values, ages):
            yield column


def is_age_again(values: NDArray[np.float64], ages: NDArray[np.float64]) -> bool:
    """Whether a column (n,) says the age: in months, as a year of birth, or at another visit soon after."""
    both = np.isfinite(values) & np.isfinite(ages)
    if both.sum() < FEWEST_ALIKE:
        return False
    # Divided, so that squares of the largest numbers can be computed.
    own = values[both] / max(np.abs(values[both]).max(), np.finfo(float).tiny)
    return abs(correlation(own, ages[both])) > SAME


def related_columns(
    own: Estimates, rows: NDArray[np.intp]
) -> tuple[dict[str, NDArray[np.float64]], dict[str, NDArray[Any]]]:
    """Age, DBA and the dataset's columns of some rows: numbers, and categories."""
    numbers = {name: _numbers(own, name, rows) for name in ("age", "dba")}
    categories = {}
    for column in _readable(own):
        if column.levels:
            categories[column.name] = np.array([own.table[column.name][row] for row in rows], dtype=object)
        else:
            numbers[column.name] = _numbers(own, column.name, rows)
    return numbers, categories


def _numbers(own: Estimates, name: str, rows: NDArray[np.intp]) -> NDArray[np.float64]:
    return np.array([number(cell_text(own.table[name][row]) or "") for row in rows], dtype=float)


def _correlations(
    people: Sequence[Estimates], window: Sequence[float], permutations: int, seed: int
) -> Iterator[dict[str, Any]]:
    """Of every numeric column, and of categories of two, in windows of age and over the whole range."""
    width, step, least = window
    for own in people:
        ages, dba = own.numbers("age"), own.numbers("dba")
        numbers = {_shown(column): column.values for column in _readable(own) if len(column.levels) in (0, 2)}
        if not numbers or not np.isfinite(dba).any():
            continue
        ranges = {
            "windows": sliding_windows(ages, width, step, int(least)),
            "whole range": whole_range(ages),
        }
        for kind, windows in ranges.items():
            for method in ("pearson", "spearman", "partial"):
                found = correlate(
                    dba,
                    ages,
                    numbers,
                    windows,
                    method,
                    permutations=permutations,
                    seed=seed,
                )
                for row in found.rows():
                    yield {"ensemble": own.ensemble, "range": kind, **row}


def _shown(column: Column) -> str:
    """A column's name; of one of two levels, with that which counts as more."""
    return f"{column.name} ({column.levels[1]} - {column.levels[0]})" if column.levels else column.name


def _levels(people: Sequence[Estimates], *, pairs: bool) -> Iterator[dict[str, Any]]:
    for own in people:
        dba = own.numbers("dba")
        for column in _readable(own):
            count = len(column.levels) or len(np.unique(column.values[~column.missing]))
            if count > (MOST_LEVELS if column.levels else 2):
                continue
            labels = np.array([own.table[column.name][row] for row in own.rows], dtype=object)
            try:
                levels, differences = compare_levels(dba, labels, column.name)
            except InputError:
                continue
            for found in differences if pairs else (levels,):
                yield {"ensemble": own.ensemble, **found.row()}
