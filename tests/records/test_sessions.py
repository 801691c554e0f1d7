"""At no moment, and however it is interrupted, does a record call finished what is not."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from functools import partial
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_brainage.errors import BrainAgeError, InputError
from bids_brainage.records import writing
from bids_brainage.records.files import check_image, copy_file
from bids_brainage.records.reading import SessionPlace, read_participant, read_record, read_session
from bids_brainage.records.session import TEMPLATE, StageKey, source_stage
from bids_brainage.records.writing import Output, note_seconds, publish

T1W: StageKey = ("preprocessing", "T1w")
FLAIR: StageKey = ("preprocessing", "FLAIR")
FIRST_MODEL: StageKey = ("estimate", "First")
OTHER_MODEL: StageKey = ("estimate", "Other")


@pytest.fixture
def place(tmp_path: Path) -> SessionPlace:
    return SessionPlace.of(tmp_path / "out", "01", "a")


def output(place: SessionPlace, name: str, text: str, sidecar: dict | None = None) -> Output:
    path = place.record.with_name(f"{place.name}_{name}")
    return Output("regions", path, lambda where: where.write_text(text), sidecar=sidecar)


def names(place: SessionPlace) -> set[str]:
    """Files of the session, less what all of their names begin with."""
    return {path.name.removeprefix(f"{place.name}_") for path in place.record.parent.iterdir()}


def finish(place: SessionPlace, key: StageKey, *files: str, fingerprint: str = "x") -> None:
    publish(place, key, fingerprint, [output(place, name, name) for name in files])


def test_a_stage_is_finished_when_its_record_says_so(place: SessionPlace) -> None:
    assert read_session(place) is None
    publish(place, T1W, "print", [output(place, "a.tsv", "1", {"Units": "years"})], seconds={"a": 1.0})
    session = read_session(place)
    assert session is not None
    assert session.is_finished(T1W, "print")
    assert not session.is_finished(T1W, "another print")
    assert not session.is_finished(FIRST_MODEL, "print")
    assert names(place) == {"a.tsv", "a.json", "record.json"}


@pytest.mark.parametrize("change", ["gone", "cut", "other", "folder"])
def test_a_file_that_is_not_what_was_written_undoes_its_stage(place: SessionPlace, change: str) -> None:
    finish(place, T1W, "a.tsv")
    path = place.record.with_name("sub-01_ses-a_a.tsv")
    match change:
        case "gone":
            path.unlink()
        case "cut":
            path.write_text("a.ts")
        case "other":
            path.write_text("b.tsv")
        case "folder":
            path.unlink()
            path.mkdir()
    session = read_session(place)
    assert session is not None
    assert not session.is_finished(T1W, "x")


def test_what_a_new_estimate_does_not_list_is_removed(place: SessionPlace) -> None:
    finish(place, T1W, "t1w.nii")
    finish(place, FIRST_MODEL, "map1.nii", "map2.nii")
    finish(place, OTHER_MODEL, "other.nii")
    finish(place, FIRST_MODEL, "map1.nii", fingerprint="y")
    assert names(place) == {"t1w.nii", "map1.nii", "other.nii", "record.json"}


def test_new_images_take_with_them_what_stood_on_the_old_ones(place: SessionPlace) -> None:
    for key, name in ((T1W, "t1w.nii"), (FLAIR, "flair.nii"), (FIRST_MODEL, "map.nii")):
        finish(place, key, name)
    finish(place, FLAIR, "flair.nii", fingerprint="y")
    assert names(place) == {"t1w.nii", "flair.nii", "record.json"}
    finish(place, FIRST_MODEL, "map.nii")
    finish(place, T1W, "t1w.nii", fingerprint="y")
    assert names(place) == {"t1w.nii", "record.json"}


def test_what_another_model_estimated_does_not_stay_beside_the_new(place: SessionPlace) -> None:
    finish(place, T1W, "t1w.nii")
    for key, name, model in ((FIRST_MODEL, "a", "1"), (OTHER_MODEL, "b", "1"), (FIRST_MODEL, "c", "2")):
        publish(place, key, "x", [output(place, f"{name}.nii", "x")], model=model)
    assert names(place) == {"t1w.nii", "c.nii", "record.json"}


def test_models_side_by_side_keep_each_others_estimates(place: SessionPlace) -> None:
    finish(place, T1W, "t1w.nii")
    for key, name, model, other in ((FIRST_MODEL, "a", "1", "2"), (OTHER_MODEL, "b", "2", "1")):
        publish(place, key, "x", [output(place, f"{name}.nii", "x")], model=model, beside=[other])
    assert names(place) == {"t1w.nii", "a.nii", "b.nii", "record.json"}
    publish(place, FIRST_MODEL, "x", [output(place, "c.nii", "x")], model="3", beside=["2"])
    assert names(place) == {"t1w.nii", "b.nii", "c.nii", "record.json"}


@pytest.mark.parametrize("fails_at", range(4))
def test_interrupted_anywhere_it_is_not_finished_and_leaves_nothing_in_the_end(
    place: SessionPlace, fails_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three files and two sidecars over a finished stage of three others, killed at each of them."""
    finish(place, T1W, "t1w.nii")
    finish(place, FIRST_MODEL, "old1.nii", "old2.nii", "both.nii")

    def dies(path: Path) -> None:
        path.write_text("half")
        raise KeyboardInterrupt

    new = [output(place, name, name, {"a": 1}) for name in ("new1.tsv", "both.nii", "new2.tsv")]
    if fails_at < 3:
        broken = new[fails_at]
        new[fails_at] = Output(broken.role, broken.path, dies)
    else:
        monkeypatch.setattr(writing, "write_json", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        publish(place, FIRST_MODEL, "y", new)
    monkeypatch.undo()
    session = read_session(place)
    assert session is not None
    assert session.is_finished(T1W, "x")
    assert not any(session.is_finished(FIRST_MODEL, fingerprint) for fingerprint in "xy")
    # The next one is of another model, with one file: nothing else may be left.
    finish(place, OTHER_MODEL, "other.nii")
    assert names(place) == {"t1w.nii", "other.nii", "record.json"}


def test_a_record_of_somebody_else_or_of_files_elsewhere_is_none(place: SessionPlace) -> None:
    finish(place, T1W, "a.tsv")
    content = json.loads(place.record.read_text())
    for change in (
        {"participant_id": "sub-02"},
        {"schema_version": 99},
        {"unknown": 1},
        {"preprocessing": {"T1w": content["preprocessing"]["T1w"] | {"files": [_outside("../a")]}}},
        {"preprocessing": {"T1w": content["preprocessing"]["T1w"] | {"files": [_outside("/etc/passwd")]}}},
        {"preprocessing": {"T1w": content["preprocessing"]["T1w"] | {"files": [_outside("sub-02/a")]}}},
    ):
        place.record.write_text(json.dumps(content | change))
        assert read_record(place) is None, change
    place.record.write_text("{")
    assert read_record(place) is None


def _outside(path: str) -> dict:
    return {"path": path, "role": "regions", "bytes": 1, "sha256": "0"}


def test_a_pending_path_outside_of_the_participants_folder_is_not_removed(place: SessionPlace) -> None:
    finish(place, T1W, "a.tsv")
    precious = place.out_dir / "sub-02"
    precious.mkdir()
    (precious / "keep").write_text("x")
    content = json.loads(place.record.read_text())
    for path in ("sub-02/keep", "../out/sub-02/keep", str(precious / "keep")):
        place.record.write_text(json.dumps(content | {"pending": [path]}))
        finish(place, FIRST_MODEL, "b.tsv")
        assert (precious / "keep").exists()


def test_images_that_do_not_say_how_they_were_prepared_are_told_of(place: SessionPlace) -> None:
    image = Output(
        "subject_image", place.path("preproc_T1w"), lambda where: where.write_text("x"), {"modality": "T1w"}
    )
    publish(place, T1W, "x", [dataclasses.replace(image, sidecar={"Preparation": ["odd"]})])
    session = read_session(place)
    assert session is not None
    with pytest.raises(InputError, match=r"ses-a_record\.json.*how its image was prepared"):
        session.preparation()


def test_a_record_that_is_a_pipe_is_not_waited_for(place: SessionPlace) -> None:
    place.record.parent.mkdir(parents=True)
    os.mkfifo(place.record)
    assert read_record(place) is None


def test_nothing_is_removed_through_a_link_or_by_a_name_that_is_not_the_programs(
    place: SessionPlace, tmp_path: Path
) -> None:
    finish(place, T1W, "a.tsv")
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "sub-01_ses-a_keep.txt").write_text("x")
    (place.record.parent / "notes.txt").write_text("x")
    (place.record.parent / "linked").symlink_to(precious)
    content = json.loads(place.record.read_text())
    for path in ("linked/sub-01_ses-a_keep.txt", "notes.txt"):
        pending = [f"sub-01/ses-a/anat/{path}"]
        place.record.write_text(json.dumps(content | {"pending": pending}))
        finish(place, FIRST_MODEL, "b.tsv")
    assert (precious / "sub-01_ses-a_keep.txt").exists()
    assert (place.record.parent / "notes.txt").exists()


