"""The section of estimates: how well they agree with age, and with one another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_brainage.errors import InputError
from bids_brainage.reports.group.estimate_figures import correction_figure
from bids_brainage.reports.group.gallery import Gallery
from bids_brainage.reports.group.reading import GroupResults, Row, numbers
from bids_brainage.reports.group.tables import shown_table, written
from bids_brainage.reports.training_figures import age_figure
from bids_brainage.reports.words import spoken
from bids_brainage.statistics.people.correction import correct_out_of_fold


def estimates_context(results: GroupResults, gallery: Gallery) -> dict[str, Any]:
    """What the template of estimates is filled with."""
    words, several = results.words, len(results.record.ensembles) > 1
    rows = {
        name: results.tables.get(name, ()) for name in ("correction", "comparison", "agreement", "change")
    }
    rows["accuracy"] = [
        {**row, "people": _people(row, several)} for row in results.tables.get("accuracy", ())
    ]
    tables = {name: shown_table(name, own, words) if own else None for name, own in rows.items()}
    return {
        "tables": tables,
        "ensembles": [_ensemble(results, name, gallery) for name in results.record.ensembles],
        "words": words,
    }


def _people(row: Row, several: bool) -> str:
    """Which people a row of the table of accuracy is about."""
    who = "All" if row["column"] == "all" else f"{row['column']}: {row['level']}"
    return f"{spoken(row['ensemble'])}, {who[0].lower()}{who[1:]}" if several else who


def _ensemble(results: GroupResults, name: str, gallery: Gallery) -> dict[str, Any]:
    rows = results.of(name)
    figures = list(_figures(results, name, rows, gallery)) if _known(results, rows).any() else []
    return {"name": name, "n": len(rows), "with_age": int(_known(results, rows).sum()), "figures": figures}


def measured(results: GroupResults, rows: list[Row]) -> NDArray[np.float64]:
    """What estimates are compared with (n,)."""
    return numbers(rows, "chronological_age" if results.words.of_age else "measured")


def _known(results: GroupResults, rows: list[Row]) -> NDArray[np.bool_]:
    return np.isfinite(measured(results, rows))


def _figures(
    results: GroupResults, name: str, rows: list[Row], gallery: Gallery
) -> Iterator[tuple[str, Any]]:
    words, known = results.words, _known(results, rows)
    ages, estimates = measured(results, rows)[known], numbers(rows, "brain_age")[known]
    spreads = numbers(rows, "uncertainty")[known]
    against = f"{words.estimate} against {words.measured}"
    error = written(float(np.abs(estimates - ages).mean()), "years", words)
    title = (
        f"{spoken(name)}: {against} of {len(ages)} people with the line of identity; absolute error (mean "
        f"{error} {words.unit}) and uncertainty against {words.measured}."
    )
    guess = np.full(len(ages), ages.mean())
    told = [ages, estimates, spreads, vars(words)]
    yield (
        "age",
        gallery.figure(
            f"{name}-estimates.svg",
            title,
            lambda out, text: age_figure(ages, estimates, spreads, guess, out, text, words, "uncertainty"),
            told,
        ),
    )
    after = _corrected(rows, known, estimates, ages)
    if after is not None:
        slope = np.polyfit(ages, estimates - ages, 1)[0]
        title = (
            f"{spoken(name)}: DBA against {words.measured}, raw (it changes by {slope:+.2f} a year) and "
            "corrected."
        )
        yield (
            "correction",
            gallery.figure(
                f"{name}-correction.svg",
                title,
                lambda out, text: correction_figure(ages, estimates - ages, after - ages, out, text, words),
                [*told, after],
            ),
        )


def _corrected(
    rows: list[Row], known: NDArray[np.bool_], estimates: NDArray[np.float64], ages: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """By the bundle where it corrects everybody, or by lines of the other people of the group."""
    given = numbers(rows, "brain_age_corrected")[known]
    if np.isfinite(given).all():
        return given
    try:
        corrected: NDArray[np.float64] = correct_out_of_fold(estimates, ages).corrected
    except InputError:
        return None
    return corrected
