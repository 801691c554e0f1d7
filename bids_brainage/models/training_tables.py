"""The tables of a training: errors (the paper's table 1), everybody's held-out estimates, the log."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from bids_brainage.models.calibration import FittedFold
from bids_brainage.models.schema import AGE, Errors
from bids_brainage.models.trainer import TrainingResult

ERROR_COLUMNS = {
    "level": "base_model, sub_ensemble or ensemble",
    "name": "Name of the model",
    "modalities": "Sequences it was given",
    "n": "People it was judged on, none of whom its networks were trained on",
    "mae": "Mean absolute error, years",
    "rmse": "Root mean squared error, years",
    "r2": "Coefficient of determination",
    "r": "Pearson's correlation of estimate and age",
    "guess_mae": "Mean absolute error of always guessing the training people's mean age, years",
}
PREDICTION_COLUMNS = {
    "participant_id": "Participant",
    "fold": "Number of the repetition, from 0",
    "role": "test or validation in that fold",
    "ensemble": "Ensemble",
    "model": "The ensemble's name, or that of one of its sub-ensembles",
    "age": "Chronological age, years",
    "estimate": "Brain age by models that were not trained on the person (heads cross-validated), years",
    "spread": "Standard deviation of the sub-ensembles' estimates, years",
}


def described(target: str, unit: str) -> dict[str, dict[str, str]]:
    """What the columns of each table (errors, predictions) mean, for a target and its unit."""
    tables = {"errors": ERROR_COLUMNS, "predictions": PREDICTION_COLUMNS}
    return {table: for_target(columns, target, unit) for table, columns in tables.items()}


def for_target(columns: Mapping[str, str], target: str, unit: str) -> dict[str, str]:
    """Columns and what they mean, said of ages and years, for a target and its unit."""
    if target == AGE:
        return dict(columns)
    swaps = {"Brain age": "Estimate", "Chronological age": f"Measured {target}", "mean age": "mean"}
    swaps |= {"estimate and age": "estimate and measured value", "years": unit or f"units of {target}"}
    return {_column(name, target): _swapped(text, swaps) for name, text in columns.items()}


def _column(name: str, target: str) -> str:
    """Measured values stand in a column age only if they are ages."""
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


def predictions_table(
    participants: Sequence[str], fitted: dict[str, Sequence[FittedFold]], target: str = AGE
) -> str:
    """Everybody's held-out estimates as tab-separated text.

    Parameters
    ----------
    participants : sequence of str
        Labels, by number in the cohort.
    fitted : dict of str to sequence of FittedFold
        By ensemble.
    target : str
        What is estimated.
    """
    lines = ["\t".join(_column(name, target) for name in PREDICTION_COLUMNS)]
    form = ".4f" if target == AGE else ".7g"
    for ensemble, folds in fitted.items():
        for number, fold in enumerate(folds):
            for key, estimates in whole_estimates(fold):
                lines += _fold_lines(participants, ensemble, number, fold, key[1], estimates, form)
    return "\n".join(lines) + "\n"


def whole_estimates(fold: FittedFold) -> list[tuple[tuple[str, str, tuple[str, ...]], np.ndarray]]:
    """Estimates of the sub-ensembles, and of the ensemble where nothing is missing."""
    most = max(len(key[2]) for key in fold.estimates if key[0] == "ensemble")
    return [
        (key, values)
        for key, values in fold.estimates.items()
        if key[0] == "sub_ensemble" or (key[0] == "ensemble" and len(key[2]) == most)
    ]


def _fold_lines(
    participants: Sequence[str],
    ensemble: str,
    number: int,
    fold: FittedFold,
    name: str,
    values: np.ndarray,
    form: str,
) -> list[str]:
    whole = max(fold.spreads, key=len)
    return [
        f"sub-{participants[person]}\t{number}\t{'test' if tested else 'validation'}\t{ensemble}\t{name}\t"
        f"{age:{form}}\t{value:{form}}\t{spread:{form}}"
        for person, tested, age, value, spread in zip(
            fold.people, fold.tested, fold.ages, values, fold.spreads[whole], strict=True
        )
    ]


def _number(value: float) -> str:
    return "n/a" if math.isnan(value) else f"{value:.5g}"


def log_table(results: Sequence[TrainingResult]) -> str:
    """How every base model was trained, as tab-separated text."""
    # Epoch -1: the weights that were there before, of a transferred model.
    lines = ["base_model\tepochs\tbest_epoch\tvalidation_mae\trestarts\tseconds"]
    lines += [
        f"{r.file}\t{len(r.history)}\t{r.best_epoch}\t{_number(r.validation_mae)}\t{r.restarts}\t{r.seconds:.1f}"
        for r in results
    ]
    return "\n".join(lines) + "\n"
