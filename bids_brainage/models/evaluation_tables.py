"""The tables of an evaluation: errors, coverage of the intervals, everybody's estimate."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from bids_brainage.atomic import write_text
from bids_brainage.models.bundle import Bundle
from bids_brainage.models.evaluation import Evaluation
from bids_brainage.models.training_tables import ERROR_COLUMNS, errors_table, for_target

COVERAGE_COLUMNS = {
    "ensemble": "Ensemble",
    "modalities": "Sequences it was given",
    "level": "Share of people whose interval ought to hold the measured value",
    "n": "People",
    "covered": "Share of them whose interval does",
    "expected_low": "Covered is above this in 39 of 40 evaluations of people like those calibrated on",
    "expected_high": "Covered is below this in 39 of 40 such evaluations",
    "width": "Mean width of the intervals, years",
}
ESTIMATE_COLUMNS = {
    "participant_id": "Participant",
    "ensemble": "Ensemble, given all sequences",
    "age": "Chronological age, years",
    "estimate": "Brain age, years",
    "lower_95": "Lower end of the 95 % prediction interval, years",
    "upper_95": "Upper end of the 95 % prediction interval, years",
    "spread": "Standard deviation of the sub-ensembles' estimates, years",
}


def write_evaluation(folder: Path, bundle: Bundle, evaluation: Evaluation) -> tuple[Path, ...]:
    """Write ``errors.tsv``, ``coverage.tsv`` and ``estimates.tsv``, each with a JSON file of its columns."""
    target = bundle.record.target
    columns = {
        name: for_target(columns, target, bundle.record.unit)
        for name, columns in (
            ("errors", ERROR_COLUMNS),
            ("coverage", COVERAGE_COLUMNS),
            ("estimates", ESTIMATE_COLUMNS),
        )
    }
    rows = [row for errors in evaluation.errors.values() for row in errors]
    tables = {
        "errors": errors_table(rows, target),
        "coverage": _text(coverage_frame(evaluation), columns["coverage"], "%.4g"),
        "estimates": _text(estimates_frame(evaluation), columns["estimates"], "%.7g"),
    }
    written = []
    for name, table in tables.items():
        sentences = {column: {"Description": text} for column, text in columns[name].items()}
        write_text(folder / f"{name}.json", json.dumps(sentences, indent=2) + "\n")
        written.append(write_text(folder / f"{name}.tsv", table))
    return tuple(written)


def coverage_frame(evaluation: Evaluation) -> pd.DataFrame:
    """One row an ensemble, subset of modalities and nominal level."""
    rows = [
        {
            "ensemble": row.ensemble,
            "modalities": "+".join(row.modalities),
            "level": row.level,
            "n": row.n,
            "covered": row.covered,
            "expected_low": None if row.expected is None else row.expected[0],
            "expected_high": None if row.expected is None else row.expected[1],
            "width": row.width,
        }
        for row in evaluation.coverage
    ]
    return pd.DataFrame(rows, columns=list(COVERAGE_COLUMNS))


def estimates_frame(evaluation: Evaluation) -> pd.DataFrame:
    """One row a person and ensemble."""
    rows = [
        {
            "participant_id": f"sub-{person.participant}",
            "ensemble": name,
            "age": person.value,
            "estimate": estimate.brain_age,
            "lower_95": estimate.lower_95,
            "upper_95": estimate.upper_95,
            "spread": estimate.spread,
        }
        for name, estimates in evaluation.estimates.items()
        for person, estimate in zip(evaluation.people, estimates, strict=True)
    ]
    return pd.DataFrame(rows, columns=list(ESTIMATE_COLUMNS))


def _text(frame: pd.DataFrame, columns: Mapping[str, str], form: str) -> str:
    """The frame as tab-separated text, headed by the names of `columns`."""
    named = frame.set_axis(list(columns), axis=1)
    return str(named.to_csv(sep="\t", index=False, na_rep="n/a", float_format=form, lineterminator="\n"))