@pytest.mark.parametrize("damage", ["gone", "cut", "another schema"])
def test_what_a_lost_record_named_does_not_stay_beside_the_new(place: SessionPlace, damage: str) -> None:
    finish(place, T1W, "t1w.nii")
    finish(place, FIRST_MODEL, "old.nii")
    text = place.record.read_text()
    match damage:
        case "gone":
            place.record.unlink()
        case "cut":
            place.record.write_text(text[:100])
        case "another schema":
            place.record.write_text(text.replace('"schema_version": 1', '"schema_version": 2'))
    finish(place, T1W, "t1w.nii")
    assert names(place) == {"t1w.nii", "record.json"}


def test_half_files_of_a_killed_writer_are_swept(place: SessionPlace) -> None:
    finish(place, T1W, "t1w.nii")
    (place.record.parent / ".tmp-x.nii.gz").write_text("half")
    finish(place, FIRST_MODEL, "map.nii")
    assert names(place) == {"t1w.nii", "map.nii", "record.json"}


def test_seconds_are_noted_for_what_is_finished(place: SessionPlace) -> None:
    note_seconds(place, {T1W: {"register": 2.0}})
    finish(place, T1W, "a.tsv")
    note_seconds(place, {T1W: {"register": 2.0}, FIRST_MODEL: {"explain": 1.0}})
    record = read_record(place)
    assert record is not None
    assert record.preprocessing["T1w"].seconds == {"register": 2.0}
    assert not record.estimates


