"""Clusters of people by where their relevance lies, and what goes along with them; or that there are none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_brainage.errors import InputError
from bids_brainage.group.members import ALL, MapKind, Member, Members
from bids_brainage.group.people_tables import Estimates, first_sessions, related_columns
from bids_brainage.group.region_values import region_values
from bids_brainage.group.table import write_rows
from bids_brainage.group.unit import Maps
from bids_brainage.preprocessing.other_atlases import MERGED, find_atlas
from bids_brainage.statistics.people.profiles import Profiles, find_profiles
from bids_brainage.statistics.people.relating import relate_clusters

TABLES = ("stability", "profiles", "relations", "clusters")


def write_profile_tables(
    folder: Path,
    members: Members,
    cells: Mapping[str, Sequence[str | None]],
    kinds: Sequence[MapKind],
    seed: int,
) -> dict[str, str]:
    """Look for clusters of everybody's first session by the regions of the ensemble's map, age taken off.

    ``stability.tsv`` says how many clusters there are. ``profiles.tsv``, ``relations.tsv`` and
    ``clusters.tsv`` (who is in which) are written where there are two or more.

    Parameters
    ----------
    folder : Path
        ``group``.
    members : Members
    cells : mapping
        The dataset's columns, one cell for each of ``members.people``.
    kinds : sequence of {"lrp", "dba"}
        Of maps.
    seed : int

    Returns
    -------
    dict of str to str
        File names by what they hold.
    """
    tables: dict[str, list[dict[str, Any]]] = {name: [] for name in TABLES}
    for own in first_sessions(members, cells):
        everyone = members.of(own.ensemble)
        for kind in kinds:
            rows = [row for row in own.rows if kind in everyone[row].regions and _aged(everyone[row])]
            if not rows:
                continue
            try:
                found = _found([everyone[row] for row in rows], own.ensemble, kind, seed)
            except InputError:
                continue
            first = {"ensemble": own.ensemble, "map": kind}
            for name, lines in _rows(found, own, np.array(rows)).items():
                tables[name] += [first | line for line in lines]
    written = {name: write_rows(folder, name, name, rows) for name, rows in tables.items()}
    return {name: path.name for name, path in written.items() if path is not None}


def _aged(member: Member) -> bool:
    return member.row["chronological_age"] is not None


def _found(members: Sequence[Member], ensemble: str, kind: MapKind, seed: int) -> tuple[Profiles, list[str]]:
    """The clusters, and the names of the regions."""
    values = region_values(members, Maps(ensemble, ALL, "", "", kind), find_atlas(MERGED), None)
    ages = np.array([member.row["chronological_age"] for member in members], dtype=float)
    return find_profiles(without_age(values.values, ages), seed), [own.name for own in values.regions]


def without_age(values: NDArray[np.float32], ages: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values (n, k) less their line on age; otherwise clusters would be those of young and old."""
    line = np.column_stack([np.ones(len(ages)), ages - ages.mean()]) if len(ages) else np.ones((0, 2))
    fitted: NDArray[np.float64] = values - line @ np.linalg.lstsq(line, values, rcond=None)[0]
    return fitted


def _rows(
    found: tuple[Profiles, list[str]], own: Estimates, rows: NDArray[np.intp]
) -> dict[str, list[dict[str, Any]]]:
    profiles, places = found
    lines = {"stability": [row | {"chosen": profiles.clusters} for row in profiles.stability.rows()]}
    if profiles.clusters < 2:
        return lines
    numbers, categories = related_columns(own, rows)
    related = relate_clusters(profiles.labels, numbers, categories)
    lines["profiles"] = profiles.rows(places)
    lines["relations"] = [relation.row() for relation in related]
    lines["clusters"] = [
        {
            "participant_id": own.table["participant_id"][row],
            "session_id": own.table["session_id"][row],
            "cluster": int(label),
        }
        for row, label in zip(rows, profiles.labels, strict=True)
    ]
    return lines
