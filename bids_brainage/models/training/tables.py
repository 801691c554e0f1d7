"""The tables of a training: errors (the paper's table 1), each person's held-out estimates, the log."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from bids_brainage.models.evaluation.tables import ERROR_COLUMNS, column_name, for_target
from bids_brainage.models.training.calibration import FittedFold
from bids_brainage.models.training.result import TrainingResult
from bids_brainage.terms import AGE

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


def predictions_table(
    participants: Sequence[str], fitted: dict[str, Sequence[FittedFold]], target: str = AGE
) -> str:
    """Each person's held-out estimates as tab-separated text.

    Parameters
    ----------
    participants : sequence of str
        Labels, by number in the cohort.
    fitted : dict of str to sequence of FittedFold
        By ensemble.
    target : str
        What is estimated.
    """
    lines = ["\t".join(column_name(name, target) for name in PREDICTION_COLUMNS)]
    form = ".4f" if target == AGE else ".7g"
    for ensemble, folds in fitted.items():
        for number, fold in enumerate(folds):
            for key, estimates in whole_estimates(fold):
                lines += _fold_lines(participants, ensemble, number, fold, key[1], estimates, form)
    return "\n".join(lines) + "\n"


def whole_estimates(fold: FittedFold) -> list[tuple[tuple[str, str, tuple[str, ...]], np.ndarray]]:
    """Estimates of the sub-ensembles, and of the ensemble if nothing is missing."""
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
    # Epoch -1: the initial weights of a transferred model.
    lines = ["base_model\tepochs\tbest_epoch\tvalidation_mae\trestarts\tseconds"]
    lines += [
        f"{r.file}\t{len(r.history)}\t{r.best_epoch}\t{_number(r.validation_mae)}\t{r.restarts}\t{r.seconds:.1f}"
        for r in results
    ]
    return "\n".join(lines) + "\n"
