"""Files are whole or not there."""

from __future__ import annotations

import pytest

from bids_brainage.atomic import replacing, write_text


def test_new_content_replaces_old_at_once(tmp_path):
    path = tmp_path / "deep/file.txt"
    write_text(path, "old")
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert [item.name for item in path.parent.iterdir()] == ["file.txt"]


def test_failure_leaves_the_old_file_and_no_rubbish(tmp_path):
    path = write_text(tmp_path / "file.txt", "old")

    def write_half() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_half()
    assert path.read_text() == "old"
    assert [item.name for item in tmp_path.iterdir()] == ["file.txt"]


@pytest.mark.parametrize(("name", "ending"), [("a.nii.gz", ".nii.gz"), ("a_b.c.json", ".json"), ("a", "")])
def test_temporary_name_ends_alike(tmp_path, name, ending):
    with replacing(tmp_path / name) as temporary:
        assert temporary.name.endswith(ending)
        assert temporary.name.startswith(".tmp-")
        assert temporary.parent == tmp_path


def test_permissions_follow_the_umask(tmp_path):
    path = write_text(tmp_path / "file", "x")
    plain = tmp_path / "plain"
    plain.write_text("x")
    assert path.stat().st_mode == plain.stat().st_mode
