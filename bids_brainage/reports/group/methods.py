"""The methods text of a group, from what was done."""

from __future__ import annotations

from typing import Any

from bids_brainage.reports import boilerplate
from bids_brainage.reports.group.reading import Analysis, GroupResults, number
from bids_brainage.terms import REFERENCE_MAPS

TEMPLATE = "group.md.j2"
_KINDS = {"lrp": "LRP", "dba": REFERENCE_MAPS["dba"]}


def group_methods(results: GroupResults) -> str:
    """The text in Markdown, with its references."""
    return boilerplate.with_references(_text(results))


def write_group_methods(results: GroupResults) -> None:
    """Write the text as OUT/logs/CITATION_group.*."""
    boilerplate.write_texts(results.folder.parent / "logs", _text(results), "CITATION_group")


def _text(results: GroupResults) -> str:
    return boilerplate.render(TEMPLATE, **_facts(results))


def _facts(results: GroupResults) -> dict[str, Any]:
    contrasts = [
        own for analysis in results.analyses for unit in analysis.record.units for own in unit.contrasts
    ]
    files = {name for own in contrasts for name in own.files}
    software: dict[str, str] = {}
    for analysis in results.analyses:
        software |= analysis.record.software
    return {
        "people": len({row["participant_id"] for row in results.estimates}),
        "model": results.record.model,
        "disclaimer": results.record.disclaimer or "",
        "measured": results.words.measured,
        "corrections": list(dict.fromkeys(row["sample"] for row in results.tables.get("correction", ()))),
        "windows": _windows(results),
        "analyses": [_analysis(own) for own in results.analyses],
        "measures": sorted({own.measure for own in contrasts if own.measure}),
        "corrected_over": list(dict.fromkeys(own.corrected_over for own in contrasts)),
        "tails": any(own.tail_fit is not None for own in contrasts),
        "atlases": sorted(name.removeprefix("regions ") for name in files if name.startswith("regions ")),
        "fdr": "logpfdr" in files,
        "versions": software,
    }


def _windows(results: GroupResults) -> dict[str, Any] | None:
    rows = [row for row in results.tables.get("correlations", ()) if row["range"] == "windows"]
    tested = [row for row in rows if number(row, "r") is not None]
    if not tested:
        return None
    width = (number(tested[0], "to") or 0) - (number(tested[0], "from") or 0)
    return {
        "columns": len({row["column"] for row in tested}),
        "width": f"{width:g}",
        "permutations": f"{number(tested[0], 'permutations') or 0:.0f}",
    }


def _analysis(analysis: Analysis) -> dict[str, Any]:
    record = analysis.record
    first = record.units[0]
    tested = [own for unit in record.units for own in unit.contrasts]
    about = analysis.about(first.design)
    sizes = sorted({len(unit.people) for unit in record.units})
    return {
        "title": record.title,
        "source": record.source,
        "statistics": sorted({own.statistic for own in tested}, reverse=True),
        "contrasts": list(dict.fromkeys(own.name for own in tested)),
        "columns": [
            str(column.get("Description", name))
            for name, column in about.items()
            if name not in ("participant", "block")
        ],
        "absolute": record.absolute,
        "kinds": sorted({_KINDS[unit.kind] for unit in record.units}),
        "people": " or ".join(map(str, sizes)),
        "smoothing": f"{record.smoothing:g}" if record.smoothing else "",
        "two_sided": any(own.two_sided for own in tested),
        "enumerated": all(own.enumerated for own in tested),
        "rearrangements": max(own.rearrangements for own in tested),
    }
