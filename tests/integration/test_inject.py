"""Altered images through the real command, and beside what the simulation makes of the same change."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bids_brainage.cli.run import main as run
from bids_brainage.cli.simulate import main as simulate
from bids_brainage.injection.change import Change
from bids_brainage.injection.head import Head, atlas_at
from bids_brainage.injection.kinds import inject
from bids_brainage.simulation.anatomy import draw_shape, template_points
from bids_brainage.simulation.grid import Grid
from bids_brainage.simulation.people import draw_character
from bids_brainage.simulation.person import simulate_person
from bids_brainage.simulation.template import load_template
from bids_brainage.simulation.tissue import age_tissue


@pytest.mark.slow
def test_altered_images_are_estimated_and_never_prepared(bundle: Path, tmp_path: Path, capsys) -> None:
    raw, prepared, altered = (tmp_path / name for name in ("raw", "prepared", "altered"))
    assert simulate(["cohort", str(raw), "--n", "2", "--seed", "3", "--voxel-size", "4"]) == 0

    def participant(out: Path, label: str, *options: str) -> int:
        common = ["-w", str(tmp_path / "work"), "--skip-bids-validation", "--participant-label", label]
        return run([str(raw), str(out), "participant", "--model", str(bundle), *common, *options])

    assert participant(prepared, "0001", "--preproc-only") == 0
    options = ["--change", "iron", "--dose", "0.5", "--side", "left"]
    assert simulate(["inject", str(prepared), str(altered), *options]) == 0
    images = {path: path.stat().st_mtime_ns for path in altered.rglob("*preproc*.nii.gz")}
    for out in (prepared, altered):
        assert participant(out, "0001") == 0
    # Nothing was prepared again.
    assert {path: path.stat().st_mtime_ns for path in altered.rglob("*preproc*.nii.gz")} == images
    before, after = (
        json.loads((out / "sub-0001/anat/sub-0001_desc-TypeI_brainage.json").read_text())
        for out in (prepared, altered)
    )
    parts = zip(before["sub_ensembles"], after["sub_ensembles"], strict=True)
    for own, new in parts:
        assert (own["brain_age"] == new["brain_age"]) == (own["modality"] != "T2starw")
    assert "images_altered" in [flag["code"] for flag in after["flags"]]
    assert "iron of 50 %, left side only" in after["disclaimer"]
    assert "images_altered" not in [flag["code"] for flag in before["flags"]]
    assert "nobody&#39;s brain" in (altered / "sub-0001.html").read_text()
    assert "ALTERED" in json.loads((altered / "dataset_description.json").read_text())["Name"]
    # Somebody else's real images do not come to stand among them, nor under other options.
    assert participant(altered, "0002") == 1
    assert participant(altered, "0001", "--skull-strip", "none") == 1
    assert "nothing is prepared into this folder" in capsys.readouterr().err
    assert not (altered / "sub-0002").exists()
    assert {path: path.stat().st_mtime_ns for path in altered.rglob("*preproc*.nii.gz")} == images


@pytest.mark.slow
def test_lesions_look_like_those_of_somebody_simulated_with_more_of_them() -> None:
    young = draw_character(4, 0, (40.0, 40.0), 40.0)
    ages = dict(young.process_ages) | {"lesions_periventricular": 30.0, "lesions_deep": 30.0}
    without = replace(young, process_ages=ages)
    with_many = replace(young, process_ages=ages | {"lesions_periventricular": 75.0, "lesions_deep": 75.0})
    old, healthy = (simulate_person(4, 0, character=person) for person in (with_many, without))
    template, shape, grid = load_template(2.0), draw_shape(young, 4), Grid.of_box("brain", 2.0)
    volume = float(age_tissue(template, with_many, 4).lesion.sum() * 8 / 1000)
    points = template_points(shape, grid)
    mask = healthy.images["T1w"] > 0
    points[:, ~mask] = 1e3
    labels, codes = atlas_at(points)
    images = {m: image.astype(np.float32) for m, image in healthy.images.items()}
    head = Head("sub-0001", healthy.affine, mask, points, labels, codes, images)
    altered = inject(head, Change("lesions", volume))
    assert volume > 1
    for modality, sign in (("FLAIR", 1), ("T1w", -1)):
        simulated = float((old.images[modality].astype(float) - healthy.images[modality]).sum())
        injected = float((altered.images[modality] - images[modality]).sum())
        assert np.sign(simulated) == sign
        assert 0.6 < injected / simulated < 1.7
    # As bright, too: the brightest hundredth of what has become brighter.
    brighter = old.images["FLAIR"].astype(float) - healthy.images["FLAIR"]
    own = altered.images["FLAIR"] - images["FLAIR"]
    count = int(volume * 1000 / 8 / 10)
    peaks = [np.sort(image, axis=None)[-count:].mean() for image in (own, brighter)]
    assert peaks[0] == pytest.approx(peaks[1], rel=0.4)
