"""LRP beside other methods: the same measures for each, against a known truth and without one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bids_brainage.networks.network import Network
from bids_brainage.relevance import quality
from bids_brainage.relevance.engine.explanation import explain
from bids_brainage.relevance.engine.gradients import gradient_x_input, integrated_gradients, smooth_grad
from bids_brainage.relevance.quality import Explainer, PerturbationCurve


def lrp(network: Network, images: NDArray) -> NDArray:
    """Layer-wise Relevance Propagation with the default composite."""
    return explain(network, images, threads=1).relevance


def edges(network: Network, images: NDArray) -> NDArray:
    """The edges of each image (Sobel's gradient times the image), which say nothing about the network.

    A control: a map must do better than this to be informative (Adebayo et al. 2018).
    """
    from scipy.ndimage import sobel

    images = np.asarray(images, np.float32)
    steepness = np.empty_like(images)
    for index in np.ndindex(images.shape[0], images.shape[-1]):
        channel = (index[0], ..., index[1])
        slopes = (sobel(images[channel], axis) for axis in range(images.ndim - 2))
        steepness[channel] = np.sqrt(sum(slope**2 for slope in slopes))
    return images * steepness


#: The methods compared, by name; maps are in years, except for the control.
METHODS: Mapping[str, Explainer] = {
    "LRP": lrp,
    "gradient x input": gradient_x_input,
    "integrated gradients": integrated_gradients,
    "SmoothGrad": smooth_grad,
    "edges": edges,
}


@dataclass(frozen=True, eq=False)
class TruthScores:
    """How maps agree with the truth, one entry per map; NaN if undefined.

    Attributes
    ----------
    mass : array (n,)
        Share of the relevance of one sign that lies in the truth.
    rank : array (n,)
        Share of the most relevant pixels, as many as the truth has, that lies in the truth.
    chance : array (n,)
        What a map that knows only the mask would reach in both.
    """

    mass: NDArray[np.float64]
    rank: NDArray[np.float64]
    chance: NDArray[np.float64]


def truth_scores(maps: NDArray, truths: NDArray, masks: NDArray, sign: int = 1) -> TruthScores:
    """Measure maps against the known places of the evidence.

    Parameters
    ----------
    maps, truths, masks : array (n, ...)
        Relevance; where the evidence for older (or younger) lies; where anything could lie.
    sign : {1, -1}
        Whether the truth is about older (positive relevance) or younger.
    """
    mass, rank, chance = [], [], []
    for map_, truth, mask in zip(sign * np.asarray(maps), truths, masks, strict=True):
        some = bool(truth.any()) and bool((map_ > 0).any())
        mass.append(quality.mass_accuracy(map_[mask], truth[mask]) if some else np.nan)
        rank.append(quality.rank_accuracy(map_[mask], truth[mask]) if some else np.nan)
        chance.append(quality.chance_accuracy(truth, mask) if some else np.nan)
    return TruthScores(np.array(mass), np.array(rank), np.array(chance))


@dataclass(frozen=True, eq=False)
class Robustness:
    """What needs no truth, for one method and one image.

    Attributes
    ----------
    curves : dict of PerturbationCurve
        By what is replaced first, and by what.
    likeness : dict of float
        See `quality.cascading_randomisation`.
    continuity : float
        See `quality.continuity`.
    """

    curves: dict[str, PerturbationCurve]
    likeness: dict[str, float]
    continuity: float


def robustness(
    network: Network,
    image: NDArray,
    method: str,
    replacements: Mapping[str, tuple[int, NDArray | float]],
    *,
    block: int,
    seed: int,
) -> Robustness:
    """Perturb, randomise and add noise to what one method explains.

    Parameters
    ----------
    network : Network
    image : array (..., channels)
    method : str
        Key of `METHODS`.
    replacements : mapping of str to (sign, intensities)
        Perturbation curves to make: which sign goes first, and what is put in its place.
    block : int
        Edge of the perturbed blocks.
    seed : int
        Of everything random.
    """
    explainer = METHODS[method]
    relevance = explainer(network, image[None])[0]
    curves = {
        name: quality.perturbation_curve(
            network, image, relevance, sign, block=block, replacement=replacement, seed=seed
        )
        for name, (sign, replacement) in replacements.items()
    }
    return Robustness(
        curves,
        quality.cascading_randomisation(network, image, explainer, seed),
        quality.continuity(network, image, explainer, seed=seed),
    )
