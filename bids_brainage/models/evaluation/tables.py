"""The tables of an evaluation: errors, coverage of the intervals, each person's estimate."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from bids_brainage.atomic import write_text
from bids_brainage.models.bundles.bundle import Bundle
from bids_brainage.models.bundles.schema import Errors
from bids_brainage.models.evaluation.evaluation import Evaluation
from bids_brainage.terms import AGE

ERROR_COLUMNS = {
    "level": "base_model, sub_ensemble or ensemble",
    "name": "Name of the model",
    "modalities": "Sequences it used",
    "n": "People it was evaluated on, none of them in its networks' training",
    "mae": "Mean absolute error, years",
    "rmse": "Root mean squared error, years",
    "r2": "Coefficient of determination",
    "r": "Pearson's correlation of estimate and age",
    "guess_mae": "Mean absolute error of always guessing the training people's mean age, years",
}
COVERAGE_COLUMNS = {
    "ensemble": "Ensemble",
    "modalities": "Sequences it used",
    "level": "Share of people whose interval should contain the measured value",
    "n": "People",
    "covered": "Share of them whose interval does",
    "expected_low": "Covered is above this in 39 of 40 evaluations of people like those in calibration",
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
    """One row per ensemble, subset of modalities and nominal level."""
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
    """One row per person and ensemble."""
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


def for_target(columns: Mapping[str, str], target: str, unit: str) -> dict[str, str]:
    """Columns and their meaning, worded for ages and years, for a target and its unit."""
    if target == AGE:
        return dict(columns)
    swaps = {"Brain age": "Estimate", "Chronological age": f"Measured {target}", "mean age": "mean"}
    swaps |= {"estimate and age": "estimate and measured value", "years": unit or f"units of {target}"}
    return {column_name(name, target): _swapped(text, swaps) for name, text in columns.items()}


def column_name(name: str, target: str) -> str:
    """Measured values are in a column age only if they are ages."""
    return "measured" if name == "age" and target != AGE else name


def _swapped(text: str, swaps: Mapping[str, str]) -> str:
    for old, new in swaps.items():
        text = text.replace(old, new)
    return text


def errors_table(rows: Iterable[Errors], target: str = AGE) -> str:
    """Errors as tab-separated text, in years or the target's unit."""
    form = ".3f" if target == AGE else ".5g"
    names = ("level", "name", "modalities", "n", "mae", "rmse", "r2", "r", "guess_mae")
    lines = ["\t".join(names)]
    for row in rows:
        numbers = (row.mae, row.rmse, row.r2, row.r, row.guess_mae)
        cells = [row.level, row.name, "+".join(row.modalities), str(row.n)]
        cells += ["n/a" if number is None else format(number, form) for number in numbers]
        lines.append("\t".join(cells))
    return "\n".join(lines) + "\n"
