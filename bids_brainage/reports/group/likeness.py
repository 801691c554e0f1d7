"""How alike the maps of sub-ensembles are, as a matrix of correlations for each contrast."""

from __future__ import annotations

from typing import Any

import numpy as np

from bids_brainage.reports.group.gallery import Gallery
from bids_brainage.reports.group.place_figures import likeness_figure
from bids_brainage.reports.group.reading import Analysis, Row, number
from bids_brainage.reports.group.tables import shown_table
from bids_brainage.reports.words import Words, spoken


def shown_likeness(
    analysis: Analysis, words: Words, gallery: Gallery, *, several: bool
) -> list[dict[str, Any]]:
    """A matrix and a table for each contrast on each kind of maps; none if there are no pairs."""
    if analysis.record.likeness is None:
        return []
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in analysis.rows(analysis.record.likeness):
        groups.setdefault((row["ensemble"], row["map"], row["contrast"]), []).append(row)
    return [_matrix(analysis, key, rows, words, gallery, several=several) for key, rows in groups.items()]


def _matrix(
    analysis: Analysis,
    key: tuple[str, str, str],
    rows: list[Row],
    words: Words,
    gallery: Gallery,
    *,
    several: bool,
) -> dict[str, Any]:
    ensemble, kind, contrast = key
    names = list(dict.fromkeys(row[end] for row in rows for end in ("first", "second")))
    r = np.eye(len(names))
    for row in rows:
        one, two = names.index(row["first"]), names.index(row["second"])
        value = number(row, "r")
        r[one, two] = r[two, one] = np.nan if value is None else value
    shown = [_name(name) for name in names]
    title = f"Correlations over voxels between the maps of {contrast} on {', '.join(shown)}."
    figure = gallery.figure(
        f"{analysis.record.name}-likeness-{ensemble}-{kind}-{contrast}.svg",
        title,
        lambda out, text: likeness_figure(shown, r, out, text),
        [shown, r],
    )
    pairs = [{**row, "pair": f"{_name(row['first'])} and {_name(row['second'])}"} for row in rows]
    about = f"{spoken(ensemble)}, {contrast}" if several else contrast
    return {
        "title": f"{about} ({kind.upper()} maps)",
        "figure": figure,
        "table": shown_table("likeness", pairs, words),
    }


def _name(sub_ensemble: str) -> str:
    region, _, modality = sub_ensemble.partition("_")
    return f"{spoken(region)} · {modality}" if modality else spoken(sub_ensemble)
