"""What is read out of nipype's crash files."""

from __future__ import annotations

from pathlib import Path

import pytest

from bids_brainage import messages
from bids_brainage.workflows.crashes import Crash, Crashes, crash_sentence

PEOPLE = {"sub_01_wf": "sub-01", "sub_02_ses_a_wf": "sub-02_ses-a"}


def test_a_crash_is_told_by_our_sentence_and_laid_at_the_right_door(tmp_path: Path) -> None:
    (tmp_path / "crash-1.txt").write_text(
        "Node: bids_brainage_wf.sub_01_wf.preprocessing_wf.anatomical_wf.conform\n"
        "Working directory: /somewhere\n\nTraceback:\n"
        "\tbids_brainage.errors.ImageError: sub-01_T1w.nii.gz is empty; convert it again.\n\n"
    )
    (tmp_path / "crash-2.txt").write_text("Node: bids_brainage_wf.sub_99_wf.x\nValueError: no\n")
    crashes = Crashes(tmp_path).of(PEOPLE)
    assert list(crashes) == ["sub-01"]
    (crash,) = crashes["sub-01"]
    assert crash[:2] == ("sub-01_T1w.nii.gz is empty; convert it again.", tmp_path / "crash-1.txt")
    assert (crash.stage, crash.kind) == ("T1w", "ImageError")


def test_a_crash_is_laid_at_the_right_door(tmp_path: Path) -> None:
    """The work folder may be called as another person is."""
    (tmp_path / "crash-1.txt").write_text(
        "Node: bids_brainage_wf.sub_02_ses_a_wf.preprocessing_wf.flair_wf.check\n"
        "Working directory: /scratch/sub_01_wf/work/bids_brainage_wf/sub_02_ses_a_wf/flair_wf/"
        "check\n\tbids_brainage.errors.ImageError: It is empty.\n"
    )
    crashes = Crashes(tmp_path).of(PEOPLE)
    (crash,) = crashes.pop("sub-02_ses-a")
    assert (crash.sentence, crash.stage, crash.kind) == ("It is empty.", "FLAIR", "ImageError")
    assert crashes == {}


def test_a_crash_file_is_read_once(tmp_path: Path) -> None:
    crashes, path = Crashes(tmp_path), tmp_path / "crash-1.txt"
    assert crashes.of(PEOPLE) == {}
    path.write_text("Node: wf.sub_01_wf.x\nValueError: no\n")
    expected = {"sub-01": [Crash("ValueError: no", path, ("wf", "sub_01_wf", "x"), "")]}
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


@pytest.mark.parametrize(
    "line",
    [
        "MemoryError",
        "numpy._core._exceptions._ArrayMemoryError: Unable to allocate 9.31 GiB for an array",
        "\ttensorflow.python.framework.errors_impl.ResourceExhaustedError: Graph execution error:",
    ],
)
def test_that_memory_ran_out_is_told_with_a_remedy(line: str) -> None:
    text = f"Node: wf.sub_01.mask\nTraceback:\n{line}\n\nThe above exception ...\n\nValueError: no result\n"
    assert crash_sentence(text) == messages.NO_MEMORY
    assert crash_sentence("Traceback:\n    raise MemoryError\nValueError: no\n") == "ValueError: no"


def test_a_job_that_left_nothing_is_told_by_its_number() -> None:
    """In the words of nipype 1.11."""
    text = (
        "Node: wf.sub_01.mask\nOSError: Job id (4711) finished or terminated, but results file does not "
        "exist after (5.0) seconds. Batch dir contains crashdump file if node raised an exception.\n"
    )
    assert crash_sentence(text) == messages.JOB_ENDED.format(job=4711)
