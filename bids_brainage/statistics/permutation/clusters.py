"""The clusters of a map and their peaks, for tables."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bids_brainage.statistics.permutation.enhancement import label_clusters
from bids_brainage.statistics.permutation.grid import Connectivity


@dataclass(frozen=True)
class Peak:
    """A voxel that no neighbour exceeds.

    Attributes
    ----------
    voxel : tuple of 3 int
        Its indices in the mask's grid.
    value : float
    p : float or None
    """

    voxel: tuple[int, int, int]
    value: float
    p: float | None


@dataclass(frozen=True, eq=False)
class Cluster:
    """Neighbouring voxels of one sign.

    Attributes
    ----------
    voxels : ndarray of int, shape (size, 3)
        Indices in the mask's grid.
    mass : float
        Sum of what their values, without sign, exceed the threshold by.
    peaks : tuple of Peak
        The largest first, each at least as far from all before it as was asked.
    """

    voxels: np.ndarray
    mass: float
    peaks: tuple[Peak, ...]

    @property
    def size(self) -> int:
        """Number of voxels."""
        return len(self.voxels)


def find_clusters(
    values: np.ndarray,
    mask: np.ndarray,
    selected: np.ndarray,
    p: np.ndarray | None = None,
    threshold: float = 0.0,
    connectivity: Connectivity = 6,
    apart: float = 4.0,
    most: int = 3,
) -> list[Cluster]:
    """Clusters of selected voxels, the one with the largest peak first.

    Parameters
    ----------
    values : ndarray, shape (voxels,)
        Positive and negative ones are never in one cluster; zero is in none.
    mask : ndarray of bool, shape (x, y, z)
        Its true voxels, in C order, are the values.
    selected : ndarray of bool, shape (voxels,)
        Such as those above a threshold, or with a p of at most 0.05.
    p : ndarray, shape (voxels,), or None
        Told of each peak.
    threshold : float
        Taken off each value for the mass.
    connectivity : {6, 18, 26}
        Neighbours share a face, an edge or a corner.
    apart : float
        Least distance of a cluster's peaks, voxels.
    most : int
        Peaks of a cluster, at most.
    """
    volume, chances = np.zeros(mask.shape), None
    volume[mask] = np.where(selected, values, 0)
    if p is not None:
        chances = np.ones(mask.shape)
        chances[mask] = p
    found = []
    for sign in (1, -1):
        labels, count = label_clusters(sign * volume, 0.0, connectivity)
        places = np.argwhere(labels)
        numbers = labels[tuple(places.T)]
        order = np.argsort(numbers, kind="stable")
        ends = np.cumsum(np.bincount(numbers, minlength=count + 1)[1:])[:-1]
        for voxels in np.split(places[order], ends) if count else []:
            heights = np.abs(volume[tuple(voxels.T)])
            peaks = tuple(
                Peak(voxel, float(volume[voxel]), None if chances is None else float(chances[voxel]))
                for voxel in _peaks(voxels, heights, apart, most)
            )
            found.append(Cluster(voxels, float((heights - threshold).sum()), peaks))
    return sorted(found, key=lambda cluster: -abs(cluster.peaks[0].value))


def _peaks(voxels: np.ndarray, heights: np.ndarray, apart: float, most: int) -> list[tuple[int, int, int]]:
    """From the highest down, those that no neighbour in the cluster exceeds and that are far from others."""
    first = voxels.min(axis=0) - 1
    box = np.zeros(voxels.max(axis=0) - first + 2)
    box[tuple((voxels - first).T)] = heights
    chosen: list[tuple[int, int, int]] = []
    for i in np.argsort(-heights, kind="stable"):
        around = tuple(slice(place - 1, place + 2) for place in voxels[i] - first)
        if box[around].max() > heights[i]:
            continue
        if all(np.linalg.norm(voxels[i] - np.array(other)) >= apart for other in chosen):
            x, y, z = voxels[i].tolist()
            chosen.append((x, y, z))
        if len(chosen) == most:
            break
    return chosen
