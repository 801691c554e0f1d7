"""What sidecars of prepared images say of their scans, whoever wrote them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bids_brainage.models.cohorts.images import person_images
from bids_brainage.records.reading import PreparedImages


def _images(folder: Path, sidecar: object) -> PreparedImages:
    image = folder / "sub-01_desc-preproc_T1w.nii.gz"
    if sidecar is not None:
        image.with_name("sub-01_desc-preproc_T1w.json").write_text(json.dumps(sidecar))
    nowhere = folder / "none"
    return PreparedImages(nowhere, nowhere, nowhere, {"T1w": image}, {})


def test_extent_and_interpolation_are_read(tmp_path: Path) -> None:
    images = _images(tmp_path, {"ScannedVoxelExtent": [1, 0.9, 5.0], "Interpolation": "linear"})
    assert images.scanned("T1w") == ((1.0, 0.9, 5.0), "linear")
    scanned = person_images(images).scanned["T1w"]
    assert (scanned.extent, scanned.interpolation) == ((1.0, 0.9, 5.0), "linear")


@pytest.mark.parametrize(
    "sidecar",
    [
        None,
        {},
        {"ScannedVoxelExtent": None, "Interpolation": "linear"},
        {"ScannedVoxelExtent": [1, 1], "Interpolation": "none"},
        {"ScannedVoxelExtent": [1, 1, "1"], "Interpolation": "none"},
        {"ScannedVoxelExtent": [1, 1, -2], "Interpolation": "none"},
        {"ScannedVoxelExtent": "111", "Interpolation": "none"},
    ],
)
def test_what_is_not_said_is_not_known(tmp_path: Path, sidecar: object) -> None:
    images = _images(tmp_path, sidecar)
    assert images.scanned("T1w") is None
    assert person_images(images).scanned == {}
