"""Relevance by atlas region: one row per sub-ensemble and region."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bids_brainage.models.bundles.region_norms import ALL
from bids_brainage.records.estimate import Target

if TYPE_CHECKING:
    from bids_brainage.models.bundles.region_norms import RegionDeviations
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
#: What the table of maps against the average brain of the same age has besides, where there are norms.
NORMED: dict[str, dict[str, str]] = {
    "expected": {
        "Description": "Relevance that is usual at that age, by the model's norms",
        "Units": "years",
    },
    "z": {"Description": "Standard deviations that relevance is above it; n/a where nobody varies"},
    "ensemble_expected": {
        "Description": "Sum of the region's contributions, over sub-ensembles, that is usual at that age",
        "Units": "years",
    },
    "ensemble_z": {
        "Description": "Standard deviations that the sum of the region's contributions is above it; the same "
        "in every row of a region"
    },
}


def region_rows(
    name: str,
    modality: str,
    weight: float,
    sums: RegionSums,
    deviations: RegionDeviations | None = None,
) -> list[dict[str, Any]]:
    """A sub-ensemble's rows of the table: one for each region of the atlas, and one for what is outside it.

    Parameters
    ----------
    name, modality : str
        Of the sub-ensemble.
    weight : float
        Years of the ensemble's estimate per year of this sub-ensemble's.
    sums : RegionSums
        Of its map, in years of its own estimate; see `Grids.regions`.
    deviations : RegionDeviations, optional
        From what is usual.
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
            | ({} if deviations is None else _beside(deviations, name, index))
        )
    return rows


def _beside(deviations: RegionDeviations, name: str, index: int) -> dict[str, float]:
    own, whole = (
        (float(deviations.expected[key][index]), float(deviations.z[key][index])) for key in (name, ALL)
    )
    return dict(zip(NORMED, (*own, *whole), strict=True))


def region_columns(target: Target, kind: str = "", normed: bool = False) -> dict[str, dict[str, str]]:
    """What the columns mean; their unit is that of the estimate.

    Parameters
    ----------
    target : Target
    kind : str
        Of reference that the maps are against; by default, they are relevance maps by LRP.
    normed : bool
        Whether there are norms.
    """
    unit = target.unit or "n/a"
    columns = COLUMNS | (AGAINST_REFERENCE if kind else {}) | (NORMED if normed else {})
    return {
        name: {key: unit if key == "Units" else text for key, text in column.items()}
        for name, column in columns.items()
    }
