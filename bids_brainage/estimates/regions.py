"""Relevance by atlas region: one row per sub-ensemble and region."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bids_brainage.records.estimate import Target

if TYPE_CHECKING:
    import nibabel as nib

OUTSIDE = ("outside the atlas", "n/a")
COLUMNS: dict[str, dict[str, str]] = {
    "sub_ensemble": {"Description": "Sub-ensemble whose map is summed"},
    "modality": {"Description": "Sequence that the sub-ensemble sees"},
    "index": {"Description": "Label of the region in the merged atlas; 0 is outside it"},
    "region": {"Description": "Name of the region"},
    "hemisphere": {"Description": "L, R, or B for both or in the middle"},
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
    "voxels": {"Description": "Voxels of the region in MNI152NLin6Asym at 2 mm"},
}


def region_rows(name: str, modality: str, weight: float, standard: nib.Nifti1Image) -> list[dict[str, Any]]:
    """Sum a sub-ensemble's map in standard space over the regions of the atlas.

    Every voxel belongs to one region, so that the rows add up to the map's sum.

    Parameters
    ----------
    name, modality : str
        Of the sub-ensemble.
    weight : float
        Years of the ensemble's estimate per year of this sub-ensemble's.
    standard : nibabel.Nifti1Image
        In years of the sub-ensemble's own estimate.
    """
    from bids_brainage.preprocessing.templates import atlas
    from bids_brainage.relevance.regions import region_sums

    labels, table = atlas()
    known = dict(zip(table["index"], zip(table["name"], table["hemisphere"], strict=True), strict=True))
    sums = region_sums(np.asarray(standard.dataobj, dtype=np.float64), np.asarray(labels.dataobj))
    rows = []
    for index, total, positive, negative, voxels in zip(
        sums.labels, sums.total, sums.positive, sums.negative, sums.voxels, strict=True
    ):
        region, hemisphere = known.get(int(index), OUTSIDE)
        rows.append(
            {"sub_ensemble": name, "modality": modality, "index": int(index)}
            | {"region": region, "hemisphere": hemisphere}
            | {"relevance": float(total), "positive": float(positive), "negative": float(negative)}
            | {"contribution": weight * float(total), "voxels": int(voxels)}
        )
    return rows


def region_columns(target: Target) -> dict[str, dict[str, str]]:
    """What the columns mean; their unit is that of the estimate."""
    unit = target.unit or "n/a"
    return {
        name: {key: unit if key == "Units" else text for key, text in column.items()}
        for name, column in COLUMNS.items()
    }
