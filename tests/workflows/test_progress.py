"""What is told of nodes that ran, and of what they logged."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace

import pytest

from bids_brainage.workflows.plugin import Heard
from bids_brainage.workflows.progress import Progress

PEOPLE = {"sub_01_wf": "sub-01", "sub_02_ses_a_wf": "sub-02_ses-a"}


def _node(fullname: str, light: bool = False) -> SimpleNamespace:
    return SimpleNamespace(fullname=fullname, run_without_submitting=light)


def run(progress: Progress, name: str, light: bool = False) -> None:
    node = _node(name, light)
    progress(node, "start")
    progress(node, "end")


def test_seconds_are_kept_by_stage_until_the_session_is_finished(tmp_path: Path) -> None:
    progress = Progress(PEOPLE, tmp_path)
    run(progress, "bids_brainage_wf.sub_02_ses_a_wf.preprocessing_wf.flair_wf.align")
    run(progress, "bids_brainage_wf.sub_02_ses_a_wf.estimate")
    assert list(progress.seconds_of("sub-02_ses-a")) == [("preprocessing", "FLAIR")]
    assert progress.seconds_of("sub-01") == {}
    progress.forget("sub-02_ses-a")
    assert progress.seconds_of("sub-02_ses-a") == {}
    assert not list(tmp_path.iterdir())


def test_a_step_that_an_earlier_run_did_keeps_its_seconds(tmp_path: Path) -> None:
    (tmp_path / "sub-01.json").write_text('{"preprocessing.anatomical.register": 100.0}')
    progress = Progress(PEOPLE, tmp_path)
    run(progress, "wf.sub_01_wf.preprocessing_wf.anatomical_wf.register")
    run(progress, "wf.sub_01_wf.preprocessing_wf.anatomical_wf.bias")
    seconds = progress.seconds_of("sub-01")["preprocessing", "T1w"]
    assert seconds["T1w register"] == 100.0
    assert seconds["T1w bias"] < 1


def test_nodes_that_only_copy_and_nodes_of_nobody_leave_no_times(tmp_path: Path) -> None:
    progress = Progress(PEOPLE, tmp_path)
    run(progress, "bids_brainage_wf.sub_01_wf.save", light=True)
    run(progress, "reports_wf.page")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("step", "level"),
    [
        ("preprocessing_wf.flair_wf.check", "WARNING"),
        ("preprocessing_wf.anatomical_wf.conform", "ERROR"),
        ("preprocessing_wf.template_wf.register", "ERROR"),
        ("estimate", "ERROR"),
    ],
)
def test_a_failure_that_may_be_done_without_is_no_error_yet(
    step: str, level: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Progress(PEOPLE, tmp_path)(_node(f"wf.sub_01_wf.{step}"), "exception")
    (record,) = caplog.records
    assert record.levelname == level
    assert record.getMessage().startswith("sub-01: ")


def test_what_a_worker_logged_is_told_once_with_the_persons_name(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # An earlier test may have set a level for the program's console.
    caplog.set_level(logging.DEBUG, logger=Progress.__module__)
    progress = Progress(PEOPLE, tmp_path)
    for step in ("conform", "bias"):
        name = f"bids_brainage_wf.sub_02_ses_a_wf.preprocessing_wf.anatomical_wf.{step}"
        progress.hear(name, [Heard("bids_brainage.x", 30, "ours"), Heard("nibabel.global", 30, "a\nb")])
    told = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert told == [
        ("WARNING", "sub-02_ses-a: preprocessing.anatomical.conform: ours"),
        ("DEBUG", "sub-02_ses-a: preprocessing.anatomical.conform: a b"),
    ]
