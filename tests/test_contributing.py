"""CONTRIBUTING.md speaks of files, names and rooms that exist."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
PICTURE = [line for line in TEXT.splitlines() if line.startswith("    |")]
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


def test_the_picture_has_every_room_in_the_order_of_the_linter() -> None:
    settings = configparser.ConfigParser()
    settings.read(ROOT / ".importlinter", encoding="utf-8")
    layers = settings["importlinter:contract:rooms"]["layers"].splitlines()
    places = []
    for layer in layers:
        rooms = [
            name
            for name in re.findall(r"bids_brainage\.(\w+)", layer)
            if (ROOT / "bids_brainage" / name).is_dir()
        ]
        rows = {
            row
            for row, line in enumerate(PICTURE)
            for room in rooms
            if re.search(rf"[| ]{room}[ :].*\|", line)
        }
        if rooms:
            assert len(rows) == 1, rooms
            places.append(rows.pop())
    assert places == sorted(set(places))


def test_targets_of_make_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"\bmake ([a-z-]+)\b", TEXT)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
