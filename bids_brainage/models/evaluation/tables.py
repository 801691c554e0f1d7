"""The tables of an evaluation: errors, coverage of the intervals, each person's estimate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from bids_brainage.models.bundles.bundle import Bundle
from bids_brainage.models.bundles.schema import Errors
from bids_brainage.models.evaluation.evaluation import Evaluation
from bids_brainage.models.evaluation.published import COLUMNS, published_fits, rows
from bids_brainage.records.tables import write_table
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
    """Write ``errors.tsv``, ``coverage.tsv`` and ``estimates.tsv``, each with a JSON file of its columns.

    Of a published network there is ``published.tsv``, too.

    Returns
    -------
    tuple of Path
        The tables.
    """
    target, unit = bundle.record.target, bundle.record.unit
    errors = [row for errors in evaluation.errors.values() for row in errors]
    pairs = [
        write_errors(folder, errors, target, unit),
        write_table(
            folder / "coverage.tsv",
            coverage_rows(evaluation),
            described(COVERAGE_COLUMNS, target, unit),
            dict.fromkeys(COVERAGE_COLUMNS, ".4g"),
        ),
        write_table(
            folder / "estimates.tsv",
            estimate_rows(evaluation, column_name("age", target)),
            described(ESTIMATE_COLUMNS, target, unit),
            dict.fromkeys((*ESTIMATE_COLUMNS, "measured"), ".7g"),
        ),
    ]
    if fits := published_fits(bundle, evaluation):
        pairs.append(
            write_table(
                folder / "published.tsv",
                rows(fits),
                described(COLUMNS, target, unit),
                dict.fromkeys(COLUMNS, ".4g"),
            )
        )
    return tuple(table for table, _ in pairs)


def write_errors(folder: Path, rows: Iterable[Errors], target: str, unit: str) -> tuple[Path, Path]:
    """Write ``errors.tsv``, in years or the target's unit, with the JSON file of its columns."""
    form = ".3f" if target == AGE else ".5g"
    cells = ({**row.model_dump(), "modalities": "+".join(row.modalities)} for row in rows)
    return write_table(
        folder / "errors.tsv",
        cells,
        described(ERROR_COLUMNS, target, unit),
        dict.fromkeys(ERROR_COLUMNS, form),
    )


def coverage_rows(evaluation: Evaluation) -> Iterator[dict[str, Any]]:
    """One row per ensemble, subset of modalities and nominal level."""
    for row in evaluation.coverage:
        low, high = row.expected or (None, None)
        yield {
            "ensemble": row.ensemble,
            "modalities": "+".join(row.modalities),
            "level": row.level,
            "n": row.n,
            "covered": row.covered,
            "expected_low": low,
            "expected_high": high,
            "width": row.width,
        }


def estimate_rows(evaluation: Evaluation, measured: str = AGE) -> Iterator[dict[str, Any]]:
    """One row per person and ensemble; what was measured is in the column `measured`."""
    for name, estimates in evaluation.estimates.items():
        for person, estimate in zip(evaluation.people, estimates, strict=True):
            yield {
                "participant_id": f"sub-{person.participant}",
                "ensemble": name,
                measured: person.value,
                "estimate": estimate.brain_age,
                "lower_95": estimate.lower_95,
                "upper_95": estimate.upper_95,
                "spread": estimate.spread,
            }


def described(columns: Mapping[str, str], target: str, unit: str) -> dict[str, dict[str, str]]:
    """The entries of columns in their JSON file, for a target and its unit."""
    return {name: {"Description": text} for name, text in for_target(columns, target, unit).items()}


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
