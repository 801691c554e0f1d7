"""Errors of estimates against what was measured."""

from __future__ import annotations

from typing import Literal

import numpy as np

from bids_brainage.models.bundles.schema import Errors


def measure_errors(
    level: Literal["base_model", "sub_ensemble", "ensemble"],
    name: str,
    modalities: tuple[str, ...],
    estimates: np.ndarray,
    ages: np.ndarray,
    guess: np.ndarray | float,
) -> Errors:
    """MAE, RMSE (years), R2 and r of estimates (n,), with the MAE of guessing the mean age."""
    errors = estimates - ages
    spread = float(np.sum((ages - ages.mean()) ** 2))
    varies = len(ages) > 1 and np.ptp(estimates) > 0 and np.ptp(ages) > 0
    return Errors(
        level=level,
        name=name,
        modalities=modalities,
        n=len(ages),
        mae=float(np.mean(np.abs(errors))),
        rmse=float(np.sqrt(np.mean(errors**2))),
        r2=1 - float(np.sum(errors**2)) / spread if spread > 0 else 0.0,
        r=float(np.corrcoef(estimates, ages)[0, 1]) if varies else None,
        guess_mae=float(np.mean(np.abs(ages - guess))),
    )
