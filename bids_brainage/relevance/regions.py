"""Sums of relevance over the regions of an atlas."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bids_brainage import messages
from bids_brainage.errors import NetworkError


@dataclass(frozen=True)
class RegionSums:
    """Relevance of each label, in years; the totals add up to the map's sum.

    Attributes
    ----------
    labels : array (r,) of int
        Labels that occur, ascending; voxels outside the atlas have label 0.
    total, positive, negative : array (r,)
        Sum of all, of positive and of negative relevance.
    voxels : array (r,) of int
        Voxels of the label.
    """

    labels: NDArray[np.int64]
    total: NDArray[np.float64]
    positive: NDArray[np.float64]
    negative: NDArray[np.float64]
    voxels: NDArray[np.int64]


def region_sums(relevance: NDArray, labels: NDArray) -> RegionSums:
    """Sum a map over the labels of an atlas on the same grid.

    Parameters
    ----------
    relevance : array (x, y, z)
        Years per voxel.
    labels : array (x, y, z) of int
        Label of each voxel, from 0.

    Raises
    ------
    NetworkError
        If the two shapes differ.
    """
    if relevance.shape != labels.shape:
        raise NetworkError(messages.REGION_SHAPES.format(relevance=relevance.shape, labels=labels.shape))
    values, index = np.asarray(relevance, dtype=np.float64).ravel(), np.asarray(labels).ravel()
    counts = np.bincount(index)
    present = np.flatnonzero(counts)
    positive = np.bincount(index, np.maximum(values, 0))[present].astype(np.float64)
    negative = np.bincount(index, np.minimum(values, 0))[present].astype(np.float64)
    return RegionSums(present, positive + negative, positive, negative, counts[present])
