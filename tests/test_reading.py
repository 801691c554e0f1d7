"""Files that would hang a program, or fill its memory, are refused at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from bids_brainage.reading import DEEPEST, read_bytes, read_json, read_text
from tests.odd_files import ODD, patience  # noqa: F401


@pytest.mark.usefixtures("patience")
@pytest.mark.parametrize("name", ODD)
def test_what_is_not_a_regular_file_is_an_error_at_once(tmp_path: Path, name: str) -> None:
    ODD[name](tmp_path / "odd")
    with pytest.raises(OSError, match=r"not a regular file|Too many levels") as caught:
        read_bytes(tmp_path / "odd", 10)
    assert caught.value.strerror


def test_the_limit_itself_may_be_read_and_one_byte_more_may_not(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 2_000_000)
    assert read_bytes(path, 2_000_000) == b"x" * 2_000_000
    with pytest.raises(OSError, match=r"larger than 1.5 MB"):
        read_bytes(path, 1_500_000)


def test_an_absurd_limit_takes_no_memory(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    assert read_bytes(tmp_path / "file", 2**62) == b"abc"


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"\xef\xbb\xbf{}")
    assert read_text(tmp_path / "file", 10) == "{}"
    assert read_json(tmp_path / "file", 10) == {}


@pytest.mark.parametrize("text", ["[" * 200_000, '{"a":' * 200_000, "{", "1" * 10_000, ""])
def test_json_that_is_nested_deeply_or_broken_is_a_value_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "file").write_text(text)
    with pytest.raises(ValueError, match=r"."):
        read_json(tmp_path / "file", 2_000_000)


@pytest.mark.parametrize("levels", [DEEPEST, DEEPEST + 1, 500])
def test_json_is_read_up_to_so_many_levels(tmp_path: Path, levels: int) -> None:
    (tmp_path / "file").write_text("[" * levels + "]" * levels)
    if levels <= DEEPEST:
        assert read_json(tmp_path / "file", 2_000)
    else:
        with pytest.raises(ValueError, match="nested too deeply"):
            read_json(tmp_path / "file", 2_000)
