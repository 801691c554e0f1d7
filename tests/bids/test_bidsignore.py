"""What .bidsignore leaves out, against git, whose syntax it has."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path, PurePath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bids_brainage.bids.bidsignore import BidsIgnore
from bids_brainage.errors import InputError

PLACES = ["a", "b", "a/b", "a/a/b", "b/a", "b/x.gz", "a/b/x.gz", "*", "a/*", "#", "!", "a b", "ab", "ba/a"]


@pytest.mark.parametrize(
    ("lines", "place", "is_ignored"),
    [
        ("extra_data/", "sub-01/extra_data/sub-01_T1w.nii.gz", True),
        ("sub-*/anat/old/", "sub-01/anat/old/x.nii", True),
        ("sub-*/anat/old/", "sub-01/anat/old", False),  # a file of that name
        ("*_run-2_T1w.nii.gz", "sub-01/anat/sub-01_run-2_T1w.nii.gz", True),
        ("/sub-01/anat", "sub-01/anat/sub-01_T1w.nii.gz", True),
        ("anat/x", "sub-01/anat/x", False),  # a slash inside counts from the root
        ("**/anat/x", "sub-01/anat/x", True),
        ("*.nii\n!sub-02_*", "sub-02/sub-02_T1w.nii", False),
        ("anat/\n!sub-01_T1w.nii", "sub-01/anat/sub-01_T1w.nii", True),  # nothing comes back out of a folder
        ("# sub-01\r\n\r\n", "sub-01/anat/x", False),
        ("anat/** \n", "sub-01/anat/x", False),
        ("*/anat/**\r", "sub-01/anat/deep/x", True),
    ],
)
def test_lines_and_places(tmp_path, lines, place, is_ignored):
    (tmp_path / ".bidsignore").write_bytes(lines.encode())
    assert BidsIgnore(tmp_path).leaves_out(PurePath(place)) == is_ignored


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_any_lines_mean_what_they_mean_to_git(tmp_path):
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    pieces = ["*", "**", "a", "b", "?", "[ab]", "[!a]", "[^b]", "/", "\\*", "!", "#", " ", "*.gz", "a*"]
    command = ["git", "-C", str(tmp_path), "check-ignore", "--no-index", "--stdin"]

    @settings(max_examples=60, deadline=None)
    @given(st.lists(st.lists(st.sampled_from(pieces), max_size=5).map("".join), max_size=3))
    def check(lines):
        for name in (".gitignore", ".bidsignore"):
            (tmp_path / name).write_text("\n".join(lines))
        done = subprocess.run(command, input="\n".join(PLACES), capture_output=True, text=True, check=False)
        ignored = BidsIgnore(tmp_path)
        assert [place for place in PLACES if ignored.leaves_out(PurePath(place))] == done.stdout.splitlines()

    check()


def test_no_line_takes_long(tmp_path):
    lines = ["*a" * 120 + "b", "**/" * 300 + "x", "a*" * 120 + "b"]
    (tmp_path / ".bidsignore").write_text("\n".join(lines))
    begin = time.perf_counter()
    assert not BidsIgnore(tmp_path).leaves_out(PurePath("/".join(["a" * 250] * 16)))
    assert time.perf_counter() - begin < 2


def test_a_file_that_cannot_be_read_leaves_nothing_out_and_is_told(tmp_path):
    path = tmp_path / ".bidsignore"
    path.write_bytes(b"\xff*")
    ignored = BidsIgnore(tmp_path)
    assert not ignored.leaves_out(PurePath("x"))
    assert "not UTF-8" in (ignored.problem or "")
    path.unlink()
    path.mkdir()
    assert "not a regular file" in (BidsIgnore(tmp_path).problem or "")
    path.rmdir()
    path.symlink_to("nowhere")
    with pytest.raises(InputError, match="datalad get"):
        BidsIgnore(tmp_path)
    assert BidsIgnore(Path("/nowhere")).problem is None
