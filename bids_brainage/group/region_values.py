"""Years of each region of an atlas in each person's map."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bids_brainage import messages
from bids_brainage.errors import InputError
from bids_brainage.group.members import ALL, Member
from bids_brainage.group.stacks import Stack
from bids_brainage.group.unit import Maps
from bids_brainage.preprocessing.other_atlases import MERGED, LabelledAtlas


@dataclass(frozen=True)
class Region:
    """A region of an atlas; hemisphere is L, R or B."""

    index: int
    name: str
    hemisphere: str


@dataclass(frozen=True, eq=False)
class RegionValues:
    """Sums of maps by region.

    Attributes
    ----------
    atlas : str
    regions : tuple of Region
    values : ndarray of float32, shape (n, regions)
        Years.
    """

    atlas: str
    regions: tuple[Region, ...]
    values: NDArray[np.float32]


def region_values(
    members: Sequence[Member], maps: Maps, atlas: LabelledAtlas, stack: Stack | None
) -> RegionValues:
    """Sums by region of everybody's map.

    Those of the merged atlas are in each person's table of regions. Those of other atlases are sums over
    the maps in standard space.

    Raises
    ------
    InputError
        A table cannot be read, or there are no maps.
    """
    if atlas.name == MERGED:
        return _of_tables(members, maps)
    if stack is None:
        raise InputError(messages.GROUP_NO_MAPS.format(kind=maps.kind))
    return _of_maps(atlas, stack)


def _of_tables(members: Sequence[Member], maps: Maps) -> RegionValues:
    people = [_table(member.regions[maps.kind].path, maps.sub_ensemble) for member in members]
    regions = sorted({region for own in people for region in own}, key=lambda region: region.index)
    values = [[own.get(region, 0.0) for region in regions] for own in people]
    return RegionValues(MERGED, tuple(regions), np.array(values, dtype=np.float32))


def _table(path: Path, sub_ensemble: str) -> dict[Region, float]:
    """Years by region: of a sub-ensemble's own estimate, or of the ensemble's."""
    sums: dict[Region, float] = {}
    try:
        with path.open(newline="", encoding="utf-8") as table:
            for row in csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE):
                if sub_ensemble not in (ALL, row["sub_ensemble"]):
                    continue
                region = Region(int(row["index"]), row["region"], row["hemisphere"])
                years = row["contribution"] if sub_ensemble == ALL else row["relevance"]
                sums[region] = sums.get(region, 0.0) + float(years)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(messages.GROUP_REGIONS_UNREADABLE.format(path=path)) from error
    return sums


def _of_maps(atlas: LabelledAtlas, stack: Stack) -> RegionValues:
    labels = atlas.labels[stack.mask]
    there = [index for index in atlas.regions if (labels == index).any()]
    places = [np.flatnonzero(labels == index) for index in there]
    values = np.empty((stack.data().shape[0], len(there)), dtype=np.float32)
    for row, own in enumerate(stack.data()):
        values[row] = [own[place].sum(dtype=np.float64) for place in places]
    regions = tuple(Region(index, *atlas.regions[index]) for index in there)
    return RegionValues(atlas.name, regions, values)
