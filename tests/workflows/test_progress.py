"""What is told of nodes that ran, and what is read out of nipype's crash files."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

from bids_brainage.workflows.progress import Progress, crash_sentence, read_crashes, run_times_file

PEOPLE = {"sub_01_wf": "sub-01", "sub_02_ses_a_wf": "sub-02_ses-a"}


def _node(fullname: str, light: bool = False) -> SimpleNamespace:
    return SimpleNamespace(fullname=fullname, run_without_submitting=light)


def test_run_times_are_kept_by_session_and_step(tmp_path: Path) -> None:
    progress = Progress(PEOPLE, tmp_path)
    node = _node("bids_brainage_wf.sub_02_ses_a_wf.preprocessing_wf.flair_wf.align")
    progress(node, "start")
    progress(node, "end")
    times = json.loads(run_times_file(tmp_path, "sub-02_ses-a").read_text())
    assert list(times) == ["preprocessing.flair.align"]
    assert times["preprocessing.flair.align"] >= 0


def test_nodes_that_only_copy_and_nodes_of_nobody_leave_no_times(tmp_path: Path) -> None:
    progress = Progress(PEOPLE, tmp_path)
    for node in (_node("bids_brainage_wf.sub_01_wf.save", light=True), _node("reports_wf.page")):
        progress(node, "start")
        progress(node, "end")
    assert not progress.seconds
    assert not list(tmp_path.iterdir())


def test_a_crash_is_told_by_our_sentence_and_laid_at_the_right_door(tmp_path: Path) -> None:
    (tmp_path / "crash-1.txt").write_text(
        "Node: bids_brainage_wf.sub_01_wf.preprocessing_wf.anatomical_wf.conform\n"
        "Working directory: /somewhere\n\nTraceback:\n"
        "\tbids_brainage.errors.ImageError: sub-01_T1w.nii.gz is empty; convert it again.\n\n"
    )
    (tmp_path / "crash-2.txt").write_text("Node: bids_brainage_wf.sub_99_wf.x\nValueError: no\n")
    crashes = read_crashes(tmp_path, PEOPLE)
    assert crashes == {
        "sub-01": [("sub-01_T1w.nii.gz is empty; convert it again.", tmp_path / "crash-1.txt")]
    }


def test_an_unexpected_crash_is_told_by_its_last_line() -> None:
    assert crash_sentence("Node: a\nTraceback:\n  ValueError: three\n\n") == "ValueError: three"
    assert crash_sentence("") == ""
