"""Spearman's correlation of many permutations in many windows: a compiled loop, for both change ranks."""

from __future__ import annotations

import numpy as np

from bids_brainage.compiling import compiled


@compiled
def rank_correlations(
    codes: np.ndarray,
    levels: int,
    orders: np.ndarray,
    starts: np.ndarray,
    ends: np.ndarray,
    ranks: np.ndarray,
    found: np.ndarray,
) -> None:
    """Correlate the mid-ranks of permuted values with fixed ranks in each window.

    Parameters
    ----------
    codes : int array (n,)
        Values as their places among the different ones, from 0.
    levels : int
        How many different ones there are.
    orders : int array (permutations, n)
        Whose value each person has.
    starts, ends : int array (windows,)
        The people of each window, ordered by age.
    ranks : float array (windows, n)
        Of the other variable in each window: centred, of length 1.
    found : float array (permutations, windows)
        Is filled with correlations; not a number where all values of a window are the same.
    """
    counts = np.zeros(levels, np.int64)
    middles = np.zeros(levels, np.float64)
    for p in range(orders.shape[0]):
        for w in range(len(starts)):
            n = ends[w] - starts[w]
            counts[:] = 0
            for i in range(starts[w], ends[w]):
                counts[codes[orders[p, i]]] += 1
            below, spread = 0, 0.0
            for level in range(levels):
                # Centred: the ranks 1..n have the mean (n + 1) / 2.
                middles[level] = below + (counts[level] + 1) / 2 - (n + 1) / 2
                spread += counts[level] * middles[level] ** 2
                below += counts[level]
            total = 0.0
            for i in range(starts[w], ends[w]):
                total += ranks[w, i] * middles[codes[orders[p, i]]]
            found[p, w] = total / np.sqrt(spread) if spread > 0 else np.nan
