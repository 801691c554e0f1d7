"""The section that leads to every file of the group level, by addresses relative to the page."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

from bids_brainage.reports.group.reading import ESTIMATES, GROUP, Analysis, GroupResults
from bids_brainage.reports.group.words import maps_name


def downloads_context(results: GroupResults) -> dict[str, Any]:
    """What the template of downloads is filled with."""
    several = len(results.record.ensembles) > 1
    tables = {"estimates": ESTIMATES, **results.record.tables}
    return {
        "tables": [(name, _link(name, file)) for name, file in tables.items()],
        "record": _link("group.json", "group.json"),
        "analyses": [_analysis(own, several) for own in results.analyses],
    }


def _analysis(analysis: Analysis, several: bool) -> dict[str, Any]:
    name = analysis.folder.name
    units = []
    for unit in analysis.record.units:
        shared = {"design": unit.design, "mask": unit.mask, "coverage": unit.coverage}
        files = {kind: _link(kind, name, file) for kind, file in shared.items() if file}
        contrasts = [
            (own.name, [_link(kind, name, file) for kind, file in own.files.items()])
            for own in unit.contrasts
        ]
        units.append((maps_name(unit, several), list(files.values()), contrasts))
    return {
        "title": analysis.record.title,
        "record": _link("analysis.json", name, "analysis.json"),
        "units": units,
    }


def _link(text: str, *parts: str) -> dict[str, str]:
    return {"text": text, "address": quote(Path(GROUP, *parts).as_posix())}
