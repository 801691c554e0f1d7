"""Correlations of a permuted column with DBA in all windows at once.

People are ordered by age, so that a window is a slice of them. A kernel is made once from DBA and a column,
and then asked for any number of permutations: ``kernel(orders)`` is an array (permutations, windows).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

#: From the people whose value each has (permutations, n) to correlations (permutations, windows).
Kernel = Callable[[np.ndarray], np.ndarray]
# Share of a column's variance below which nothing of it is left but rounding.
_NOTHING = 1e-10
# The same beside the sum of its squares: a constant has no variance.
_ROUNDING = 1e-24


def linear_kernel(y: np.ndarray, x: np.ndarray, nuisance: np.ndarray, slices: Sequence[slice]) -> Kernel:
    """Pearson's correlation of what nuisance leaves of y and x in each window.

    Parameters
    ----------
    y, x : array (n,)
        `x` is what is permuted; its scale does not matter, where it has one.
    nuisance : array (n, q)
        Taken off both within each window; a column of ones for plain correlations.
    slices : sequence of slice
        The windows.
    """
    bases = [_basis(nuisance[window]) for window in slices]
    left = [_unit(_residual(y[window], basis)) for window, basis in zip(slices, bases, strict=True)]
    spread = float(x @ x) / max(len(x), 1)

    def correlate(orders: np.ndarray) -> np.ndarray:
        values = x[orders]
        found = np.full((len(orders), len(slices)), np.nan)
        for index, window in enumerate(slices):
            own = values[:, window]
            size = np.einsum("pi,pi->p", own, own) - np.sum((own @ bases[index]) ** 2, axis=1)
            varies = size > _NOTHING * spread * own.shape[1]
            np.divide(own @ left[index], np.sqrt(np.maximum(size, 0)), out=found[:, index], where=varies)
        return found

    return correlate


def rank_kernel(y: np.ndarray, x: np.ndarray, slices: Sequence[slice]) -> Kernel:
    """Spearman's correlation of y (n,) and x (n,), ranked within each window."""
    from scipy.stats import rankdata

    from bids_brainage.statistics.people.rank_loops import rank_correlations

    levels, codes = np.unique(x, return_inverse=True)
    ranks = np.zeros((len(slices), len(y)))
    for index, window in enumerate(slices):
        own = rankdata(y[window])
        ranks[index, window] = _unit(own - own.mean())
    starts = np.array([window.start for window in slices], np.int64)
    ends = np.array([window.stop for window in slices], np.int64)

    def correlate(orders: np.ndarray) -> np.ndarray:
        found = np.empty((len(orders), len(slices)))
        rank_correlations(codes.astype(np.int64), len(levels), orders, starts, ends, ranks, found)
        return found

    return correlate


def without(x: np.ndarray, nuisance: np.ndarray) -> np.ndarray:
    """What a least-squares fit of nuisance (n, q) leaves of x (n,); zeros if that is rounding."""
    left = _residual(x, _basis(nuisance))
    spread = float(x @ x - np.sum(x) ** 2 / max(len(x), 1))
    rounding = _ROUNDING * float(x @ x)
    return left if float(left @ left) > _NOTHING * spread + rounding else np.zeros_like(left)


def rank_of(nuisance: np.ndarray) -> int:
    """How many independent columns it has."""
    return _basis(nuisance).shape[1]


def _basis(nuisance: np.ndarray) -> np.ndarray:
    """Orthonormal columns that span those of nuisance, whatever their units."""
    sizes = np.linalg.norm(nuisance, axis=0)
    left, values, _ = np.linalg.svd(nuisance / np.where(sizes > 0, sizes, 1), full_matrices=False)
    return np.asarray(left[:, values > 1e-9 * values.max(initial=0)])


def _residual(x: np.ndarray, basis: np.ndarray) -> np.ndarray:
    return np.asarray(x - basis @ (basis.T @ x))


def _unit(x: np.ndarray) -> np.ndarray:
    """Of length 1; not a number if there is nothing."""
    size = float(np.linalg.norm(x))
    return x / size if size > 1e-9 else np.full_like(x, np.nan)
