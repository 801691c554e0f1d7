"""The best possible: how well age can be known from the ages that the processes have reached."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_brainage import messages
from bids_brainage.simulation.spec import Process, load_spec
from bids_brainage.terms import MODALITIES


def precision_weighted_sd(sds: NDArray[np.float64]) -> float:
    """Sd of age around the precision-weighted mean of processes of independent `sds` (no prior)."""
    return float(1 / np.sqrt(np.sum(1 / np.asarray(sds) ** 2)))


def bayes_limits(age_range: tuple[float, float], draws: int = 10_000, seed: int = 0) -> dict[str, Any]:
    """Bayes limits of each modality, of all, and of each process alone.

    The ages of all processes are assumed to be seen without error, and contributions of risk factors to be
    known. The prior is uniform over `age_range`. A process that has not started (lesions before 40) shows
    only that.
    """
    processes = load_spec().ageing.processes
    sets = {"all": list(processes)}
    sets |= {m: [n for n, p in processes.items() if m in p.visible_in] for m in MODALITIES}
    sets |= {name: [name] for name in processes}
    return {
        "Description": messages.SIMULATION_BAYES_LIMIT,
        "Units": "years",
        "AgeRange": list(age_range),
        "MeanAgeGuess": {"MAE": (age_range[1] - age_range[0]) / 4},
        "Limits": {
            label: _limit([processes[n] for n in names], age_range, draws, seed)
            for label, names in sets.items()
        },
    }


def _limit(processes: list[Process], age_range: tuple[float, float], draws: int, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    ages = rng.uniform(*age_range, draws)
    sds = np.array([p.sd for p in processes])
    onsets = np.array([p.effect.onset for p in processes])
    seen = np.maximum(ages[:, None] + sds * rng.standard_normal((draws, len(sds))), onsets)
    mean, median = posterior(seen, sds, onsets, age_range)
    precision_sd = precision_weighted_sd(sds)
    return {
        "MAE": round(float(np.abs(median - ages).mean()), 3),
        "RMSE": round(float(np.sqrt(((mean - ages) ** 2).mean())), 3),
        "SdWithoutPrior": round(precision_sd, 3),
        "MAEWithoutPrior": round(precision_sd * float(np.sqrt(2 / np.pi)), 3),
    }


def posterior(
    seen: NDArray[np.float64],
    sds: NDArray[np.float64],
    onsets: NDArray[np.float64],
    age_range: tuple[float, float],
    step: float = 0.5,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Posterior mean and median of age under a uniform prior.

    Parameters
    ----------
    seen : ndarray (people, processes)
        Process ages; those at their onset are known only to be at most that.
    sds, onsets : ndarray (processes,)
        Noise of each process, and the age below which it shows nothing (years).
    age_range : tuple of float
        Limits of the prior (years).
    step : float
        Spacing of the ages tried (years).
    """
    from scipy.special import log_ndtr

    grid = np.arange(age_range[0], age_range[1] + step, step)
    likelihood = np.zeros((len(seen), len(grid)))
    for values, sd, onset in zip(seen.T, sds, onsets, strict=True):
        density = -0.5 * ((values[:, None] - grid) / sd) ** 2
        silent = log_ndtr((onset - grid) / sd)
        likelihood += np.where((values <= onset)[:, None], silent, density)
    weights = np.exp(likelihood - likelihood.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    cumulated = weights.cumsum(axis=1)
    return weights @ grid, grid[np.argmax(cumulated >= 0.5, axis=1)]
