"""The section of biomarkers: what is correlated with DBA, in windows of age and over all ages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bids_brainage.reports.group.gallery import Gallery
from bids_brainage.reports.group.reading import GroupResults, Row, number, numbers
from bids_brainage.reports.group.tables import shown_table
from bids_brainage.reports.group.window_figures import Series, windows_figure
from bids_brainage.reports.words import spoken

#: Columns in one figure; more of them are a figure of their own.
IN_A_FIGURE = 12
LEVEL = 0.05


def biomarkers_context(results: GroupResults, gallery: Gallery) -> dict[str, Any] | None:
    """What the template of biomarkers is filled with; None if there are no columns."""
    rows = results.tables.get("correlations", ())
    if not rows and "differences" not in results.tables:
        return None
    words = results.words
    tables = {
        name: [
            (ensemble, shown_table(name, own, words))
            for ensemble in results.record.ensembles
            if (own := _of(results.tables.get(name, ()), ensemble))
        ]
        for name in ("differences", "levels")
    }
    whole = [
        (ensemble, shown_table("correlations", own, words))
        for ensemble in results.record.ensembles
        if (own := _side_by_side(_of(rows, ensemble)))
    ]
    windows = [row for row in rows if row["range"] == "windows"]
    return {
        "tables": tables | {"whole": whole},
        "figures": _figures(results, windows, gallery),
        "window": _window(windows),
        "families": _families(rows),
        "found": _found(windows),
        "permutations": int(number(rows[0], "permutations") or 0) if rows else 0,
        "words": words,
    }


def _of(rows: Sequence[Row], ensemble: str) -> list[Row]:
    return [row for row in rows if row["ensemble"] == ensemble]


def _side_by_side(rows: Sequence[Row]) -> list[Row]:
    """Of each column over the whole range: Pearson's row, with the others' correlations beside it."""
    whole = [row for row in rows if row["range"] == "whole range"]
    by_method = {(row["method"], row["column"]): row for row in whole}
    found: list[Row] = []
    for row in whole:
        if row["method"] != "pearson":
            continue
        others = {name: by_method.get((name, row["column"]), {}) for name in ("spearman", "partial")}
        partial = {f"partial_{key}": others["partial"].get(f"r_{key}", "") for key in ("low", "high")}
        found.append(
            {
                **row,
                **partial,
                "spearman": others["spearman"].get("r", ""),
                "partial": others["partial"].get("r", ""),
                "partial_p_all": others["partial"].get("p_all", ""),
            }
        )
    return found


def _figures(results: GroupResults, windows: Sequence[Row], gallery: Gallery) -> list[Any]:
    """Figures of at most `IN_A_FIGURE` columns each."""
    pearson = [row for row in windows if row["method"] == "pearson"]
    names = list(dict.fromkeys(row["column"] for row in pearson if number(row, "r") is not None))
    parts = [names[start : start + IN_A_FIGURE] for start in range(0, len(names), IN_A_FIGURE)]
    return [_figure(results, pearson, part, place, gallery) for place, part in enumerate(parts, start=1)]


def _figure(
    results: GroupResults, rows: Sequence[Row], names: Sequence[str], place: int, gallery: Gallery
) -> Any:
    panels = {name: _series(results, rows, name) for name in names}
    title = f"Correlations of DBA in sliding windows of age with {', '.join(names)}."
    told = [[name, [vars(own) for own in series]] for name, series in panels.items()]
    return gallery.figure(
        f"windows-{place}.svg", title, lambda out, text: windows_figure(panels, out, text), told
    )


def _series(results: GroupResults, rows: Sequence[Row], column: str) -> list[Series]:
    found = []
    for ensemble in results.record.ensembles:
        own = [row for row in rows if row["column"] == column and row["ensemble"] == ensemble]
        found.append(
            Series(
                name=spoken(ensemble),
                ages=(numbers(own, "from") + numbers(own, "to")) / 2,
                n=numbers(own, "n"),
                r=numbers(own, "r"),
                low=numbers(own, "r_low"),
                high=numbers(own, "r_high"),
                in_column=numbers(own, "p_windows") <= LEVEL,
                in_all=numbers(own, "p_all") <= LEVEL,
            )
        )
    return found


def _window(rows: Sequence[Row]) -> dict[str, float] | None:
    """Width and step, years, and the fewest and most people of windows that were tested."""
    tested = [row for row in rows if number(row, "r") is not None]
    if not tested:
        return None
    starts = np.unique(numbers(rows, "from"))
    people = numbers(tested, "n")
    return {
        "width": float((numbers(rows, "to") - numbers(rows, "from")).max()),
        "step": float(np.diff(starts).min()) if len(starts) > 1 else 0.0,
        "fewest": int(people.min()),
        "most": int(people.max()),
    }


def _families(rows: Sequence[Row]) -> list[tuple[str, str, int]]:
    """Over what p values are corrected: range, method and number of tests, once each."""
    found = {(row["range"], row["method"], int(number(row, "tests") or 0)) for row in rows}
    return sorted((own for own in found if own[2]), key=lambda own: (own[0] != "windows", own[1]))


def _found(windows: Sequence[Row]) -> list[dict[str, Any]]:
    """Columns with a window that holds: where, and in which direction."""
    found = []
    keys = dict.fromkeys((row["ensemble"], row["column"]) for row in windows)
    for ensemble, column in keys:
        own = [
            row
            for row in windows
            if row["method"] == "pearson" and (row["ensemble"], row["column"]) == (ensemble, column)
        ]
        holding = [row for row in own if (p := number(row, "p_windows")) is not None and p <= LEVEL]
        if holding:
            strongest = max(holding, key=lambda row: abs(number(row, "r") or 0))
            everywhere = [row for row in own if (p := number(row, "p_all")) is not None and p <= LEVEL]
            found.append(
                {
                    "ensemble": ensemble,
                    "column": column,
                    "from": min(number(row, "from") or 0 for row in holding),
                    "to": max(number(row, "to") or 0 for row in holding),
                    "r": number(strongest, "r"),
                    "windows": len(holding),
                    "in_all": len(everywhere),
                }
            )
    return found
