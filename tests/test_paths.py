"""Paths that cannot be used are refused in one sentence."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bids_brainage.errors import InputError
from bids_brainage.paths import absolute_path


@pytest.mark.parametrize(
    ("given_path", "word"),
    [
        (os.fsdecode(b"/data/M\xfcller"), "UTF-8"),
        ("/data/a\nb", "control"),
        ("/data/a\0b", "control"),
        ("/data/\x1b[31m", "control"),
        ("", "empty"),
        (" ", "empty"),
        ("~nobody-of-this-name/x", "home"),
    ],
)
def test_path_that_cannot_work_is_refused_in_one_printable_sentence(given_path, word):
    with pytest.raises(InputError, match=word) as error:
        absolute_path(given_path)
    assert str(error.value).isprintable()


def test_paths_are_absolute_and_links_are_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert absolute_path("link/./x/../y") == tmp_path / "link/x/../y"
    assert absolute_path("~/x") == Path.home() / "x"
    assert absolute_path(tmp_path / "50 % é/$x") == tmp_path / "50 % é/$x"
