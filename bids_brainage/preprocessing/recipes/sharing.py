"""Sharing what was read among what it was read from, so that nothing is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Of what a place reads on average, so much must be there for it to be shared.
LEAST = 0.1


@dataclass(frozen=True, eq=False)
class Weights:
    """In which proportion voxels share what places hold that were read from them.

    Attributes
    ----------
    each : ndarray
        By voxel, not negative.
    read : ndarray
        By place, what it reads of them.
    enough : ndarray of bool
        Which places read so much that they can be shared.
    """

    each: NDArray[np.float32]
    read: NDArray[np.float64]
    enough: NDArray[np.bool_]

    @classmethod
    def of(
        cls, each: NDArray[np.float32], read: Callable[[NDArray[np.float32]], NDArray], full: float
    ) -> Weights:
        """Of voxels; `full` is what a place reads at most where all weights are one."""
        found = np.asarray(read(each), dtype=np.float64)
        some = each[each > 0]
        level = float(some.mean(dtype=np.float64)) if some.size else 0.0
        return cls(each, found, (found > LEAST * full * level) & (found > 0))


def share_out(
    values: NDArray[np.float64],
    weights: Iterable[Weights],
    spread: Callable[[NDArray[np.float64]], NDArray],
) -> tuple[Any, NDArray[np.float64]]:
    """Share each value among the voxels that it was read from, in proportion to their weights.

    As LRP through an averaging layer does (z+ rule), with the first weights of which a place reads enough.

    Parameters
    ----------
    values : ndarray
        What places hold.
    weights : iterable of Weights
    spread : callable
        The transpose of what reads.

    Returns
    -------
    shared, rest : ndarray
        By voxel (0 if nothing is); and what no weights could share, by place. Their sums make up that of the
        values, for positive and for negative ones.
    """
    rest = values.astype(np.float64)
    shared: Any = 0.0
    for one in weights:
        chosen = one.enough & (rest != 0)
        if not chosen.any():
            continue
        ratio = np.divide(rest, one.read, out=np.zeros_like(rest), where=chosen)
        shared = shared + one.each * spread(ratio)
        rest = np.where(chosen, 0.0, rest)
    return shared, rest
