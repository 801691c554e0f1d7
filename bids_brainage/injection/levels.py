"""A person's own signals of white matter, grey matter and fluid, and what voxels are made of by them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from bids_brainage import messages
from bids_brainage.errors import ImageError

Array = NDArray[np.float32]
FEWEST = 200  # voxels of a tissue by which its signal is known
BINS = 128
DARKEST = 0.1  # share of what the atlas calls ventricle that is fluid in anyone
NEAR = 0.25  # of the difference of white and grey matter


class Levels(NamedTuple):
    """Signals of pure tissue in one image."""

    white: float
    grey: float
    csf: float


class Tissue(NamedTuple):
    """Shares of each voxel of the brain; they add up to 1 there, and are 0 elsewhere."""

    white: Array
    grey: Array
    csf: Array


def measure_levels(
    name: str,
    images: Mapping[str, Array],
    *,
    white: NDArray[np.bool_],
    grey: NDArray[np.bool_],
    fluid: NDArray[np.bool_],
) -> dict[str, Levels]:
    """The signals of each tissue in each image, robust against what does not belong there.

    On T1w they are the most frequent values where the atlas has white matter and cortex, and a dark one
    where it has ventricles, which are seldom filled by them. Other sequences are measured where T1w is
    near these.

    Parameters
    ----------
    name : str
        Whose images they are, for sentences.
    images : mapping of str to ndarray
        By modality; T1w is among them.
    white, grey, fluid : ndarray of bool
        Where the atlas has white matter, cortex and ventricles.

    Raises
    ------
    ImageError
        If the tissues cannot be told apart.
    """
    t1w = images["T1w"]
    if min(place.sum() for place in (white, grey, fluid)) < FEWEST:
        raise ImageError(messages.INJECT_NO_TISSUE.format(name=name))
    first = Levels(_mode(t1w[white]), _mode(t1w[grey]), float(np.quantile(t1w[fluid], DARKEST)))
    if not 0 <= first.csf < first.grey < first.white:
        raise ImageError(messages.INJECT_NO_TISSUE.format(name=name))
    reach = NEAR * (first.white - first.grey)
    pure = (
        white & (np.abs(t1w - first.white) < reach),
        grey & (np.abs(t1w - first.grey) < reach),
        fluid & (t1w <= np.quantile(t1w[fluid], 2 * DARKEST)),
    )
    if min(place.sum() for place in pure) < FEWEST / 10:
        raise ImageError(messages.INJECT_NO_TISSUE.format(name=name))
    others = {
        modality: Levels(*(float(np.median(image[place])) for place in pure))
        for modality, image in images.items()
        if modality != "T1w"
    }
    return {"T1w": first} | others


def tissue_of(t1w: Array, levels: Levels, mask: NDArray[np.bool_]) -> Tissue:
    """What voxels are made of: two neighbouring tissues, by where T1w lies between their signals."""
    quiet = ndimage.gaussian_filter(t1w, 0.5)
    white = np.clip((quiet - levels.grey) / (levels.white - levels.grey), 0, 1) * mask
    csf = np.clip((levels.grey - quiet) / (levels.grey - levels.csf), 0, 1) * mask
    return Tissue(white, (mask - white - csf).astype(np.float32), csf)


def _mode(values: Array) -> float:
    """The most frequent value, without the outermost hundredths."""
    low, high = np.quantile(values, (0.01, 0.99))
    if not low < high:
        return float(low)
    counts, edges = np.histogram(values, BINS, (low, high))
    best = int(ndimage.gaussian_filter1d(counts.astype(float), 3).argmax())
    return float((edges[best] + edges[best + 1]) / 2)
