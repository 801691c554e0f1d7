"""Relevance by atlas region: one row per sub-ensemble and region."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bids_brainage.records.estimate import Target

if TYPE_CHECKING:
    from bids_brainage.relevance.regions import RegionSums

OUTSIDE = ("outside the atlas", "n/a")
COLUMNS: dict[str, dict[str, str]] = {
    "sub_ensemble": {"Description": "Sub-ensemble whose map is summed"},
    "modality": {"Description": "Sequence that the sub-ensemble sees"},
    "index": {"Description": "Label of the region in the merged atlas; 0 is outside it"},
    "region": {"Description": "Name of the region"},
    "hemisphere": {"Description": "L, R, or B for both or in the middle"},
    "weight": {
        "Description": "Years of the ensemble's estimate to one year of the sub-ensemble's map; where it is "
        "negative, what adds to the sub-ensemble's own estimate takes away from the ensemble's"
    },
    "relevance": {
        "Description": "Sum of relevance: what the region adds to the sub-ensemble's own estimate",
        "Units": "years",
    },
    "positive": {"Description": "Sum of the voxels that add to it", "Units": "years"},
    "negative": {"Description": "Sum of the voxels that subtract from it", "Units": "years"},
    "contribution": {
        "Description": "Relevance times the sub-ensemble's weight: what it adds to the ensemble's estimate",
        "Units": "years",
    },
    "voxels": {"Description": "Voxels of the region in this brain, on the grid of the T1w image (1 mm)"},
}
#: What other columns mean in the table of maps against a reference.
AGAINST_REFERENCE: dict[str, dict[str, str]] = {
    "relevance": {
        "Description": "Sum of the map: what the region adds to the sub-ensemble's estimate of the reference",
        "Units": "years",
    },
    "contribution": {
        "Description": "Relevance times the sub-ensemble's weight: what it adds to the ensemble's estimate "
        "of the reference",
        "Units": "years",
    },
}


def region_rows(name: str, modality: str, weight: float, sums: RegionSums) -> list[dict[str, Any]]:
    """A sub-ensemble's rows of the table: one for each region of the atlas, and one for what is outside it.

    Parameters
    ----------
    name, modality : str
        Of the sub-ensemble.
    weight : float
        Years of the ensemble's estimate per year of this sub-ensemble's.
    sums : RegionSums
        Of its map, in years of its own estimate; see `Grids.regions`.
    """
    from bids_brainage.preprocessing.templates import atlas

    table = atlas()[1]
    known = dict(zip(table["index"], zip(table["name"], table["hemisphere"], strict=True), strict=True))
    rows = []
    columns = zip(sums.total, sums.positive, sums.negative, sums.voxels, strict=True)
    for index, (total, positive, negative, voxels) in enumerate(columns):
        region, hemisphere = known.get(index, OUTSIDE)
        rows.append(
            {"sub_ensemble": name, "modality": modality, "index": index}
            | {"region": region, "hemisphere": hemisphere, "weight": weight}
            | {"relevance": float(total), "positive": float(positive), "negative": float(negative)}
            | {"contribution": weight * float(total) + 0.0, "voxels": int(voxels)}
        )
    return rows


def region_columns(target: Target, kind: str = "") -> dict[str, dict[str, str]]:
    """What the columns mean; their unit is that of the estimate.

    Parameters
    ----------
    target : Target
    kind : str
        Of reference that the maps are against; by default, they are relevance maps by LRP.
    """
    unit = target.unit or "n/a"
    columns = COLUMNS | (AGAINST_REFERENCE if kind else {})
    return {
        name: {key: unit if key == "Units" else text for key, text in column.items()}
        for name, column in columns.items()
    }
