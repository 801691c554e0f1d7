"""How alike several maps are: correlation over voxels, and overlap of their largest values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

#: Shares of voxels that count as a map's largest.
SHARES = (0.01, 0.05, 0.1)


@dataclass(frozen=True, eq=False)
class Likeness:
    """Of each pair of maps.

    Attributes
    ----------
    names : tuple of str
    r : ndarray (maps, maps)
        Pearson's correlation over voxels; not a number where a map is the same everywhere.
    shares : tuple of float
    dice : ndarray (shares, maps, maps)
        Overlap of the largest values. Two unrelated maps have about the share itself.
    voxels : int
    """

    names: tuple[str, ...]
    r: np.ndarray
    shares: tuple[float, ...]
    dice: np.ndarray
    voxels: int

    def rows(self) -> list[dict[str, Any]]:
        """Cells of a table: a row for each pair and share."""
        return [
            {
                "first": self.names[i],
                "second": self.names[j],
                "voxels": self.voxels,
                "r": float(self.r[i, j]),
                "share": share,
                "dice": float(self.dice[s, i, j]),
            }
            for i, j in combinations(range(len(self.names)), 2)
            for s, share in enumerate(self.shares)
        ]


def compare_maps(
    maps: np.ndarray, names: Sequence[str], shares: Sequence[float] = SHARES, absolute: bool = False
) -> Likeness:
    """Compare maps over the voxels of a mask.

    Parameters
    ----------
    maps : array (maps, voxels)
        Such as t maps of sequences.
    names : sequence of str
    shares : sequence of float
        In (0, 1].
    absolute : bool
        Whether the largest values are those of either sign.
    """
    maps = np.asarray(maps, np.float64)
    voxels = maps.shape[1]
    centred = maps - maps.mean(axis=1, keepdims=True)
    sizes = np.linalg.norm(centred, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        unit = np.where(sizes > 0, 1 / sizes, np.nan)[:, None] * centred
    order = np.argsort(-(np.abs(maps) if absolute else maps), axis=1, kind="stable")
    dice = []
    for share in shares:
        count = max(1, round(share * voxels))
        top = np.zeros(maps.shape, bool)
        np.put_along_axis(top, order[:, :count], True, axis=1)
        dice.append(top.astype(float) @ top.T / count)
    return Likeness(tuple(names), np.clip(unit @ unit.T, -1, 1), tuple(shares), np.stack(dice), voxels)
