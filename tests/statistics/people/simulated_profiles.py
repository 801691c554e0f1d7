"""Profiles of simulated people, whose clusters are known."""

from __future__ import annotations

import numpy as np


def profiles(
    seed: int, clusters: int, n: int = 80, regions: int = 30, apart: float = 1.3
) -> tuple[np.ndarray, np.ndarray]:
    """Values (n, regions) that share three factors, as regions do, and the cluster (n,) of each person."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, 3)) @ rng.normal(size=(3, regions)) * 0.6 + rng.normal(size=(n, regions))
    labels = np.arange(n) % clusters
    if clusters > 1:
        values += (rng.normal(size=(clusters, regions)) * apart)[labels]
    return values * rng.uniform(0.1, 2, regions), labels
