"""How many clusters there are: as many as come back when people are resampled, more than chance has it.

Clusterings of bootstrap samples are compared on the people whom two samples share (mean adjusted Rand index;
Ben-Hur et al. 2002, Pac Symp Biocomput 7, 6; Fang and Wang 2012, Comput Stat Data Anal 56, 468). A long cloud
without clusters is cut across its length again and again, and looks stable. So the same is done with normal
variates of the same covariance, which have no clusters (the null of Liu et al. 2008, JASA 103, 1281): there
are clusters only if the data are more stable than those are.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

#: Starts of each clustering, of which the best is taken.
STARTS = 3
# A standard deviation of stability below this is none.
_LEAST = 1e-3


@dataclass(frozen=True, eq=False)
class Stability:
    """By number of clusters, from 2.

    Attributes
    ----------
    numbers : int array (k,)
    found : ndarray (k,)
        Mean adjusted Rand index between resampled clusterings: 1 if they always agree, 0 by chance.
    null_mean, null_sd : ndarray (k,)
        Of the same among data sets without clusters.
    excess : ndarray (k,)
        (found - null_mean) / null_sd.
    p : ndarray (k,)
        Of each number by itself, (b + 1) / (nulls + 1).
    p_any : float
        Of the largest excess over all numbers: whether there are clusters at all.
    resamples, nulls, seed : int
        `nulls` is 0, and what needs them not a number, where nothing is stable enough to ask.
    """

    numbers: np.ndarray
    found: np.ndarray
    null_mean: np.ndarray
    null_sd: np.ndarray
    excess: np.ndarray
    p: np.ndarray
    p_any: float
    resamples: int
    nulls: int
    seed: int

    @property
    def best(self) -> int:
        """The number whose clusters come back best."""
        return int(self.numbers[np.argmax(self.found)])

    def rows(self) -> list[dict[str, Any]]:
        """Cells of a table: a row for each number."""
        names = ("found", "null_mean", "null_sd", "excess", "p")
        once = {"p_any": self.p_any, "resamples": self.resamples, "nulls": self.nulls, "seed": self.seed}
        return [
            {"clusters": int(number), **{name: float(getattr(self, name)[i]) for name in names}, **once}
            for i, number in enumerate(self.numbers)
        ]


def measure_stability(
    scores: np.ndarray, most: int, seed: int, resamples: int = 10, nulls: int = 99, least: float = 0.0
) -> Stability:
    """Compare the stability of clusterings with that of data without clusters.

    Parameters
    ----------
    scores : array (n, components)
        Uncorrelated (principal components), so that variances are all of their covariance.
    most : int
        Largest number of clusters that is tried.
    seed : int
    resamples : int
        Bootstrap samples of each data set.
    nulls : int
        Data sets without clusters, at least two.
    least : float
        If no number is as stable as this, the comparison is spared: `nulls` is 0, and p not a number.
    """
    numbers = np.arange(2, most + 1)
    found = _stabilities(scores, numbers, np.random.default_rng([seed, 0]), resamples)
    if found.max() < least:
        unknown = np.full(len(numbers), np.nan)
        return Stability(numbers, found, unknown, unknown, unknown, unknown, np.nan, resamples, 0, seed)
    spread = scores.std(axis=0, ddof=1)
    null = np.empty((nulls, len(numbers)))
    for index in range(nulls):
        rng = np.random.default_rng([seed, 1, index])
        null[index] = _stabilities(rng.normal(0, spread, scores.shape), numbers, rng, resamples)
    mean, sd = null.mean(axis=0), _sd(null)
    return Stability(
        numbers=numbers,
        found=found,
        null_mean=mean,
        null_sd=sd,
        excess=(found - mean) / sd,
        p=(np.sum(null >= found, axis=0) + 1) / (nulls + 1),
        p_any=_p_any(found, null),
        resamples=resamples,
        nulls=nulls,
        seed=seed,
    )


def rand_index(one: np.ndarray, two: np.ndarray) -> float:
    """Adjusted Rand index of labels (n,) from 0 (Hubert and Arabie 1985, J Classif 2, 193).

    scikit-learn's checks of its input take ten times as long as this.
    """
    width = int(two.max()) + 1
    table = np.bincount(one * width + two, minlength=(int(one.max()) + 1) * width).reshape(-1, width)
    pairs, rows, columns, all_pairs = (
        float(np.sum(counts * (counts - 1.0)) / 2)
        for counts in (table, table.sum(axis=1), table.sum(axis=0), np.array([len(one)]))
    )
    by_chance = rows * columns / all_pairs
    largest = (rows + columns) / 2
    return (pairs - by_chance) / (largest - by_chance) if largest > by_chance else 1.0


def cluster(scores: np.ndarray, number: int, seed: int) -> Any:
    """scikit-learn's k-means, fitted to scores (n, components), with so many clusters."""
    from sklearn.cluster import KMeans

    return KMeans(number, n_init=STARTS, random_state=seed).fit(scores)


def _stabilities(
    scores: np.ndarray, numbers: np.ndarray, rng: np.random.Generator, resamples: int
) -> np.ndarray:
    """The stability of each number of clusters."""
    n = len(scores)
    samples = [rng.integers(0, n, n) for _ in range(resamples)]
    seeds = rng.integers(0, 2**31, (len(numbers), resamples))
    shared = [(i, j, np.intersect1d(samples[i], samples[j])) for i, j in combinations(range(resamples), 2)]
    found = [
        _stability(scores, int(number), samples, shared, own)
        for number, own in zip(numbers, seeds, strict=True)
    ]
    return np.array(found)


def _stability(
    scores: np.ndarray,
    number: int,
    samples: list[np.ndarray],
    shared: list[tuple[int, int, np.ndarray]],
    seeds: np.ndarray,
) -> float:
    labels = [
        cluster(scores[sample], number, int(seed)).predict(scores)
        for sample, seed in zip(samples, seeds, strict=True)
    ]
    return float(np.mean([rand_index(labels[i][both], labels[j][both]) for i, j, both in shared]))


def _p_any(found: np.ndarray, null: np.ndarray) -> float:
    """p of the largest excess; among all data sets alike, the observed one included, so that p is exact."""
    together = np.vstack([found, null])
    largest = ((together - together.mean(axis=0)) / _sd(together)).max(axis=1)
    return float(np.mean(largest >= largest[0]))


def _sd(stabilities: np.ndarray) -> np.ndarray:
    return np.asarray(np.maximum(stabilities.std(axis=0, ddof=1), _LEAST))
