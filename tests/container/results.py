"""What runs are compared by: which files there are, and what they estimate."""

from __future__ import annotations

import json
import re
from pathlib import Path

HERE = Path(__file__).parent
#: Names of runs, which are dates and random letters.
_RUN = re.compile(r"logs/\d{8}[^/]*/")
#: Years that the same person may differ between installations.
TOLERANCE = 1e-4


def golden(name: str) -> list[str]:
    """The files that tests/container/`name`.txt lists."""
    lines = (HERE / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def files(folder: Path) -> list[str]:
    """All files of a run, without what names that very run."""
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted({_RUN.sub("logs/RUN/", name) for name in found})


def estimates(folder: Path) -> dict[str, float]:
    """Every ensemble's estimate, in years, by file."""
    return {
        path.relative_to(folder).as_posix(): json.loads(path.read_text(encoding="utf-8"))["brain_age"]
        for path in sorted(folder.rglob("*_brainage.json"))
    }


def furthest(one: Path, other: Path) -> float:
    """The largest difference of the estimates of two runs; they must have the same."""
    first, second = estimates(one), estimates(other)
    assert first.keys() == second.keys()
    assert first
    return max(abs(first[name] - second[name]) for name in first)
