"""What a map of a statistic is judged by: its voxels, its clusters, or both without a threshold (TFCE)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from bids_brainage import messages
from bids_brainage.errors import InputError
from bids_brainage.statistics.permutation.grid import Connectivity, Grid, neighbourhood
from bids_brainage.statistics.permutation.partition import Reference


@dataclass(frozen=True)
class Voxels:
    """Each voxel, or region, by its own statistic."""

    @property
    def name(self) -> str:
        """How files and tables call it."""
        return "voxel"


@dataclass(frozen=True)
class TFCE:
    """Threshold-free cluster enhancement (Smith & Nichols 2009); the defaults are FSL's.

    Attributes
    ----------
    E, H : float
        Exponents of extent and height.
    connectivity : {6, 18, 26}
        How many neighbours a voxel has: those that share a face, an edge too, a corner too.
    """

    E: float = 0.5
    H: float = 2.0
    connectivity: Connectivity = 6

    @property
    def name(self) -> str:
        """How files and tables call it."""
        return "tfce"


@dataclass(frozen=True)
class Clusters:
    """Clusters of voxels above a threshold, by their size or mass.

    Attributes
    ----------
    measure : {"extent", "mass"}
        Number of voxels, or the sum of what exceeds the threshold (Bullmore et al. 1999).
    p : float
        Threshold that forms clusters, as the uncorrected p of t or F; of both tails together if both are
        tested.
    connectivity : {6, 18, 26}
    """

    measure: Literal["extent", "mass"] = "extent"
    p: float = 0.001
    connectivity: Connectivity = 6

    @property
    def name(self) -> str:
        """How files and tables call it."""
        return f"cluster{self.measure}"


Measure = Voxels | TFCE | Clusters


def enhance(
    values: np.ndarray, measure: Measure, grid: Grid | None, reference: Reference, two_tailed: bool
) -> np.ndarray:
    """What each voxel is judged by.

    Parameters
    ----------
    values : ndarray of float32, shape (voxels,)
        t or F.
    measure : Voxels, TFCE or Clusters
    grid : Grid or None
        None if columns have no place; then there are no neighbours.
    reference : Reference
        Makes the threshold of clusters from their p.
    two_tailed : bool
        Negative values are enhanced as well, and stay negative. Voxels keep their sign in any case.

    Returns
    -------
    ndarray of float32, shape (voxels,)
        Of clusters, each of their voxels holds their extent or mass.

    Raises
    ------
    InputError
        Neighbours are asked for without a grid.
    """
    if isinstance(measure, Voxels):
        return values
    if grid is None:
        raise InputError(messages.NO_NEIGHBOURS.format(measure=measure.name))
    if isinstance(measure, TFCE):
        return _tfce(values, measure, grid, two_tailed)
    threshold = reference.threshold(measure.p, two_tailed)
    volume = grid.volume(values)
    found = _measured(volume, threshold, measure)
    if two_tailed:
        found -= _measured(-volume, threshold, measure)
    return grid.values(found)


def label_clusters(
    volume: np.ndarray, threshold: float, connectivity: Connectivity
) -> tuple[np.ndarray, int]:
    """Number the clusters above a threshold from 1 on; also how many there are."""
    from scipy import ndimage

    labels, count = ndimage.label(volume > threshold, neighbourhood(connectivity))
    return labels, int(count)


def _tfce(values: np.ndarray, measure: TFCE, grid: Grid, two_tailed: bool) -> np.ndarray:
    from bids_brainage.statistics.permutation.component_tree import enhance_positive

    values, enhanced = np.ascontiguousarray(values, np.float32), np.zeros(grid.voxels, np.float32)
    steps, size = grid.steps(measure.connectivity), int(np.prod(grid.shape))
    for sign in (1, -1) if two_tailed else (1,):
        enhance_positive(values, sign, grid.places, steps, size, float(measure.E), float(measure.H), enhanced)
    return enhanced


def _measured(volume: np.ndarray, threshold: float, measure: Clusters) -> np.ndarray:
    labels, count = label_clusters(volume, threshold, measure.connectivity)
    weights = None if measure.measure == "extent" else (volume.astype(np.float64) - threshold).ravel()
    sizes = np.bincount(labels.ravel(), weights, minlength=count + 1)
    sizes[0] = 0
    return sizes.astype(np.float32)[labels]
