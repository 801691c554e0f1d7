"""The section of places: where a group's DBA comes from, left against right, and clusters of people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from bids_brainage.reports.group.gallery import Gallery
from bids_brainage.reports.group.place_figures import Part, split_figure
from bids_brainage.reports.group.reading import GroupResults, Row, number
from bids_brainage.reports.group.tables import shown_table
from bids_brainage.reports.words import spoken

EVERYBODY = "everybody"
MOST_PARTS = 12
#: The last rows of a split: what maps do not hold, and the sum of all.
LAST = 2
_SPLIT = ("ensemble", "map", "column", "level", "other")


def places_context(results: GroupResults, gallery: Gallery) -> dict[str, Any] | None:
    """What the template of places is filled with; None if there are no tables of regions."""
    tables = results.tables
    if not {"split", "asymmetry", "stability"} & tables.keys():
        return None
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in tables.get("split", ()):
        groups.setdefault(tuple(row[name] for name in _SPLIT), []).append(row)
    splits = [_split(results, key, rows, gallery) for key, rows in groups.items() if len(rows) > LAST]
    return {
        "first": [own for own in splits if own["everybody"]],
        "others": [own for own in splits if not own["everybody"]],
        "sides": list(_by_map(results, "asymmetry")),
        "profiles": list(_profiles(results)),
        "words": results.words,
    }


def _split(
    results: GroupResults, key: tuple[str, ...], rows: Sequence[Row], gallery: Gallery
) -> dict[str, Any]:
    ensemble, kind, column, level, other = key
    everybody = column == EVERYBODY
    parts = [
        Part(row["place"], number(row, "years") or 0.0, number(row, "low"), number(row, "high"))
        for row in rows
    ]
    whole, words = parts[-1], results.words
    shown = _largest(parts[:-LAST], parts[-LAST])
    who = "mean DBA" if everybody else f"difference of mean DBA, {column}: {level} minus {other}"
    largest = ", ".join(f"{part.name} {words.signed(part.years)}" for part in shown[:5])
    title = f"{spoken(ensemble)}, {who}: {words.signed(whole.years)} {words.unit}, of which {largest}."
    figure = gallery.figure(
        f"split-{ensemble}-{kind}-{column}-{level}.svg",
        title,
        lambda out, text: split_figure(shown, whole, out, text, words),
        [[vars(part) for part in [*shown, whole]], vars(words)],
    )
    return {
        "ensemble": ensemble,
        "kind": kind,
        "who": who,
        "everybody": everybody,
        "figure": figure,
        "table": shown_table("split", rows, words),
    }


def _largest(parts: Sequence[Part], rest: Part) -> list[Part]:
    """The largest parts by name, all others as one, and what maps do not hold: they still add up."""
    ranked = sorted(parts, key=lambda part: -abs(part.years))
    named, others = ranked[:MOST_PARTS], ranked[MOST_PARTS:]
    together = [Part(f"{len(others)} other regions", sum(part.years for part in others))] if others else []
    return [*named, *together, rest]


def _by_map(results: GroupResults, table: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """A table's rows by ensemble and kind of map."""
    rows = results.tables.get(table, ())
    for ensemble, kind in dict.fromkeys((row["ensemble"], row["map"]) for row in rows):
        own = [row for row in rows if (row["ensemble"], row["map"]) == (ensemble, kind)]
        yield ensemble, kind, shown_table(table, own, results.words)


def _profiles(results: GroupResults) -> Iterator[dict[str, Any]]:
    """How many clusters people form, why, and what goes along with them."""
    others = {name: {own[:2]: own[2] for own in _by_map(results, name)} for name in ("relations", "profiles")}
    stability = results.tables.get("stability", ())
    for ensemble, kind, table in _by_map(results, "stability"):
        own = next(row for row in stability if (row["ensemble"], row["map"]) == (ensemble, kind))
        yield {
            "ensemble": ensemble,
            "kind": kind,
            "clusters": int(number(own, "chosen") or 1),
            "p": number(own, "p_any"),
            "table": table,
            **{name: found.get((ensemble, kind)) for name, found in others.items()},
        }
