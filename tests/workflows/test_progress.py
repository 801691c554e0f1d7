"""What is told of nodes that ran, and what is read out of nipype's crash files."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace

import pytest

from bids_brainage import messages
from bids_brainage.workflows.plugin import Heard
from bids_brainage.workflows.progress import Crashes, Progress, crash_sentence

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


def test_what_a_worker_logged_is_told_once_with_the_persons_name(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    progress = Progress(PEOPLE, tmp_path)
    for step in ("conform", "bias"):
        name = f"bids_brainage_wf.sub_02_ses_a_wf.preprocessing_wf.anatomical_wf.{step}"
        progress.hear(name, [Heard("bids_brainage.x", 30, "ours"), Heard("nibabel.global", 30, "a\nb")])
    told = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert told == [
        ("WARNING", "sub-02_ses-a: preprocessing.anatomical.conform: ours"),
        ("DEBUG", "sub-02_ses-a: preprocessing.anatomical.conform: a b"),
    ]


def test_a_crash_is_told_by_our_sentence_and_laid_at_the_right_door(tmp_path: Path) -> None:
    (tmp_path / "crash-1.txt").write_text(
        "Node: bids_brainage_wf.sub_01_wf.preprocessing_wf.anatomical_wf.conform\n"
        "Working directory: /somewhere\n\nTraceback:\n"
        "\tbids_brainage.errors.ImageError: sub-01_T1w.nii.gz is empty; convert it again.\n\n"
    )
    (tmp_path / "crash-2.txt").write_text("Node: bids_brainage_wf.sub_99_wf.x\nValueError: no\n")
    crashes = Crashes(tmp_path).of(PEOPLE)
    assert crashes == {
        "sub-01": [("sub-01_T1w.nii.gz is empty; convert it again.", tmp_path / "crash-1.txt")]
    }


def test_a_crash_file_is_read_once(tmp_path: Path) -> None:
    crashes, path = Crashes(tmp_path), tmp_path / "crash-1.txt"
    assert crashes.of(PEOPLE) == {}
    path.write_text("Node: wf.sub_01_wf.x\nValueError: no\n")
    expected = {"sub-01": [("ValueError: no", path)]}
    assert crashes.of(PEOPLE) == expected
    path.write_text("changed")
    assert crashes.of(PEOPLE) == expected


def test_an_unexpected_crash_is_told_by_its_last_line() -> None:
    assert crash_sentence("Node: a\nTraceback:\n  ValueError: three\n\n") == "ValueError: three"
    assert crash_sentence("") == ""


FULL = """Node: wf.sub_01.conform
Working directory: /scratch/work/conform

concurrent.futures.process._RemoteTraceback:
'''
Traceback (most recent call last):
  File "gzip.py", line 344, in close
    myfileobj.close()
{error}

During handling of the above exception, another exception occurred:

FileNotFoundError: /scratch/work/conform/result_conform.pklz
'''

The above exception was the direct cause of the following exception:

FileNotFoundError: /scratch/work/conform/result_conform.pklz


When creating this crashfile, the results file corresponding
to the node could not be found."""


@pytest.mark.parametrize(
    ("error", "place"),
    [
        ("OSError: [Errno 28] No space left on device", "/scratch/work/conform"),
        ("OSError: [Errno 28] No space left on device: '/tmp/x'", "/tmp/x"),
        ("OSError: [Errno 122] Disk quota exceeded: '/home/me/x'", "/home/me/x"),
        ("OSError: 262144 requested and 4096 written", "/scratch/work/conform"),
    ],
)
def test_a_full_disk_is_told_as_such_whatever_follows_of_it(error: str, place: str) -> None:
    assert crash_sentence(FULL.format(error=error)) == messages.DISK_FULL.format(place=place)


def test_nipypes_own_words_are_not_told() -> None:
    text = FULL.format(error="KeyError: 'x'").replace("FileNotFoundError", "ValueError")
    assert crash_sentence(text) == "ValueError: /scratch/work/conform/result_conform.pklz"
    wrapped = (
        "Node: a\n\nTraceback (most recent call last):\n"
        "nipype.pipeline.engine.nodes.NodeExecutionError: Exception raised while executing Node a.\n\n"
        "Traceback:\n\tTraceback (most recent call last):\n\t  File x\n\tKeyError: 'two'\n\n"
        "When creating this crashfile, the results file corresponding\nto the node could not be found."
    )
    assert crash_sentence(wrapped) == "KeyError: 'two'"


def test_of_our_own_sentences_the_first_line_is_told_and_the_last_of_several() -> None:
    text = (
        "Node: a\n\tbids_brainage.errors.ImageError: inner\n"
        "\tbids_brainage.locks.BusyError: outer sentence.\n\tsecond line\nRuntimeError: nipype\n"
    )
    assert crash_sentence(text) == "outer sentence."
