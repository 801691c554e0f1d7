"""Clusters of people by their profiles of relevance, and none where there are none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bids_brainage import messages
from bids_brainage.errors import InputError
from bids_brainage.statistics.people.stability import Stability, cluster, measure_stability

#: People without whom no clusters are looked for, and for each cluster that is tried.
FEWEST, FEWEST_EACH = 20, 10
#: Clusters are told only if data without any would be as stable in fewer than this share of cases ...
ALPHA = 0.05
#: ... and if they come back this well: agreement below is poor (Steinley 2004, Psychol Methods 9, 386).
LEAST_STABILITY = 0.65
#: Share of the variance that principal components keep where there are many regions.
KEPT = 0.9


@dataclass(frozen=True, eq=False)
class Profiles:
    """Clusters of people.

    Attributes
    ----------
    clusters : int
        1 if there are none.
    labels : int array (n,)
        From 1, in order of their centres' sums: people of cluster 1 have the lowest.
    sizes : tuple of int
        People of each.
    centres : ndarray (clusters, regions)
        Mean profiles, years.
    stability : Stability
        Why so many.
    regions : int
        That vary between people and are used.
    components : int
        Principal components of the standardised regions.
    explained : float
        Their share of the variance.
    """

    clusters: int
    labels: np.ndarray
    sizes: tuple[int, ...]
    centres: np.ndarray
    stability: Stability
    regions: int
    components: int
    explained: float

    def rows(self, places: Sequence[str]) -> list[dict[str, Any]]:
        """Cells of a table: a row for each cluster and region, by name."""
        return [
            {"cluster": index + 1, "n": size, "place": place, "years": float(years)}
            for index, size in enumerate(self.sizes)
            for place, years in zip(places, self.centres[index], strict=True)
        ]


def find_profiles(
    values: np.ndarray,
    seed: int,
    most: int = 6,
    resamples: int = 10,
    nulls: int = 99,
) -> Profiles:
    """Look for clusters.

    Parameters
    ----------
    values : array (n, regions)
        Years. Regions are standardised, so that small ones count as much as large ones; take age off before,
        if clusters are not to be those of young and old.
    seed : int
    most : int
        Largest number of clusters that is tried, but no more than a tenth of the people.
    resamples, nulls : int
        See `measure_stability`; clusters can be told from 19 nulls on.

    Raises
    ------
    InputError
        Too few people, no region that varies, or values that are not numbers.
    """
    from threadpoolctl import threadpool_limits

    values = np.asarray(values, np.float64)
    n = len(values)
    varies = np.ptp(values, axis=0) > 0 if n else np.zeros(values.shape[1], bool)
    if n < FEWEST or not varies.any() or not np.isfinite(values).all():
        raise InputError(messages.PROFILES_TOO_FEW.format(n=n, regions=int(varies.sum()), least=FEWEST))
    scores, explained = principal_scores(values[:, varies])
    most = max(2, min(most, n // FEWEST_EACH))
    with threadpool_limits(1):  # On so few numbers, threads cost more than they save.
        stability = measure_stability(scores, most, seed, resamples, nulls, LEAST_STABILITY)
    told = stability.p_any <= ALPHA and stability.found.max() >= LEAST_STABILITY
    labels = cluster(scores, stability.best, seed).predict(scores) if told else np.zeros(n, int)
    labels = _in_order(labels, values)
    numbers = range(1, labels.max() + 1)
    return Profiles(
        clusters=len(numbers),
        labels=labels,
        sizes=tuple(int(np.sum(labels == number)) for number in numbers),
        centres=np.stack([values[labels == number].mean(axis=0) for number in numbers]),
        stability=stability,
        regions=int(varies.sum()),
        components=scores.shape[1],
        explained=explained,
    )


def principal_scores(values: np.ndarray) -> tuple[np.ndarray, float]:
    """Principal components (n, c) of standardised values (n, regions), and their share of the variance.

    As many as keep `KEPT` of it, and no more than a quarter of the people.
    """
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import StandardScaler

    fitted = PCA(svd_solver="full").fit(standard := StandardScaler().fit_transform(values))
    kept = int(np.searchsorted(np.cumsum(fitted.explained_variance_ratio_), KEPT - 1e-9)) + 1
    kept = min(kept, max(1, len(values) // 4))
    scores = fitted.transform(standard)[:, :kept]
    return np.asarray(scores), float(fitted.explained_variance_ratio_[:kept].sum())


def _in_order(labels: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The same clusters, numbered from 1 by the mean of their people's sums."""
    names, index = np.unique(labels, return_inverse=True)
    sums = values.sum(axis=1)
    rank = np.argsort(np.argsort([sums[index == i].mean() for i in range(len(names))], kind="stable"))
    return np.asarray(rank[index] + 1)
