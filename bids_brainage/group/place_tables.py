"""Where a group's DBA comes from: its mean and the difference of groups by region, and left against right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_brainage.errors import InputError
from bids_brainage.group.members import ALL, MapKind, Member, Members
from bids_brainage.group.people_tables import Estimates, first_sessions
from bids_brainage.group.region_values import RegionValues, region_values
from bids_brainage.group.table import write_rows
from bids_brainage.group.unit import Maps
from bids_brainage.preprocessing.other_atlases import MERGED, find_atlas
from bids_brainage.statistics.modelling.columns import read_column
from bids_brainage.statistics.people.asymmetry import measure_asymmetry, pair_sides
from bids_brainage.statistics.people.split import split_difference, split_mean

KINDS: tuple[MapKind, ...] = ("dba", "lrp")
#: Of a group that is called by no column.
EVERYBODY = "everybody"


def write_place_tables(
    folder: Path, members: Members, cells: Mapping[str, Sequence[str | None]]
) -> dict[str, str]:
    """Write ``split.tsv`` and ``asymmetry.tsv`` of everybody's first session.

    Parameters
    ----------
    folder : Path
        ``group``.
    members : Members
    cells : mapping
        The dataset's columns, one cell for each of ``members.people``.

    Returns
    -------
    dict of str to str
        File names by what they hold.
    """
    people = first_sessions(members, cells)
    splits: list[dict[str, Any]] = []
    sides: list[dict[str, Any]] = []
    for own in people:
        everyone = members.of(own.ensemble)
        for kind in KINDS:
            rows = [
                row
                for row in own.rows
                if kind in everyone[row].regions and everyone[row].row["dba"] is not None
            ]
            if len(rows) > 1:
                first = {"ensemble": own.ensemble, "map": kind}
                values = _values([everyone[row] for row in rows], own.ensemble, kind)
                splits += [first | row for row in _splits(own, np.array(rows), values)]
                sides += [first | row for row in _sides(values)]
    tables = {"split": splits, "asymmetry": sides}
    return {
        name: path.name for name, rows in tables.items() if (path := write_rows(folder, name, name, rows))
    }


def _values(members: Sequence[Member], ensemble: str, kind: MapKind) -> RegionValues:
    """Years of the ensemble's estimate by region."""
    return region_values(members, Maps(ensemble, ALL, "", "", kind), find_atlas(MERGED), None)


def _splits(own: Estimates, rows: NDArray[np.intp], values: RegionValues) -> Iterator[dict[str, Any]]:
    places = [region.name for region in values.regions]
    dba = np.array([float(own.table["dba"][row] or 0.0) for row in rows])
    for row in split_mean(dba, values.values, places).rows():
        yield {"column": EVERYBODY, "level": EVERYBODY, "other": None, **row}
    for name, level, other, one, two in _pairs(own, rows):
        try:
            found = split_difference(dba, values.values, one, two, places)
        except InputError:
            continue
        for row in found.rows():
            yield {"column": name, "level": level, "other": other, **row}


def _pairs(
    own: Estimates, rows: NDArray[np.intp]
) -> Iterator[tuple[str, str, str, NDArray[np.bool_], NDArray[np.bool_]]]:
    """Columns of two levels: their name, the levels, and who is in which."""
    for name in own.table:
        if name in ("participant_id", "session_id"):
            continue
        try:
            column = read_column(own.table, name, rows)
        except InputError:
            continue
        levels = column.levels or tuple(f"{value:g}" for value in np.unique(column.values[~column.missing]))
        if len(levels) == 2:
            low, high = np.unique(column.values[~column.missing])
            yield name, levels[1], levels[0], column.values == high, column.values == low


def _sides(values: RegionValues) -> Iterator[dict[str, Any]]:
    names = [region.name for region in values.regions]
    pairs = pair_sides(names, [region.hemisphere for region in values.regions])
    if pairs:
        yield from measure_asymmetry(values.values, pairs).rows()
