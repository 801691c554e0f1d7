"""In which unit a table gives ages: by the name of the column, or by what a JSON file says of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from typing import Any

import yaml

from bids_brainage.terms import AGE

_WORD = re.compile(r"[a-z_]+")
# A word, and whether "in" or a bracket stands before it.
_TOLD = re.compile(r"(\bin\s+|[\[(]\s*)?([a-z]+)")
#: Shorter names of units are not looked for in names of columns: age_a may be many things.
_SHORTEST_IN_COLUMN = 2


def years_per(unit: str) -> float | None:
    """Return how many years one `unit` is, or None if it is not known.

    Known are UCUM's codes and the usual words in any case, also in phrases like "months since birth".
    """
    known, _ = _words()
    text = unit.lower().replace("(s)", "s").strip("[](){}. ")
    if text in known:
        return known[text]
    if re.search(r"\d", text):
        return None
    years = {known.get(word) for word in _telling(text)}
    return years.pop() if len(years) == 1 else None


def age_column(columns: Iterable[str]) -> tuple[str, float | None] | None:
    """Find the column of ages: ``age`` in any case or, if there is none, the one named after its unit.

    Returns
    -------
    (str, float or None) or None
        Its name, and years per unit if the name says so (``age_months``, ``Age (yrs)``). None if there is no
        such column, or several are named after units.
    """
    columns = list(columns)
    if any(name.lower() == AGE for name in columns):
        return AGE, None
    named = [(name, years) for name in columns if (years := _years_by_name(name)) is not None]
    return named[0] if len(named) == 1 else None


def declared_unit(described: Mapping[str, Any], column: str) -> str | None:
    """Return the unit that a JSON file gives a column; its keys are read in any case."""
    alike = [key for key in described if key.strip().lower() == column.lower()]
    for key in sorted(alike, key=lambda key: key != column):
        entry = described[key]
        for word, unit in entry.items() if isinstance(entry, dict) else ():
            if word.strip().lower() in ("units", "unit") and unit is not None and str(unit).strip():
                return str(unit).strip()
    return None


def told_units(described: Mapping[str, Any], column: str) -> list[str]:
    """Return the units other than years that a JSON file's words about a column tell ("Age in months").

    Those are ``in`` or a bracket before the name of a unit, and names in the plural.
    """
    entries = [entry for key, entry in described.items() if key.strip().lower() == column.lower()]
    texts = [text for entry in entries for text in (entry.values() if isinstance(entry, dict) else [entry])]
    known, _ = _words()
    words = [
        word
        for text in texts
        if isinstance(text, str)
        for before, word in _TOLD.findall(text.lower())
        if before or (word.endswith("s") and len(word) > _SHORTEST_IN_COLUMN) or text.strip().lower() == word
    ]
    return [word for word in words if known.get(word, 1.0) != 1]


def unit_column(columns: Iterable[str]) -> str | None:
    """Find the column with the unit of each row's age (``age_unit``, ``Age Units``); None without one."""
    found = (name for name in columns if re.sub(r"[^a-z]", "", name.lower()) in ("ageunit", "ageunits"))
    return next(found, None)


def _years_by_name(column: str) -> float | None:
    text = column.lower().replace("_", " ")
    if not text.startswith(AGE):
        return None
    rest = text.removeprefix(AGE)
    words = _telling(rest)
    is_long = len(words) == 1 and len(words[0]) >= _SHORTEST_IN_COLUMN
    return years_per(rest) if is_long else None


def _telling(text: str) -> list[str]:
    """Return the words of a phrase that may be units; none if a birth is told but not the time since."""
    _, beside = _words()
    words = _WORD.findall(text)
    return [word for word in words if word not in beside] if ("since" in words) == ("birth" in words) else []


@cache
def _words() -> tuple[dict[str, float], frozenset[str]]:
    text = resources.files("bids_brainage").joinpath("data/age_units.yaml").read_text(encoding="utf-8")
    content = yaml.safe_load(text)
    known = {name: float(unit["years"]) for unit in content["units"] for name in unit["names"]}
    return known, frozenset(content["beside"])
