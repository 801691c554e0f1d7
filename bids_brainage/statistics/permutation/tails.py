"""Small p values by the shape of a null distribution's tail, rather than by counting alone."""

from __future__ import annotations

import numpy as np

# The tail begins with a quarter of the null distribution; if that does not fit, with less and less of it,
# down to this many values (Winkler et al. 2016).
_SHARES = (0.25, 0.2, 0.15, 0.1, 0.05)
_FEWEST = 30
# Distributions of a larger shape end abruptly, and goodness of fit is not known of them.
_LARGEST_SHAPE = 0.5
# No p is told that is smaller than this share of the smallest that counting could tell: a few hundred
# values vouch for no more, and a distribution with an end would tell zero.
_FURTHEST = 0.01
# A fit is good if Anderson and Darling's statistic is exceeded in more than this share of samples of the
# fitted distribution.
_GOOD = 0.05
_SAMPLES = 500


def tail_p(values: np.ndarray, null: np.ndarray, counted: np.ndarray) -> tuple[np.ndarray, float | None]:
    """p values from a generalised Pareto distribution fitted to the largest values of a null distribution.

    Parameters
    ----------
    values : ndarray, shape (voxels,)
        Observed.
    null : ndarray, shape (rearrangements,)
        The first is that of the data as they are, which is left out of the fit.
    counted : ndarray, shape (voxels,)
        p by counting; kept below the tail, and everywhere if no tail fits.

    Returns
    -------
    ndarray, shape (voxels,)
    float or None
        p of the fit, None if none was good enough.
    """
    drawn = np.sort(null[1:].astype(np.float64))[::-1]
    for share in _SHARES:
        size = int(share * len(drawn))
        if size < _FEWEST:
            break
        start = (drawn[size - 1] + drawn[size]) / 2
        excess = drawn[:size] - start
        if excess[-1] <= 0 or excess[0] == excess[-1]:
            continue
        shape, scale = fit_pareto(excess[None])
        if shape[0] > _LARGEST_SHAPE:
            continue
        good = goodness_of_fit(excess, float(shape[0]), float(scale[0]))
        if good > _GOOD:
            tail = values > start
            p = counted.copy()
            p[tail] = size / len(drawn) * pareto_exceedance(values[tail] - start, shape[0], scale[0])
            return np.maximum(p, _FURTHEST / len(drawn)), good
    return counted, None


def fit_pareto(excess: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shape k and scale of samples (s, size) by their moments (Hosking & Wallis 1987).

    The distribution exceeds x with the chance ``(1 - k x / scale) ** (1 / k)``.
    """
    mean, variance = excess.mean(axis=1), excess.var(axis=1, ddof=1)
    ratio = mean * mean / variance
    return (ratio - 1) / 2, mean * (ratio + 1) / 2


def pareto_exceedance(excess: np.ndarray, shape: np.ndarray | float, scale: np.ndarray | float) -> np.ndarray:
    """The chance to exceed each value."""
    from scipy import stats

    return stats.genpareto.sf(excess, -np.asarray(shape), scale=scale)


def goodness_of_fit(excess: np.ndarray, shape: float, scale: float) -> float:
    """The share of samples of the distribution that fit worse by Anderson and Darling, each fitted anew."""
    from scipy import stats

    drawn = stats.genpareto.rvs(
        -shape, scale=scale, size=(_SAMPLES, len(excess)), random_state=np.random.default_rng(0)
    )
    ours = _anderson_darling(excess[None], *fit_pareto(excess[None]))
    theirs = _anderson_darling(drawn, *fit_pareto(drawn))
    return float(((theirs >= ours).sum() + 1) / (_SAMPLES + 1))


def _anderson_darling(samples: np.ndarray, shape: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Of samples (s, size), each with its own fit."""
    ordered = np.sort(samples, axis=1)
    exceeded = np.clip(pareto_exceedance(ordered, shape[:, None], scale[:, None]), 1e-15, 1 - 1e-15)
    size = samples.shape[1]
    weights = 2 * np.arange(1, size + 1) - 1
    return -size - (weights * (np.log1p(-exceeded) + np.log(exceeded[:, ::-1]))).sum(axis=1) / size