def test_all_sessions_of_a_participant_are_read_and_of_no_other(tmp_path: Path) -> None:
    for label, session in (("1", None), ("1", "b"), ("1", "a"), ("10", None), ("12", "a")):
        finish(SessionPlace.of(tmp_path, label, session), T1W, "x.tsv")
    assert [found.name for found in read_participant(tmp_path, "1")] == [
        "sub-1",
        "sub-1_ses-a",
        "sub-1_ses-b",
    ]


def test_a_copy_that_differs_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "a"
    source.write_bytes(b"whole")
    monkeypatch.setattr(shutil, "copyfile", lambda _, target: Path(target).write_bytes(b"who"))
    with pytest.raises(BrainAgeError, match="differs"):
        copy_file(source, tmp_path / "b")


def test_an_image_that_is_cut_off_is_told(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in ("a.nii", "a.nii.gz"):
        path = tmp_path / name
        nib.Nifti1Image(rng.integers(0, 99, (20, 20, 20), np.int16), np.eye(4)).to_filename(path)
        check_image(path)
        path.write_bytes(path.read_bytes()[:-40])
        with pytest.raises(BrainAgeError, match="cannot be read back"):
            check_image(path)


def test_a_full_disk_leaves_the_stage_unfinished_and_no_half_file(place: SessionPlace) -> None:
    def full(path: Path) -> None:
        path.write_text("half")
        raise OSError(28, "No space left on device")

    finish(place, T1W, "a.tsv")
    with pytest.raises(OSError, match="No space"):
        publish(
            place,
            FIRST_MODEL,
            "x",
            [Output("regions", place.record.with_name("sub-01_ses-a_b.tsv"), partial(full))],
        )
    assert names(place) == {"a.tsv", "record.json"}


def test_an_image_that_is_kept_as_it_is_stands_on_no_other(place: SessionPlace) -> None:
    scanned: StageKey = ("preprocessing", source_stage("T2w", "native"))
    finish(place, scanned, "scanned.nii")
    finish(place, T1W, "t1w.nii")
    assert names(place) == {"scanned.nii", "t1w.nii", "record.json"}
    finish(place, ("preprocessing", TEMPLATE), "warp.h5")
    finish(place, FLAIR, "flair.nii")
    finish(place, FIRST_MODEL, "map.nii")
    finish(place, scanned, "scanned.nii", fingerprint="y")
    assert names(place) == {"scanned.nii", "t1w.nii", "warp.h5", "flair.nii", "record.json"}
    finish(place, ("preprocessing", TEMPLATE), "warp.h5", fingerprint="y")
    assert names(place) == {"scanned.nii", "t1w.nii", "warp.h5", "record.json"}
