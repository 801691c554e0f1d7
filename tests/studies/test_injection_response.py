"""What a model makes of injected changes: measured by hand on small maps, and from people to the tables."""

from __future__ import annotations

import csv
import json
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest

from bids_brainage.cli.simulate import main
from bids_brainage.studies.injection_response import short_table, summarise
from bids_brainage.studies.response_measures import Place, measure_map, moved_near, place_of, share
from tests.injection.heads import finished
from tests.integration.small_bundle import make_bundle


def test_years_near_a_change_and_on_either_side():
    difference = np.array([[[4.0, 2.0, -1.0, 0.5]]])
    place = Place(
        near=np.array([[[True, True, False, False]]]),
        brain=np.array([[[1.0, 1.0, 1.0, 0.5]]], np.float32),
        left=np.array([[[1.0, 0.5, 0.0, 0.0]]], np.float32),
    )
    found = measure_map(difference, place)
    assert found == pytest.approx({"mapped": 5.5, "near": 6.0, "left": 5.0, "right": 0.5})
    assert place.chance == pytest.approx(2 / 3.5)
    assert moved_near(difference, place) == pytest.approx(6 / 7.5)
    assert moved_near(0 * difference, place) is None
    assert share(6.0, 8.0) == 0.75
    assert share(6.0, 0.0) is None


class Blocks:
    """Networks' voxels are blocks of two voxels along the first axis."""

    def covered(self, mask: nib.Nifti1Image) -> np.ndarray:
        return (np.asarray(mask.dataobj) > 0).reshape(-1, 2, 1, 1).mean(axis=1).astype(np.float32)


def placed(truth: np.ndarray, brain: np.ndarray) -> Place:
    image, mask = (nib.Nifti1Image(v.astype(np.float32).reshape(-1, 1, 1), np.eye(4)) for v in (truth, brain))
    left = np.arange(len(truth)).reshape(-1, 1, 1) < 5
    seen = SimpleNamespace(placement=Blocks())
    return place_of(seen, image, mask, left)


def test_near_is_what_has_changed_and_its_neighbours():
    truth, brain = np.zeros(12), np.ones(12)
    truth[4] = 1.0
    place = placed(truth, brain)
    assert place.near.ravel().tolist() == [False, True, True, True, False, False]
    # The third block lies half on the left.
    assert place.left.ravel().tolist() == [1, 1, 0.5, 0, 0, 0]
    assert place.chance == pytest.approx(0.5)


def test_faint_rims_and_what_is_not_seen_do_not_count():
    truth, brain = np.zeros(12), np.ones(12)
    truth[4], truth[10], truth[0] = 1.0, 0.05, 0.5
    brain[:2] = 0
    assert placed(truth, brain).near.ravel().tolist() == [False, True, True, True, False, False]
    assert not placed(np.eye(12)[0], brain).near.any()


def row(dose: float, gained: float, near: float, left: float, right: float, side: str = "left") -> dict:
    same = {"change": "iron", "region": None, "side": side, "unit": "share", "ensemble": "TypeI"}
    same |= {"sub_ensemble": "WholeBrain_T2starw", "method": "dba", "chance": 0.1, "moved_near": near / 10}
    return same | {"dose": dose, "gained": gained, "near": near, "left": left, "right": right}


def test_people_who_respond_are_asked_where():
    rows = [
        row(0.4, 10.0, 8.0, 9.0, 1.0),
        row(0.4, 4.0, 1.0, 1.0, 3.0),
        row(0.4, -6.0, -6.0, -5.0, -1.0),
        row(0.4, 1.0, 50.0, 0.0, 1.0),
        row(0.2, 1.0, 1.0, 1.0, 0.0),
    ]
    high, low = summarise(rows)
    assert (high["n"], high["responding"], high["own_side"]) == (4, 3, 2)
    assert high["gained"] == pytest.approx(9 / 4)
    assert high["near_share"] == pytest.approx((8 + 1 + 6) / 20)
    assert high["moved_near"] == pytest.approx((0.8 + 0.1 - 0.6) / 3)
    assert high["near_share_least"] == pytest.approx(0.25)
    assert (low["responding"], low["near_share"], low["gained_sd"]) == (0, None, None)
    assert "75 % near the change (chance 10 %), right side in 2; 3 of 4" in short_table([high, low])
    assert summarise([row(0.4, 10.0, 8.0, 9.0, 1.0, side="both")])[0]["own_side"] is None
    assert "No estimate" in short_table([low])


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """Two prepared people with ages, one of whom has no T2starw image, and a bundle of random networks."""
    folder = tmp_path_factory.mktemp("response")
    raw = folder / "raw"
    raw.mkdir()
    (raw / "dataset_description.json").write_text('{"Name": "Two", "BIDSVersion": "1.9.0"}')
    (raw / "participants.tsv").write_text("participant_id\tage\nsub-01\t40\nsub-02\t60\n")
    finished(folder / "prepared", noise=2)
    finished(folder / "prepared", ("T1w",), label="02", noise=2)
    make_bundle(folder / "bundle")
    return folder


def respond(people, out, *options):
    where = [str(people / name) for name in ("raw", "prepared")]
    return main(["respond", *where, str(out), "--model", str(people / "bundle"), "--nprocs", "1", *options])


def read(path):
    with path.open(newline="") as table:
        return list(csv.DictReader(table, delimiter="\t"))


def test_from_people_to_tables_and_figure(people, tmp_path, capsys):
    options = ["--change", "iron", "--side", "left", "--doses", "0.6", "0.3", "0.6", "--methods", "preset-a"]
    assert respond(people, tmp_path, *options) == 0
    assert "All figures are in" in capsys.readouterr().out
    rows = read(tmp_path / "response_people.tsv")
    # Who has no T2starw image cannot be asked.
    assert {own["participant_id"] for own in rows} == {"sub-01"}
    assert {float(own["dose"]) for own in rows} == {0.3, 0.6}
    assert {own["modality"] for own in rows} == {"T2starw", "n/a"}
    whole = [own for own in rows if own["sub_ensemble"] == "WholeBrain_T2starw"]
    assert all(float(own["gained"]) != 0 for own in whole)
    for own in rows:
        gained, mapped = float(own["gained"]), float(own["mapped"])
        assert float(own["after"]) - float(own["before"]) == pytest.approx(gained, abs=1e-3)
        assert float(own["left"]) + float(own["right"]) == pytest.approx(mapped, abs=1e-4)
    # The ensemble's map is the weighted sum of those of its sub-ensembles: here of one.
    total = next(own for own in rows if own["sub_ensemble"] == "all" and own["dose"] == whole[0]["dose"])
    weights = [float(total[key]) / float(whole[0][key]) for key in ("gained", "mapped", "near")]
    assert weights == pytest.approx([weights[0]] * 3, rel=1e-2)
    summary = read(tmp_path / "response.tsv")
    for name, table in (("response_people", rows), ("response", summary)):
        assert list(json.loads((tmp_path / f"{name}.json").read_text())) == list(table[0])
    assert "<svg" in (tmp_path / "response.svg").read_text()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--methods", "guess"], "--methods guess is unknown"),
        (["--doses", "2"], "--dose 2 is not possible for iron"),
        (["--participant-label", "02"], "sub-02 has no T2starw image"),
        (["--methods", "dba"], "No map of the model"),
    ],
)
def test_what_cannot_be_asked_is_told_in_one_sentence(people, tmp_path, capsys, options, told):
    assert respond(people, tmp_path / "out", "--change", "iron", "--doses", "0.3", *options) == 2
    assert told in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "out").exists()
