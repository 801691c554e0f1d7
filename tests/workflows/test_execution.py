"""What --use-plugin may name."""

from __future__ import annotations

from pathlib import Path

import pytest

from bids_brainage.errors import InputError
from bids_brainage.workflows.execution import read_plugin_file


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "settings by name"),
        ("- a", "settings by name"),
        ("plugin: 3", "names no plugin"),
        ("plugin: [", "plugin"),
        ("\x00", "plugin"),
        ("plugin: MultiPorc", "no plugin MultiPorc, only .*MultiProc"),
        ("plugin: __builtins__", "no plugin"),
        ("plugin: Linear\nplugin_args: [1]", "plugin_args"),
        ("plugin: Linear\nplugin_args: 3", "plugin_args"),
    ],
)
def test_a_plugin_file_that_cannot_be_used_is_told(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "plugin.yml"
    path.write_text(text)
    with pytest.raises(InputError, match=words) as error:
        read_plugin_file(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_plugin_file_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_plugin_file(tmp_path / "plugin.yml")


def test_a_plugin_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "plugin.yml"
    path.write_text("plugin: SLURM\nplugin_args: {sbatch_args: --mem=4G}\n")
    assert read_plugin_file(path)["plugin_args"] == {"sbatch_args": "--mem=4G"}
    path.write_text("plugin: Linear\nplugin_args:\n")
    assert read_plugin_file(path)["plugin"] == "Linear"
