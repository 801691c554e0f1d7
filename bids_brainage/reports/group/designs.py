"""The designs of an analysis, each once, with the coverage of its maps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from bids_brainage.records.group import ContrastRecord, UnitRecord
from bids_brainage.reports.group.gallery import Gallery
from bids_brainage.reports.group.limits import DesignFacts
from bids_brainage.reports.group.map_figures import coverage_figure
from bids_brainage.reports.group.reading import Analysis, numbers
from bids_brainage.reports.group.testing_figures import design_figure
from bids_brainage.reports.group.words import maps_name


def design_of(analysis: Analysis, unit: UnitRecord, contrast: ContrastRecord | None) -> DesignFacts:
    """A unit's design from its table, with the weights of a contrast."""
    rows, about = analysis.rows(unit.design), analysis.about(unit.design)
    names = [name for name in about if name not in ("participant", "block")]
    matrix = np.column_stack([numbers(rows, name) for name in names])
    weights = [
        about[name].get("ContrastWeights", {}).get(contrast.name, [0.0]) if contrast else [0.0]
        for name in names
    ]
    columns = tuple(str(about[name].get("Description", name)) for name in names)
    return DesignFacts(matrix, columns, np.array(weights, dtype=float).T)


def shown_designs(analysis: Analysis, gallery: Gallery, several: bool) -> Iterator[dict[str, Any]]:
    """Each design once, with the sets of maps that it was tested on and their coverage."""
    found: dict[bytes, list[UnitRecord]] = {}
    for unit in analysis.record.units:
        key = (analysis.folder / unit.design).read_bytes()
        found.setdefault(key, []).append(unit)
    for place, units in enumerate(found.values(), start=1):
        yield _design_shown(analysis, units, place, gallery, several)


def _design_shown(
    analysis: Analysis, units: Sequence[UnitRecord], place: int, gallery: Gallery, several: bool
) -> dict[str, Any]:
    design = design_of(analysis, units[0], None)
    short = [f"x{number}" for number in range(1, len(design.columns) + 1)]
    names = ", ".join(f"{one}: {two}" for one, two in zip(short, design.columns, strict=True))
    figure = gallery.figure(
        f"{analysis.record.name}-design{place}.svg",
        f"Design of {len(design.matrix)} people and the correlations of its columns ({names}).",
        lambda out, title: design_figure(design.matrix, short, out, title),
        [design.matrix],
    )
    return {
        "maps": [maps_name(unit, several) for unit in units],
        "n": len(design.matrix),
        "columns": list(zip(short, design.columns, strict=True)),
        "contrasts": [
            (own.name, design_of(analysis, units[0], own).weights.tolist()) for own in units[0].contrasts
        ],
        "figure": figure,
        "coverage": _coverage(analysis, units, gallery),
    }


def _coverage(analysis: Analysis, units: Sequence[UnitRecord], gallery: Gallery) -> list[tuple[str, Any]]:
    """Pictures of how many people have a map where, of the first set of maps alone: others are alike."""
    unit = units[0]
    if unit.coverage is None or unit.mask is None:
        return []
    coverage, mask = analysis.folder / unit.coverage, analysis.folder / unit.mask
    figure = gallery.figure(
        f"{analysis.record.name}-{unit.label}-coverage.svg",
        f"Share of people with a map at each voxel, {maps_name(unit, True)}; outlined: what was tested.",
        lambda out, title: coverage_figure(coverage, mask, out, title),
        [analysis.record.fingerprint, unit.label],
        kind="brain",
    )
    return [(maps_name(unit, len(units) > 1), figure)]
