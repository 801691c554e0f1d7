"""Relevance maps of simulated brains against their truth."""

from __future__ import annotations

import csv
import json

import nibabel as nib
import numpy as np
import pytest

from bids_brainage.cli import simulate
from bids_brainage.records.reading import PreparedImages
from bids_brainage.simulation.cohort import Settings, write_cohort
from bids_brainage.studies import brain_truth
from bids_brainage.studies.brain_truth import TruthTask, measure_person, regions_of, score_maps, summarise
from tests.integration.small_bundle import make_bundle


def find(rows, **wanted):
    return next(row for row in rows if all(row[key] == value for key, value in wanted.items()))


def test_scores_worked_out_by_hand():
    relevance = np.array([[[4.0, 2.0, -3.0, -1.0, 0.0]]])
    share = np.array([[[0.5, 0.0, 0.0, 1.0, 0.0]]], np.float32)
    brain = np.array([[[1.0, 1.0, 1.0, 1.0, 0.0]]], np.float32)
    rows = score_maps({"LRP": relevance}, {"lesions": share, "iron": 0 * share}, brain)
    near = find(rows, region="lesions", distance=0)
    # Half of the 4 among 6 positive years; the 1 among 4 negative ones; 1.5 of 4 voxels; 2 - 1 years.
    assert near["older"] == pytest.approx(2 / 6)
    assert near["younger"] == pytest.approx(1 / 4)
    assert near["chance"] == pytest.approx(1.5 / 4)
    assert near["relevance"] == pytest.approx(1)
    wide = find(rows, region="lesions", distance=1)
    assert (wide["older"], wide["younger"], wide["chance"], wide["relevance"]) == (1, 1, 1, 2)
    assert find(rows, region="iron", distance=0)["older"] is None


def test_labels_mean_what_the_truths_table_says(tmp_path):
    write_cohort(tmp_path, Settings(1, 4, False, (20.0, 80.0)), n=1)
    with (tmp_path / "derivatives/truth/desc-ageing_dseg.tsv").open() as stream:
        names = {row["name"]: int(row["index"]) for row in csv.DictReader(stream, delimiter="\t")}
    masks = regions_of(np.arange(len(names)))
    for region, word in (("lesions", "lesions"), ("ventricles", "ventricle"), ("iron", "iron")):
        assert set(np.flatnonzero(masks[region])) == {i for name, i in names.items() if word in name}
    assert sum(mask.astype(int) for mask in masks.values()).tolist() == [0] + [1] * (len(names) - 1)


def test_means_over_people_and_ages():
    rows = [
        {
            "participant_id": f"sub-{age}",
            "age": age,
            "modality": "FLAIR",
            "method": "LRP",
            "region": "lesions",
        }
        | {"distance": 0, "older": older, "younger": older, "chance": 0.1, "relevance": age / 10}
        for age, older in ((30.0, None), (45.0, 0.1), (60.0, 0.2), (70.0, 0.4))
    ]
    whole, older = summarise(rows)
    assert (whole["ages"], whole["n"], older["ages"], older["n"]) == ("all", 3, "from 50", 2)
    assert whole["older"] == pytest.approx(0.7 / 3)
    assert older["older"] == pytest.approx(0.3)
    assert older["times_chance"] == pytest.approx(3)
    assert whole["r_with_age"] == pytest.approx(1)


@pytest.fixture(scope="module")
def person(tmp_path_factory):
    """A simulated person at 4 mm, a bundle of random networks at 8 mm, and the brain as its own truth."""
    folder = tmp_path_factory.mktemp("truth")
    write_cohort(folder / "bids", Settings(1, 4, False, (60.0, 80.0)), n=1)
    anat = folder / "bids" / "sub-0001" / "anat"
    image = nib.load(anat / "sub-0001_T1w.nii.gz")
    mask = nib.Nifti1Image((np.asarray(image.dataobj) > 0).astype(np.uint8), image.affine)
    mask.to_filename(folder / "mask.nii.gz")
    # All of the brain has the first label: that of the lateral ventricles.
    mask.to_filename(folder / "all.nii.gz")
    make_bundle(folder / "bundle")
    nowhere = folder / "none.h5"
    images = PreparedImages(
        folder / "mask.nii.gz", nowhere, nowhere, {"T1w": anat / "sub-0001_T1w.nii.gz"}, {}
    )
    task = TruthTask("0001", 70.0, "T1w", images, folder / "all.nii.gz", str(folder / "bundle"), "Simulated")
    return task


def test_all_relevance_lies_in_a_region_that_is_the_brain(person):
    rows = measure_person(person)
    for method in brain_truth_methods():
        row = find(rows, region="ventricles", method=method, distance=0)
        # Voxels at the surface are brain in part, and count in part.
        assert row["older"] == pytest.approx(1, abs=0.35)
        assert row["chance"] == pytest.approx(1)
        wide = find(rows, region="ventricles", method=method, distance=1)
        assert wide["relevance"] == pytest.approx(row["relevance"], rel=1e-6)
        assert find(rows, region="iron", method=method, distance=0)["older"] is None
    sums = {row["relevance"] for row in rows if row["region"] == "ventricles"}
    assert len(sums) == len(brain_truth_methods())


def brain_truth_methods():
    from bids_brainage.relevance.comparison import METHODS

    return list(METHODS)


def test_tables_are_written_with_their_dictionaries(person, tmp_path, monkeypatch):
    rows = measure_person(person)
    for row in rows:
        assert set(row) <= set(columns("people"))
    summary = summarise(rows)
    assert list(summary[0]) == columns("summary")
    brain_truth.write_table(tmp_path / "truth.tsv", summary, "summary")
    header = (tmp_path / "truth.tsv").read_text().splitlines()[0].split("\t")
    assert header == list(json.loads((tmp_path / "truth.json").read_text()))


def columns(name):
    import yaml

    path = simulate.Path(simulate.__file__).parents[1] / "data" / "simulation" / "truth_tables.yaml"
    return list(yaml.safe_load(path.read_text())[name])


def test_a_dataset_without_truth_is_refused(tmp_path, capsys):
    assert simulate.main(["truth", str(tmp_path), str(tmp_path), str(tmp_path / "out")]) == 2
    assert "derivatives/truth" in capsys.readouterr().err
