"""The pages of the site describe all that they are made of; its building itself is `make docs`."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from bids_brainage.cli.parser import build_parser

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
DATA = ROOT / "bids_brainage" / "data"


def text(page: str) -> str:
    return (DOCS / page).read_text(encoding="utf-8")


@pytest.fixture
def described(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.syspath_prepend(str(DOCS / "_ext"))
    from command_lines import described as words

    yield "\n".join(words(build_parser()))
    sys.modules.pop("command_lines")


def test_every_option_is_described(described: str) -> None:
    options = {name for action in build_parser()._actions for name in action.option_strings}
    found = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", described))
    assert options - {"-h", "--help"} <= found


def test_an_options_values_stand_with_it(described: str) -> None:
    assert "{option} --window WIDTH STEP LEAST\nSliding windows over age" in described
    assert "{option} --skull-strip {auto,bet,deepbet,synthstrip,none}" in described
    assert "{option} --dry-run\n" in described


def test_every_table_has_its_columns_on_the_page() -> None:
    page = text("tables.md")
    people = yaml.safe_load((DATA / "group" / "people.yaml").read_text(encoding="utf-8"))
    # Accuracy is written with the columns of groups before its own alone.
    for name in people.keys() - {"accuracy"}:
        assert f"{{columns}} group/people.yaml {name}\n" in page
    for path in DATA.glob("simulation/*_tables.yaml"):
        for name in yaml.safe_load(path.read_text(encoding="utf-8")):
            assert f"{{columns}} simulation/{path.name} {name}\n" in page
    not_columns = {"people", "paper"}
    for path in DATA.glob("group/*.yaml"):
        assert path.stem in not_columns or f"{{columns}} group/{path.name}\n" in page


def test_nothing_is_fetched_by_a_page() -> None:
    """Pictures lie beside the pages: who reads them needs no network."""
    for page in DOCS.rglob("*.md"):
        assert re.findall(r"!\[[^\]]*\]\(https?:", page.read_text(encoding="utf-8")) == [], page
