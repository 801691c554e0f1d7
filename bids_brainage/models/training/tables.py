"""The tables of a training: errors (the paper's table 1), each person's held-out estimates, the log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bids_brainage.models.evaluation.tables import column_name, described
from bids_brainage.models.training.calibration import FittedFold
from bids_brainage.models.training.result import TrainingResult
from bids_brainage.records.tables import write_table
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


LOG_COLUMNS = {
    "base_model": "File of the base model",
    "epochs": "Epochs of the last schedule",
    "best_epoch": "Epoch whose weights are kept, from 0; -1: the initial weights of a transferred model",
    "validation_mae": "Mean absolute error of these weights on the validation people, years",
    "restarts": "How often the schedule began again",
    "seconds": "Duration of the training",
}


def write_predictions(
    folder: Path,
    participants: Sequence[str],
    fitted: Mapping[str, Sequence[FittedFold]],
    target: str,
    unit: str,
) -> tuple[Path, Path]:
    """Write everybody's held-out estimates, ``predictions.tsv``.

    Parameters
    ----------
    folder : Path
    participants : sequence of str
        Labels, by number in the cohort.
    fitted : mapping of str to sequence of FittedFold
        By ensemble.
    target, unit : str
        What is estimated.
    """
    form = ".4f" if target == AGE else ".7g"
    return write_table(
        folder / "predictions.tsv",
        prediction_rows(participants, fitted, column_name("age", target)),
        described(PREDICTION_COLUMNS, target, unit),
        dict.fromkeys((*PREDICTION_COLUMNS, "measured"), form),
    )


def prediction_rows(
    participants: Sequence[str], fitted: Mapping[str, Sequence[FittedFold]], measured: str = AGE
) -> Iterator[dict[str, Any]]:
    """One row per ensemble, fold, model and person; what was measured is in the column `measured`."""
    for ensemble, folds in fitted.items():
        for number, fold in enumerate(folds):
            whole = max(fold.spreads, key=len)
            for (_, name, _), estimates in whole_estimates(fold):
                for person, tested, age, value, spread in zip(
                    fold.people, fold.tested, fold.ages, estimates, fold.spreads[whole], strict=True
                ):
                    yield {
                        "participant_id": f"sub-{participants[person]}",
                        "fold": number,
                        "role": "test" if tested else "validation",
                        "ensemble": ensemble,
                        "model": name,
                        measured: float(age),
                        "estimate": float(value),
                        "spread": float(spread),
                    }


def whole_estimates(fold: FittedFold) -> list[tuple[tuple[str, str, tuple[str, ...]], np.ndarray]]:
    """Estimates of the sub-ensembles, and of the ensemble if nothing is missing."""
    most = max(len(key[2]) for key in fold.estimates if key[0] == "ensemble")
    return [
        (key, values)
        for key, values in fold.estimates.items()
        if key[0] == "sub_ensemble" or (key[0] == "ensemble" and len(key[2]) == most)
    ]


def write_log(folder: Path, results: Sequence[TrainingResult], target: str, unit: str) -> tuple[Path, Path]:
    """Write the course of every base model's training, ``training_log.tsv``."""
    rows = (
        {
            "base_model": result.file,
            "epochs": len(result.history),
            "best_epoch": result.best_epoch,
            "validation_mae": result.validation_mae,
            "restarts": result.restarts,
            "seconds": result.seconds,
        }
        for result in results
    )
    forms = {"validation_mae": ".5g", "seconds": ".1f"}
    return write_table(folder / "training_log.tsv", rows, described(LOG_COLUMNS, target, unit), forms)
