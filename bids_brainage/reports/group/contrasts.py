"""One contrast on one set of maps as the page shows it: maps, clusters, regions, null distribution."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bids_brainage.records.group import ContrastRecord, UnitRecord
from bids_brainage.reports.charts import region_label
from bids_brainage.reports.group.designs import design_of
from bids_brainage.reports.group.gallery import Gallery
from bids_brainage.reports.group.limits import of_contrast
from bids_brainage.reports.group.map_figures import NARROW, WIDE, effect_figure, statistic_figure
from bids_brainage.reports.group.projections import projection_figure
from bids_brainage.reports.group.reading import Analysis, Row, number, numbers
from bids_brainage.reports.group.tables import p_text, shown_table
from bids_brainage.reports.group.testing_figures import RegionBar, null_figure, regions_figure
from bids_brainage.reports.group.viewer import write_viewer
from bids_brainage.reports.group.words import maps_name
from bids_brainage.reports.words import MINUS, Words

LEVEL = 0.05
#: Regions that are drawn, and clusters that a page lists; files have all.
MOST_BARS = 12
MOST_CLUSTERS = 30


@dataclass(frozen=True, eq=False)
class Tested:
    """A contrast, tested on one set of maps."""

    analysis: Analysis
    unit: UnitRecord
    contrast: ContrastRecord

    @property
    def key(self) -> str:
        """Names of its figures begin with it."""
        return f"{self.analysis.record.name}-{self.unit.label}-{self.contrast.label}"

    def file(self, name: str) -> Path | None:
        """One of its files, if it is there."""
        own = self.contrast.files.get(name)
        return self.analysis.folder / own if own else None

    @property
    def strength(self) -> tuple[float, float]:
        """To sort by: what has the smallest p and the largest statistic comes first."""
        peak = abs(self.contrast.peak.statistic) if self.contrast.peak else 0.0
        return (1.0 if self.contrast.smallest_p is None else self.contrast.smallest_p, -peak)


def row_of(own: Tested, several: bool) -> dict[str, Any]:
    """A line of the table of all tests of an analysis."""
    contrast, peak = own.contrast, own.contrast.peak
    freedom = contrast.degrees_of_freedom
    return {
        "maps": maps_name(own.unit, several),
        "contrast": contrast.name,
        "n": len(own.unit.people),
        "statistic": f"t({freedom[1]})" if contrast.statistic == "t" else f"F({freedom[0]}, {freedom[1]})",
        "peak": f"{peak.statistic:.2f}".replace("-", MINUS) if peak else "n/a",
        "where": peak.region if peak else "",
        "at": f"{peak.x:.0f}, {peak.y:.0f}, {peak.z:.0f}".replace("-", MINUS) if peak else "",
        "p": p_text(contrast.smallest_p),
        "holds": contrast.smallest_p is not None and contrast.smallest_p <= LEVEL,
        "significant": contrast.significant,
        "voxels": contrast.voxels,
        "rearrangements": contrast.rearrangements,
        "enumerated": contrast.enumerated,
    }


def shown_contrast(
    own: Tested, words: Words, gallery: Gallery, *, full: bool, drawn: bool, several: bool
) -> dict[str, Any]:
    contrast = own.contrast
    regions = {name: own.analysis.rows(file) for name, file in contrast.files.items() if _is_regions(name)}
    first = next(iter(regions.values()), [])
    return {
        "title": maps_name(own.unit, several),
        "row": row_of(own, several),
        "contrast": contrast,
        "full": full,
        "figures": dict(_maps(own, words, gallery, full)) if drawn else {},
        "clusters": _clusters(own, words),
        "regions": [
            _regions(own, name.removeprefix("regions "), rows, words, gallery, full or drawn)
            for name, rows in regions.items()
        ],
        "null": _null(own, gallery) if drawn else None,
        "limits": list(of_contrast(contrast, design_of(own.analysis, own.unit, contrast), len(first)))
        if full
        else [],
    }


def _is_regions(name: str) -> bool:
    return name.startswith("regions ")


def _maps(own: Tested, words: Words, gallery: Gallery, full: bool) -> Iterator[tuple[str, Any]]:
    """The figures of maps: in slices, and projected if the contrast is shown in full."""
    contrast, unit = own.contrast, own.unit
    statistic, corrected, effect = own.file(contrast.statistic), own.file("logpfwe"), own.file("effect")
    if statistic is None or unit.mask is None:
        return
    mask, pixels = own.analysis.folder / unit.mask, WIDE if full else NARROW
    told = [own.analysis.record.fingerprint, own.key, pixels]
    what = f"{contrast.statistic} of {contrast.name} on {maps_name(unit, True)}"
    found = f"smallest corrected p {p_text(contrast.smallest_p)}"
    yield (
        "statistic",
        gallery.figure(
            f"{own.key}-{contrast.statistic}.svg",
            f"Map of {what} in seven slices of each of three axes; {found}.",
            lambda out, title: statistic_figure(
                statistic, corrected, mask, out, title, name=contrast.statistic, pixels=pixels
            ),
            told,
            kind="brain",
        ),
    )
    if effect is not None:
        yield (
            "effect",
            gallery.figure(
                f"{own.key}-effect.svg",
                f"Effect {contrast.name} on {maps_name(unit, True)}, {words.unit} per voxel; {found}.",
                lambda out, title: effect_figure(
                    effect, corrected, mask, out, title, words=words, pixels=pixels
                ),
                told,
                kind="brain",
            ),
        )
    if full:
        yield (
            "projection",
            gallery.figure(
                f"{own.key}-projected.webp",
                f"Strongest tenth of the map of {what}, as a glass brain and on inflated cortex.",
                lambda out, title: projection_figure(statistic, corrected, out, title),
                told,
                kind="brain",
            ),
        )


def viewer_of(own: Tested, gallery: Gallery) -> Any:
    """A viewer of the map of the statistic, if there is one."""
    statistic, contrast = own.file(own.contrast.statistic), own.contrast
    if statistic is None:
        return None
    title = f"Viewer: {contrast.statistic} of {contrast.name} on {maps_name(own.unit, True)}"
    return gallery.viewer(
        f"{own.key}-viewer.html",
        title,
        lambda out, text: write_viewer(statistic, out, text),
        [own.analysis.record.fingerprint, own.key],
    )


def _clusters(own: Tested, words: Words) -> dict[str, Any] | None:
    path = own.contrast.files.get("clusters")
    if path is None:
        return None
    rows = own.analysis.rows(path)
    count = len({row["cluster"] for row in rows})
    return {"table": shown_table("clusters", rows[:MOST_CLUSTERS], words), "count": count, "peaks": len(rows)}


def _regions(
    own: Tested, atlas: str, rows: Sequence[Row], words: Words, gallery: Gallery, drawn: bool
) -> dict[str, Any]:
    named: list[Mapping[str, str]] = [
        {**row, "name": region_label(row["region"], row["hemisphere"])} for row in rows
    ]
    ranked = sorted(named, key=lambda row: -abs(number(row, "statistic") or 0))
    bars = [
        RegionBar(row["name"], number(row, "statistic") or 0.0, number(row, "p_fwe"))
        for row in ranked[:MOST_BARS]
    ]
    holding = sum((p := number(row, "p_fwe")) is not None and p <= LEVEL for row in rows)
    title = (
        f"{own.contrast.statistic} of the strongest regions ({atlas}) for {own.contrast.name} on "
        f"{maps_name(own.unit, True)}: " + ", ".join(f"{bar.name} {bar.statistic:.1f}" for bar in bars[:5])
    )
    figure = None
    if drawn and bars:
        figure = gallery.figure(
            f"{own.key}-{atlas}.svg",
            title.replace("-", MINUS),
            lambda out, text: regions_figure(bars, own.contrast.statistic, out, text),
            [vars(bar) for bar in bars],
        )
    return {
        "atlas": atlas,
        "n": len(rows),
        "holding": holding,
        "figure": figure,
        "table": shown_table("regions", ranked, words),
    }


def _null(own: Tested, gallery: Gallery) -> Any:
    path = own.contrast.files.get("null")
    if path is None or own.contrast.measure is None:
        return None
    maxima = numbers(own.analysis.rows(path), "maximum")
    observed, threshold, measure = float(maxima[0]), own.contrast.threshold, own.contrast.measure
    title = (
        f"Null distribution of the largest {measure} in {len(maxima)} rearrangements; observed {observed:.4g}"
        + (f", threshold {threshold:.4g}." if threshold is not None else ".")
    )
    return gallery.figure(
        f"{own.key}-null.svg",
        title,
        lambda out, text: null_figure(maxima, threshold, measure, out, text),
        [maxima, threshold, measure],
    )
