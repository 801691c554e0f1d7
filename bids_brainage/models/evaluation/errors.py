"""Errors of estimates against what was measured."""

from __future__ import annotations

from typing import Literal

import numpy as np

from bids_brainage.models.bundles.schema import Errors
from bids_brainage.statistics.people.accuracy import measure_accuracy


def measure_errors(
    level: Literal["base_model", "sub_ensemble", "ensemble"],
    name: str,
    modalities: tuple[str, ...],
    estimates: np.ndarray,
    ages: np.ndarray,
    guess: np.ndarray | float,
) -> Errors:
    """MAE, RMSE (years), R2 and r of estimates (n,), with the MAE of guessing the mean age."""
    found = measure_accuracy(estimates, ages, guess=guess)
    return Errors(
        level=level,
        name=name,
        modalities=modalities,
        n=found.n,
        mae=found.mae,
        rmse=found.rmse,
        r2=found.r2 if np.isfinite(found.r2) else 0.0,
        r=found.r if np.isfinite(found.r) else None,
        guess_mae=found.guess_mae,
    )
