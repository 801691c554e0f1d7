"""The Boutiques descriptor: made of the parser, valid, and its command lines mean what they should."""

from __future__ import annotations

import importlib.util
import json
import shlex
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bids_brainage.cli.parser import build_parser

ROOT = Path(__file__).parents[2]
DESCRIPTOR = ROOT / "boutiques/bids_brainage.json"


@pytest.fixture(scope="module")
def describe() -> ModuleType:
    spec = importlib.util.spec_from_file_location("describe", ROOT / "boutiques/describe.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def descriptor() -> dict[str, Any]:
    return dict(json.loads(DESCRIPTOR.read_text(encoding="utf-8")))


def test_it_is_what_the_parser_says(describe: ModuleType, descriptor: dict[str, Any]) -> None:
    assert descriptor == describe.descriptor(), "python boutiques/describe.py renews it"


def test_it_is_valid(descriptor: dict[str, Any]) -> None:
    """By the validator that Boutiques ships: its schema, and what that cannot say."""
    validator = pytest.importorskip("boutiques.validator")
    validator.validate_descriptor(descriptor)


def test_every_option_reaches_the_parser(
    tmp_path: Path, descriptor: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """bosh writes the command line of an invocation of everything; parsed, it gives the invocation back."""
    bosh = pytest.importorskip("boutiques.bosh").bosh
    invocation = {entry["id"]: value(entry, tmp_path) for entry in descriptor["inputs"]}
    file = tmp_path / "invocation.json"
    file.write_text(json.dumps(invocation), encoding="utf-8")
    capsys.readouterr()
    said = bosh(["exec", "simulate", str(DESCRIPTOR), "-i", str(file)])
    text = f"{said}\n{capsys.readouterr().out}"
    line = next(line for line in text.splitlines() if line.strip().startswith("bids_brainage "))
    parsed = vars(build_parser().parse_args(shlex.split(line)[1:]))
    expected = invocation | {"derivatives": {"a": "/b"}, "verbose": 1}
    assert parsed == expected


def value(entry: dict[str, Any], folder: Path) -> Any:
    """A value that an input takes."""
    one: Any = entry["value-choices"][0] if "value-choices" in entry else "word"
    if entry["type"] == "Flag":
        return True
    if entry["type"] == "Number":
        one = 3 if entry.get("integer") else 0.5
    if entry["type"] == "File":
        one = str(folder / entry["id"])
        Path(one).touch()
    if entry["id"] == "derivatives":
        one = "a=/b"
    return [one] * entry["min-list-entries"] if entry.get("list") else one
