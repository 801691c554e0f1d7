"""Altered sessions: both grids, untouched sequences, truth, and what their files say."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_brainage.bids.derivatives import Preparations
from bids_brainage.cli.simulate import main
from bids_brainage.errors import InputError
from bids_brainage.injection.change import Change
from bids_brainage.injection.session import alter_session, write_session
from bids_brainage.models.cohorts.people import read_cohort
from bids_brainage.records.reading import read_participant
from tests.injection.heads import finished

IRON = ("--change", "iron", "--dose", "0.4", "--side", "left")


def volume(path: Path) -> np.ndarray:
    return np.asarray(nib.load(path).dataobj)


def inject(*arguments: object) -> int:
    return main(["inject", *map(str, arguments)])


def test_both_grids_show_it_and_other_sequences_are_copied(session, tmp_path):
    before = session.images
    done = write_session(session, alter_session(session, Change("iron", 0.4, "left")), tmp_path / "out")
    after = done.images
    for modality in ("T1w", "FLAIR"):
        assert after.subject[modality].read_bytes() == before.subject[modality].read_bytes()
        assert after.standard[modality].read_bytes() == before.standard[modality].read_bytes()
    for name in ("mask", "forward", "inverse"):
        assert getattr(after, name).read_bytes() == getattr(before, name).read_bytes()
    truth = volume(done.place.path("injected"))
    old = volume(before.subject["T2starw"])
    new = volume(after.subject["T2starw"])
    np.testing.assert_allclose(new, old * (1 - 0.4 * truth), atol=0.02)
    # The person lies in the template here: both grids are the same.
    np.testing.assert_allclose(volume(after.standard["T2starw"]), new, atol=0.02)
    np.testing.assert_allclose(volume(done.place.path("injected_standard")), truth, atol=1e-3)


def test_what_does_not_change_keeps_its_values_on_both_grids(session, tmp_path):
    before = session.images
    done = write_session(session, alter_session(session, Change("lesions", 8)), tmp_path / "out")
    truth = volume(done.place.path("injected"))
    for images in ("subject", "standard"):
        for modality in ("T1w", "T2starw"):
            old, new = (volume(getattr(own, images)[modality]) for own in (before, done.images))
            np.testing.assert_allclose(new[truth == 0], old[truth == 0], rtol=0, atol=old.max() / 60000)
            assert np.abs(new - old)[truth > 0.9].min() > 5
        # Nothing appears where there was no brain.
        assert not volume(getattr(done.images, images)["FLAIR"])[~(volume(before.mask) > 0)].any()


def test_altered_images_for_a_while_are_read_like_the_others(session, tmp_path):
    altered = alter_session(session, Change("lesions", 8))
    there = altered.among(session.images, tmp_path)
    for modality in ("T1w", "FLAIR", "T2starw"):
        assert there.subject[modality].parent == there.standard[modality].parent == tmp_path
        assert there.scanned(modality) == session.images.scanned(modality) == ((2.0, 3.0, 4.0), "linear")
        new = volume(there.subject[modality])
        np.testing.assert_allclose(new, altered.images["subject_image", modality].dataobj, atol=0.01)
    iron = alter_session(session, Change("iron", 0.2)).among(session.images, tmp_path)
    assert iron.subject["T1w"] == session.images.subject["T1w"]


def test_the_record_is_as_valid_as_before_and_says_what_was_done(session, tmp_path):
    change = Change("lesions", 8, region="deep", seed=3)
    done = write_session(session, alter_session(session, change), tmp_path / "out")
    assert all(done.is_whole(stage) for stage in done.record.preprocessing.values())
    for name, stage in session.record.preprocessing.items():
        assert done.record.preprocessing[name].fingerprint == stage.fingerprint
        assert done.record.preprocessing[name].inputs == stage.inputs
    assert done.preparation().altered == "lesions (deep) of 8 ml"
    told = json.loads(done.place.path("injected").with_suffix("").with_suffix(".json").read_text())
    assert told["Change"] == {
        "kind": "lesions", "dose": 8, "side": "both", "region": "deep", "seed": 3, "unit": "ml"
    }  # fmt: skip
    assert told["VolumeML"] == pytest.approx(8, rel=1e-3)
    assert told["VolumeLeftML"] + told["VolumeRightML"] == pytest.approx(told["VolumeML"])
    flair = json.loads(done.images.subject["FLAIR"].with_suffix("").with_suffix(".json").read_text())
    assert "nobody's brain" in flair["Altered"]


def test_a_dataset_and_its_table(prepared, tmp_path, capsys):
    out = tmp_path / "out"
    assert inject(prepared, out, *IRON) == 0
    assert "iron of 40 %, left side only in 1 sessions; 0 were" in capsys.readouterr().out
    columns, row = ((out / "injected.tsv").read_text().splitlines()[i].split("\t") for i in (0, 1))
    table = dict(zip(columns, row, strict=True))
    assert list(json.loads((out / "injected.json").read_text())) == columns
    assert (table["participant_id"], table["side"], table["dose"]) == ("sub-01", "left", "0.4")
    assert (
        float(table["volume_right_ml"]) == 0 < float(table["volume_left_ml"]) < float(table["available_ml"])
    )
    description = json.loads((out / "dataset_description.json").read_text())
    assert [maker["Name"] for maker in description["GeneratedBy"]] == [
        "bids_brainage", "bids_brainage_simulate inject"
    ]  # fmt: skip
    assert "ALTERED" in description["Name"]
    # What the dataset calls itself is text from elsewhere.
    assert "\u202e" not in description["Name"]
    assert "nobody's brain" in (out / "README").read_text()


def test_the_same_command_continues_and_another_one_is_refused(prepared, tmp_path, capsys):
    out = tmp_path / "out"
    assert inject(prepared, out, *IRON) == 0
    image = next(out.glob("sub-01/anat/*space-T1w_desc-preproc_T2starw.nii.gz"))
    written = image.stat().st_mtime_ns
    assert inject(prepared, out, *IRON) == 0
    assert image.stat().st_mtime_ns == written
    image.write_bytes(b"")
    assert inject(prepared, out, *IRON) == 0
    assert image.stat().st_size > 1000
    capsys.readouterr()
    assert inject(prepared, out, "--change", "iron", "--dose", "0.5") == 2
    assert "altered in another way" in capsys.readouterr().err


def test_folders_that_cannot_be_used(prepared, tmp_path, capsys):
    def refused(source: Path, out: Path) -> str:
        assert inject(source, out, *IRON) == 2
        told = capsys.readouterr().err
        assert len(told.splitlines()) == 1
        return told

    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "mine.txt").write_text("x")
    assert "not empty" in refused(prepared, taken)
    assert [path.name for path in taken.iterdir()] == ["mine.txt"]
    assert "outside it" in refused(prepared, prepared / "altered")
    assert "does not exist" in refused(tmp_path / "nothing", tmp_path / "a")
    empty = tmp_path / "empty"
    (empty / "sub-01").mkdir(parents=True)
    (empty / "dataset_description.json").write_text("{}")
    assert "no finished prepared images" in refused(empty, tmp_path / "a")
    assert not (tmp_path / "a").exists()
    assert inject(prepared, tmp_path / "once", *IRON) == 0
    capsys.readouterr()
    assert "altered images already" in refused(tmp_path / "once", tmp_path / "twice")


def test_altered_images_do_not_pass_for_prepared_ones(prepared, tmp_path, caplog):
    out = tmp_path / "out"
    assert inject(prepared, out, *IRON) == 0
    with pytest.raises(InputError, match="altered by bids_brainage_simulate inject"):
        Preparations({"fmriprep": out}, None, None)
    table = tmp_path / "participants.tsv"
    table.write_text("participant_id\tage\nsub-01\t40\n")
    assert [person.participant for person in read_cohort([out], table, ["T1w"]).people] == ["01"]
    assert "which are nobody's" in caplog.text
    caplog.clear()
    read_cohort([prepared], table, ["T1w"])
    assert "nobody's" not in caplog.text


@pytest.mark.parametrize("label", ["../01", "0\n1", "\u202e", "x" * 300, "02"])
def test_labels_that_nobody_has(prepared, tmp_path, capsys, label):
    assert inject(prepared, tmp_path / "out", *IRON, "--participant-label", label) == 2
    told = capsys.readouterr().err
    assert len(told.splitlines()) == 1
    assert "There is no participant" in told
    assert not (tmp_path / "out").exists()


def test_who_cannot_be_altered_is_left_out_by_name(tmp_path, capsys):
    source = tmp_path / "in"
    finished(source)
    finished(source, ("T1w",), label="02")
    (source / "sub-a_b").mkdir()
    out = tmp_path / "out"
    assert inject(source, out, *IRON) == 1
    told = capsys.readouterr().err
    assert "1 of 2 sessions were left out" in told
    assert [own.name for own in read_participant(out, "01")] == ["sub-01"]
    assert not (out / "sub-02").exists()
    assert inject(source, tmp_path / "none", *IRON, "--participant-label", "sub-02") == 2
    assert "sub-02 has no T2starw image" in capsys.readouterr().err
    damaged = next(source.glob("sub-01/anat/*desc-preproc_T1w.nii.gz"))
    damaged.write_bytes(damaged.read_bytes()[:-5])
    assert inject(source, tmp_path / "other", *IRON, "--participant-label", "01") == 2
    assert "not as they were written" in capsys.readouterr().err


@pytest.mark.parametrize("options", [("--dose", "0"), ("--dose", "nan"), ("--region", "frontal")])
def test_senseless_changes_are_told_in_one_sentence(prepared, tmp_path, capsys, options):
    assert inject(prepared, tmp_path / "out", *IRON, *options) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_number_of_processes_does_not_matter(tmp_path):
    source = tmp_path / "in"
    for label in ("01", "02"):
        finished(source, label=label)
    for nprocs in (1, 2):
        assert (
            inject(source, tmp_path / f"{nprocs}", "--change", "lesions", "--dose", 4, "--nprocs", nprocs)
            == 0
        )
    one, two = (tmp_path / f"{nprocs}" for nprocs in (1, 2))
    paths = [path.relative_to(one) for path in one.rglob("*") if path.is_file()]
    assert len(paths) > 40
    for path in paths:
        assert (one / path).read_bytes() == (two / path).read_bytes(), path
