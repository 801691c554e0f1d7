"""What becomes of a run in which somebody fails, or at whose people another run is at work."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bids_brainage.bids.selection import SessionInputs
from bids_brainage.config import RunConfig
from bids_brainage.locks import participant_lock
from bids_brainage.workflows import run
from bids_brainage.workflows.models import Models
from bids_brainage.workflows.participant import BATCH
from bids_brainage.workflows.run import RunOutcome, run_participants

Run = Callable[..., RunOutcome]


@pytest.fixture
def run_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run two people, one after the other, whose images are empty: their first step fails, in a worker."""
    monkeypatch.setattr(run, "SMALLEST_BATCH", 1)
    monkeypatch.setattr(run, "PARTICIPANTS_PER_PROCESS", 1)

    def call(folder: Path = tmp_path, **settings: object) -> RunOutcome:
        bids = folder / "bids"
        sessions = []
        for label in ("01", "02"):
            image = bids / f"sub-{label}/anat/sub-{label}_T1w.nii"
            image.parent.mkdir(parents=True, exist_ok=True)
            image.write_bytes(b"")
            sessions.append(SessionInputs(participant=label, session=None, images={"T1w": (image,)}))
        (bids / "dataset_description.json").write_text('{"Name": "x", "BIDSVersion": "1.9.0"}')
        config = RunConfig(
            bids_dir=bids,
            output_dir=folder / "out",
            work_dir=folder / "work",
            preproc_only=True,
            **settings,  # type: ignore[arg-type]
        )
        config.log_dir.mkdir(parents=True)
        return run_participants(config, sessions)

    return call


def test_everybody_is_tried_and_named(run_broken: Run) -> None:
    assert list(run_broken().failed) == ["sub-01", "sub-02"]


def test_the_first_crash_stops_the_run_and_has_a_name(run_broken: Run) -> None:
    outcome = run_broken(stop_on_first_crash=True)
    assert list(outcome.failed) == ["sub-01"]
    assert "sub-01_T1w.nii is empty" in outcome.failed["sub-01"]


def test_whom_another_run_is_at_fails_by_name_and_the_others_are_tried(
    run_broken: Run, tmp_path: Path
) -> None:
    with participant_lock(tmp_path / "work", "01"):
        outcome = run_broken()
    assert "Another run is working on sub-01" in outcome.failed["sub-01"]
    assert "sub-02_T1w.nii is empty" in outcome.failed["sub-02"]
    assert not list((tmp_path / "work").glob("*.lock"))
    assert not list((tmp_path / "work").rglob("sub_01"))


def test_paths_may_hold_what_nipypes_settings_take_for_more(run_broken: Run, tmp_path: Path) -> None:
    folder = tmp_path / "50 %(x)s of %d $HOME {y}"
    assert "is empty" in run_broken(folder).failed["sub-01"]
    assert len(list((folder / "out/logs/run").glob("crash-*.txt"))) == 2


@pytest.mark.parametrize("settings", [{"reports_only": True}, {"stop_on_first_crash": True}])
def test_the_steps_of_whom_nothing_is_finished_stay(
    settings: dict[str, bool], run_broken: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "SMALLEST_BATCH", 8)
    steps, seconds = tmp_path / "work" / BATCH / "sub_02/step/result", tmp_path / "work/seconds/sub-02.json"
    for path in (steps, seconds):
        path.parent.mkdir(parents=True)
        path.write_text("{}")
    assert "sub-02" not in run_broken(**settings).failed
    assert steps.exists()
    assert seconds.exists()


@pytest.fixture
def write_page(tmp_path: Path) -> Iterator[Callable[[], dict[str, str]]]:
    """Write the page of somebody who has no estimate yet; gives whose could not be written."""
    (tmp_path / "bids").mkdir()
    config = RunConfig(bids_dir=tmp_path / "bids", output_dir=tmp_path / "out", work_dir=tmp_path / "work")
    (tmp_path / "bids/dataset_description.json").write_text('{"Name": "x"}')
    config.log_dir.mkdir(parents=True)
    session = SessionInputs(participant="01", session=None, images={"T1w": (tmp_path / "x.nii",)})
    one = run._Run(config, [session], Models(()))
    yield lambda: one._write_pages([session], {session.name}, {})
    one.execution.close()


def test_the_page_of_another_run_is_waited_for(write_page: Callable, tmp_path: Path) -> None:
    """Two jobs for two sessions of one person write one page."""
    held, let_go = threading.Event(), threading.Event()
    early: list[bool] = []

    def hold() -> None:
        with participant_lock(tmp_path / "out/logs", "01"):
            held.set()
            let_go.wait(20)
            early.append((tmp_path / "out/sub-01.html").exists())

    other = threading.Thread(target=hold)
    other.start()
    held.wait(20)
    threading.Timer(1, let_go.set).start()
    assert write_page() == {}
    other.join()
    assert early == [False]
    assert (tmp_path / "out/sub-01.html").exists()


def test_a_page_that_another_run_never_lets_go_of_is_told(
    write_page: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "PAGE_SECONDS", 0.3)
    with participant_lock(tmp_path / "out/logs", "01"):
        assert "Another run is working on sub-01" in write_page()["01"]
    assert not (tmp_path / "out/sub-01.html").exists()
