"""Sums of relevance over the regions of an atlas."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bids_brainage import messages
from bids_brainage.errors import NetworkError


@dataclass(frozen=True)
class RegionSums:
    """Relevance of each label, in years; the totals add up to the map's sum.

    Attributes
    ----------
    total, positive, negative : array (n,)
        Sum of all, of positive and of negative relevance, by label from 0; 0 is outside the atlas.
    voxels : array (n,) of int
        How large the region is.
    """

    total: NDArray[np.float64]
    positive: NDArray[np.float64]
    negative: NDArray[np.float64]
    voxels: NDArray[np.int64]


def region_sums(relevance: ArrayLike, labels: ArrayLike, voxels: NDArray[np.int64]) -> RegionSums:
    """Sum a map over the labels of an atlas on the same grid.

    Parameters
    ----------
    relevance : array (x, y, z)
        Years per voxel.
    labels : array (x, y, z) of int
        Label of each voxel, from 0.
    voxels : array (n,) of int
        How large each region of the atlas is, by label from 0.

    Raises
    ------
    NetworkError
        If the two shapes differ.
    """
    values, index = np.asarray(relevance), np.asarray(labels)
    if values.shape != index.shape:
        raise NetworkError(messages.REGION_SHAPES.format(relevance=values.shape, labels=index.shape))
    there = values != 0
    values, index = values[there].astype(np.float64), index[there]
    positive = np.bincount(index, np.maximum(values, 0), len(voxels)).astype(np.float64)
    negative = np.bincount(index, np.minimum(values, 0), len(voxels)).astype(np.float64)
    return RegionSums(positive + negative, positive, negative, voxels)
