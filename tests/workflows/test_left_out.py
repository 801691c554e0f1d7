"""A FLAIR or T2*w image that cannot be used is left out by name, and tried again only where that may help."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bids_brainage.bids.selection import Selection, SessionInputs
from bids_brainage.config import RunConfig
from bids_brainage.errors import InputError
from bids_brainage.records.reading import SessionPlace, read_record
from bids_brainage.records.session import FIRST, TEMPLATE
from bids_brainage.records.writing import publish
from bids_brainage.workflows.completion import session_state
from bids_brainage.workflows.crashes import Crash
from bids_brainage.workflows.left_out import unusable_sequences
from bids_brainage.workflows.run import RunOutcome, run_participants
from bids_brainage.workflows.sources import with_all_modalities
from tests.workflows.test_graphs import published

BASE = "wf.sub_01.preprocessing_wf"


def crash(node: str, kind: str = "ImageError", sentence: str = "It is odd.") -> Crash:
    return Crash(sentence, Path("crash.txt"), tuple(node.split(".")), kind)


def test_what_was_found_out_about_a_sequence_leaves_it_out() -> None:
    crashes = [crash(f"{BASE}.flair_wf.check"), crash(f"{BASE}.t2starw_wf.same_head", sentence="Other.")]
    assert unusable_sequences(crashes) == {"FLAIR": "It is odd.", "T2starw": "Other."}
    assert unusable_sequences([]) == {}
    scanned = [crash(f"{BASE}.t2w_native_wf.check"), crash(f"{BASE}.t2w_wf.check")]
    assert unusable_sequences(scanned) == {"T2w/native": "It is odd.", "T2w": "It is odd."}


@pytest.mark.parametrize(
    "other",
    [
        crash(f"{BASE}.flair_wf.align", kind=""),  # OSError of a full disk, for example
        crash(f"{BASE}.flair_wf.align", kind="BrainAgeError"),  # a killed worker
        crash(f"{BASE}.flair_wf.check", kind="UnreachableError"),
        crash(f"{BASE}.anatomical_wf.conform"),
        crash(f"{BASE}.t1w_given_wf.check"),
        crash(f"{BASE}.t1w_freesurfer_brainmask_wf.check"),
        crash(f"{BASE}.template_wf.register"),
        crash("wf.sub_01.estimate"),
    ],
)
def test_a_failure_of_another_kind_or_step_fails_the_person(other: Crash) -> None:
    assert unusable_sequences([other]) == {}
    assert unusable_sequences([crash(f"{BASE}.t2starw_wf.check"), other]) == {}


@pytest.fixture
def session(tmp_path: Path) -> SessionInputs:
    """Somebody whose FLAIR is empty; the T1w image is prepared already."""
    anat = tmp_path / "bids/sub-01/anat"
    anat.mkdir(parents=True)
    (tmp_path / "bids/dataset_description.json").write_text('{"Name": "x", "BIDSVersion": "1.9.0"}')
    (anat / "sub-01_T1w.nii").write_bytes(b"1")
    (anat / "sub-01_FLAIR.nii").touch()
    images = {name: (anat / f"sub-01_{name}.nii",) for name in ("T1w", "FLAIR")}
    return SessionInputs("01", None, images)


@pytest.fixture
def run(tmp_path: Path, session: SessionInputs) -> Callable[..., RunOutcome]:
    def call(inputs: SessionInputs = session, **settings: object) -> RunOutcome:
        config = RunConfig(
            bids_dir=tmp_path / "bids",
            output_dir=tmp_path / "out",
            work_dir=tmp_path / "work",
            preproc_only=True,
            run_id=f"run{len(list((tmp_path / 'out/logs').glob('*')))}",
            **settings,  # type: ignore[arg-type]
        )
        config.log_dir.mkdir(parents=True)
        state = session_state(inputs, config)
        place = SessionPlace.of(config.output_dir, "01", None)
        for name in (name for name in (FIRST, TEMPLATE) if name in state.unprepared):
            key = ("preprocessing", name)
            files = list(published(place, name))
            publish(place, key, state.preprocessing[name], files, inputs=state.inputs[name])
        return run_participants(config, [inputs])

    return call


def left_out(tmp_path: Path) -> str | None:
    record = read_record(SessionPlace.of(tmp_path / "out", "01", None))
    return record.preprocessing["FLAIR"].left_out if record and "FLAIR" in record.preprocessing else None


def crashes(tmp_path: Path) -> int:
    return len(list((tmp_path / "out/logs").glob("*/crash-*.txt")))


def test_an_unusable_sequence_is_left_out_flagged_and_not_tried_again(
    run: Callable[..., RunOutcome], tmp_path: Path, session: SessionInputs
) -> None:
    first = run()
    assert first.done == ("sub-01",)
    assert "sub-01_FLAIR.nii is empty" in str(left_out(tmp_path))
    flag = next(own for own in first.flags if own.flag == "modality_left_out")
    assert "FLAIR is left out" in flag.text
    assert "sub-01_FLAIR.nii is empty" in flag.text
    count = crashes(tmp_path)
    again = run()
    assert again.skipped == ("sub-01",)
    assert [own.flag for own in again.flags] == ["modality_left_out"]
    assert crashes(tmp_path) == count
    # Another image is tried.
    session.images["FLAIR"][0].write_bytes(b"not an image either")
    assert run().done == ("sub-01",)
    assert "is empty" not in str(left_out(tmp_path))


def test_who_requires_all_sequences_has_the_person_failed_before_and_after(
    run: Callable[..., RunOutcome], tmp_path: Path
) -> None:
    for _ in range(2):
        outcome = run(require_all_modalities=True)
        assert "sub-01_FLAIR.nii is empty" in outcome.failed["sub-01"]
    assert left_out(tmp_path) is None
    assert run().done == ("sub-01",)
    assert "sub-01_FLAIR.nii is empty" in run(require_all_modalities=True).failed["sub-01"]
    assert run().skipped == ("sub-01",)


def test_a_run_that_stops_at_the_first_crash_stops_at_an_unusable_sequence(
    run: Callable[..., RunOutcome], tmp_path: Path
) -> None:
    assert list(run(stop_on_first_crash=True).failed) == ["sub-01"]
    assert left_out(tmp_path) is None


def test_of_several_runs_each_is_needed(
    run: Callable[..., RunOutcome], tmp_path: Path, session: SessionInputs
) -> None:
    flair = session.images["FLAIR"][0]
    second = flair.with_name("sub-01_run-2_FLAIR.nii")
    second.touch()
    inputs = replace(session, images={**session.images, "FLAIR": (flair, second)})
    assert run(inputs).done == ("sub-01",)
    assert "is empty" in str(left_out(tmp_path))


def test_an_image_that_is_not_there_now_fails_the_person(
    run: Callable[..., RunOutcome], tmp_path: Path, session: SessionInputs
) -> None:
    session.images["FLAIR"][0].unlink()
    assert "sub-01_FLAIR.nii" in run().failed["sub-01"]
    assert left_out(tmp_path) is None


def test_who_lacks_a_sequence_fails_by_name_where_all_are_required(session: SessionInputs) -> None:
    config = RunConfig(bids_dir=Path("/b"), output_dir=Path("/o"), modalities=("T1w", "FLAIR"))
    without = SessionInputs("02", None, {"T1w": session.images["T1w"]})
    both = Selection((session, without), {"sub-03": "no T1w"})
    assert with_all_modalities(both, config) is both
    required = replace(config, require_all_modalities=True)
    found = with_all_modalities(both, required)
    assert found.sessions == (session,)
    assert list(found.failed) == ["sub-03", "sub-02"]
    assert "sub-02 has no FLAIR image" in found.failed["sub-02"]
    with pytest.raises(InputError, match=r"None of the 2 .* sub-02 has no FLAIR"):
        with_all_modalities(Selection((without,), {"sub-03": "no T1w"}), required)
