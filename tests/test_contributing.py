"""CONTRIBUTING.md speaks of files, names and rooms that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
QUOTED = re.findall(r"`([^`]+)`", TEXT)
PATHS = sorted({name for name in QUOTED if re.fullmatch(r"[\w.-]+(/[\w.-]+)+/?", name)})
NAMES = sorted({name for name in QUOTED if re.fullmatch(r"[A-Z][A-Z_]{3,}|[A-Z]\w+[a-z]", name)})


@pytest.mark.parametrize("path", PATHS)
def test_every_path_exists(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("BIDS_BRAINAGE")])
def test_every_name_is_in_the_code(name: str) -> None:
    sources = (path.read_text(encoding="utf-8") for path in (ROOT / "bids_brainage").rglob("*.py"))
    assert any(re.search(rf"\b(class |def )?{name}\b", source) for source in sources)


def test_the_picture_is_that_of_the_linter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "_ext"))
    import rooms

    names = [name for layer in rooms.layers() for name in layer]
    assert (
        {name for name in names if (ROOT / "bids_brainage" / name).is_dir()}
        <= rooms.WORDS.keys()
        <= set(names)
    )
    picture = rooms.PICTURE.read_text(encoding="utf-8")
    assert picture == rooms.drawn(), "python docs/_ext/rooms.py draws it anew"
    assert [picture.index(f">{name}</text>") for name in ("cli", "models", "bids", "networks")] == sorted(
        picture.index(f">{name}</text>") for name in ("cli", "models", "bids", "networks")
    )


def test_targets_of_make_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"\bmake ([a-z-]+)\b", TEXT)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
