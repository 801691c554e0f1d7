"""The section that comes first: who was compared, what ran, and what must be known to read the rest."""

from __future__ import annotations

from typing import Any

import numpy as np

from bids_brainage import messages
from bids_brainage.reports.group.estimates import measured
from bids_brainage.reports.group.limits import of_people
from bids_brainage.reports.group.reading import Analysis, GroupResults, number
from bids_brainage.reports.group.tables import p_text, written
from bids_brainage.reports.group.words import maps_name

LEVEL = 0.05
#: Where no line shall break.
BLANK = "\N{NO-BREAK SPACE}"


def summary_context(results: GroupResults) -> dict[str, Any]:
    """What the template of the summary is filled with."""
    record, words = results.record, results.words
    people = [row["participant_id"] for row in results.estimates]
    rows = max((results.of(name) for name in record.ensembles), key=len, default=[])
    ages = measured(results, rows)
    known = ages[np.isfinite(ages)]
    sessions = len({(row["participant_id"], row["session_id"]) for row in results.estimates})
    return {
        "record": record,
        "words": words,
        "people": len(set(people)),
        "sessions": sessions,
        "ages": known,
        "unknown_ages": len(ages) - len(known),
        "sexes": _counts([row["sex"] for row in rows]),
        "accuracy": [_accuracy(results, name) for name in record.ensembles],
        "analyses": [_found(analysis, len(record.ensembles) > 1) for analysis in results.analyses],
        "limits": list(of_people(len(known), known)),
        "purpose": messages.REPORT_PURPOSE,
    }


def _counts(texts: list[str]) -> str:
    names = sorted(set(texts) - {"n/a"})
    return ", ".join(f"{name} ({texts.count(name)})" for name in names)


def _accuracy(results: GroupResults, ensemble: str) -> dict[str, Any]:
    for row in results.tables.get("accuracy", ()):
        if row["ensemble"] == ensemble and row["column"] == "all":
            form = {name: written(number(row, name), "years", results.words) for name in ("mae", "guess_mae")}
            bias = written(number(row, "bias"), "signed", results.words)
            return {"ensemble": ensemble, "n": row["n"], "bias": bias, "r": number(row, "r"), **form}
    return {"ensemble": ensemble, "n": "0"}


def _found(analysis: Analysis, several: bool) -> dict[str, Any]:
    """What an analysis found, in a line."""
    record = analysis.record
    tested = [(unit, own) for unit in record.units for own in unit.contrasts]
    holding = [
        f"{maps_name(unit, several)} (p{BLANK}={BLANK}{p_text(own.smallest_p)})"
        for unit, own in tested
        if own.smallest_p is not None and own.smallest_p <= LEVEL
    ]
    least = min((own.smallest_p for _, own in tested if own.smallest_p is not None), default=None)
    return {
        "title": record.title,
        "source": record.source,
        "people": max((len(unit.people) for unit in record.units), default=0),
        "tests": len(tested),
        "holding": holding,
        "least": p_text(least) if least is not None else None,
        "absolute": record.absolute,
    }
