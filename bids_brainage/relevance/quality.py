"""How good an explanation is: measures of relevance maps.

`quick_quality` goes into every map's sidecar. The others need a truth, or many explanations, and are for
validation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bids_brainage.networks.network import Affine, Convolution, Dense, Floats, Layer, Network
from bids_brainage.relevance.engine.explanation import EnsembleExplanation, predict

#: Makes a map (n, ..., channels) for a network and images (n, ..., channels).
Explainer = Callable[[Network, NDArray], NDArray]


def mass_accuracy(relevance: NDArray, truth: NDArray) -> float:
    """Return the share of positive relevance that lies in the truth (Arras et al. 2022, eq. 3).

    Give -relevance for the negative part. NaN if there is no positive relevance.
    """
    positive = np.maximum(np.asarray(relevance, np.float64), 0)
    total = positive.sum()
    return float(positive[np.asarray(truth, bool)].sum() / total) if total > 0 else float("nan")


def rank_accuracy(relevance: NDArray, truth: NDArray) -> float:
    """Return the share of the K most relevant voxels that lies in the truth of K voxels.

    Arras et al. 2022, eq. 4. Of voxels of equal relevance the first ones count. NaN if the truth is empty.
    """
    inside = np.asarray(truth, bool).ravel()
    count = int(inside.sum())
    if not count:
        return float("nan")
    order = np.argsort(-np.asarray(relevance, np.float64).ravel(), kind="stable")
    return float(inside[order[:count]].mean())


def chance_accuracy(truth: NDArray, mask: NDArray) -> float:
    """Return the mass and rank accuracy of a map that knows only the mask: the truth's share of it."""
    inside = np.asarray(mask, bool)
    return float(np.asarray(truth, bool)[inside].mean())


@dataclass(frozen=True)
class PerturbationCurve:
    """How the output changes when voxels are replaced in the order of their relevance.

    Attributes
    ----------
    parts : array (steps + 1,)
        Share of the blocks that is replaced.
    outputs : array (steps + 1,)
        Output, in years, in the order of relevance.
    random_outputs : array (repeats, steps + 1)
        Output in random orders.
    area : float
        Mean over the steps of random minus ordered outputs, in years, signed so that larger is better.
    """

    parts: NDArray[np.float64]
    outputs: NDArray[np.float64]
    random_outputs: NDArray[np.float64]
    area: float


def perturbation_curve(
    network: Network,
    image: NDArray,
    relevance: NDArray,
    sign: int = 1,
    *,
    block: int = 1,
    steps: int = 20,
    replacement: NDArray | float = 0.0,
    repeats: int = 3,
    seed: int = 0,
) -> PerturbationCurve:
    """Replace blocks of voxels, most relevant first, and follow the output (Samek et al. 2017, signed).

    Relevance is signed, so there are two curves: with ``sign=1`` positive relevance goes first and the output
    should fall; with ``sign=-1`` negative relevance goes first and it should rise.

    Parameters
    ----------
    network : Network
        What was explained.
    image : array (..., channels)
        The image.
    relevance : array of the same shape
        Its map.
    sign : {1, -1}
        Older or younger first.
    block : int
        Edge of the blocks, in voxels. Only blocks that are not entirely zero are used.
    steps : int
        Steps of the curve.
    replacement : float or array of the image's shape
        What voxels are replaced by.
    repeats, seed : int
        Random orders to compare with, and their seed.
    """
    image = np.asarray(image, np.float32)
    labels = _block_labels(image.shape[:-1], block)
    count = int(labels.max()) + 1
    sums = np.bincount(labels.ravel(), np.asarray(relevance, np.float64).sum(axis=-1).ravel(), count)
    filled = np.flatnonzero(np.bincount(labels.ravel(), np.abs(image).sum(axis=-1).ravel(), count))
    ordered = filled[np.argsort(-sign * sums[filled], kind="stable")]
    random = np.random.default_rng(seed)
    orders = [ordered, *(random.permutation(filled) for _ in range(repeats))]
    curves = np.array([_follow(network, image, labels, order, steps, replacement) for order in orders])
    area = sign * float((curves[1:].mean(axis=0) - curves[0]).mean())
    return PerturbationCurve(np.linspace(0, 1, steps + 1), curves[0], curves[1:], area)


def _block_labels(shape: tuple[int, ...], block: int) -> NDArray[np.int64]:
    """Number the blocks of a grid."""
    counts = [-(-n // block) for n in shape]
    index = np.meshgrid(*[np.arange(n) // block for n in shape], indexing="ij")
    return np.ravel_multi_index(tuple(index), counts)


def _follow(
    network: Network, image: Floats, labels: NDArray, order: NDArray, steps: int, replacement: NDArray | float
) -> NDArray[np.float64]:
    outputs = []
    for step in range(steps + 1):
        gone = np.zeros(int(labels.max()) + 1, bool)
        gone[order[: round(len(order) * step / steps)]] = True
        perturbed = np.where(gone[labels][..., None], np.asarray(replacement, np.float32), image)
        outputs.append(predict(network, perturbed[None])[0])
    return np.array(outputs)


def cascading_randomisation(
    network: Network, image: NDArray, explainer: Explainer, seed: int = 0
) -> dict[str, float]:
    """Randomise the layers from the output down, and compare maps each time (Adebayo et al. 2018).

    Returns
    -------
    dict
        For each layer with weights, from the output down: the rank correlation of the magnitudes of the map
        of the network randomised down to this layer with those of the original map, where the image is not
        zero. A map that depends on what was learned becomes dissimilar.
    """
    random = np.random.default_rng(seed)
    filled = image != 0
    original = explainer(network, image[None])[0]
    layers = list(network.layers)
    likeness = {}
    for index in range(len(layers) - 1, -1, -1):
        layer = layers[index]
        if not isinstance(layer, Convolution | Dense | Affine):
            continue
        layers[index] = _shuffled(layer, random)
        changed = explainer(replace(network, layers=tuple(layers)), image[None])[0]
        likeness[layer.name] = rank_correlation(np.abs(original[filled]), np.abs(changed[filled]))
    return likeness


def _shuffled(layer: Convolution | Dense | Affine, random: np.random.Generator) -> Layer:
    """Return the layer with weights of the same distribution in another order."""
    if isinstance(layer, Affine):
        return replace(layer, scale=random.permutation(layer.scale))
    shuffled = random.permutation(layer.kernel.ravel()).reshape(layer.kernel.shape)
    return replace(layer, kernel=shuffled)


def rank_correlation(a: NDArray, b: NDArray) -> float:
    """Spearman's rank correlation of two maps; 0 if one of them is constant."""
    from scipy.stats import rankdata

    return correlation(rankdata(a), rankdata(b))


def correlation(a: NDArray, b: NDArray) -> float:
    """Pearson's correlation of two maps; 0 if one of them is constant."""
    a, b = (np.asarray(x, np.float64).ravel() - np.mean(x, dtype=np.float64) for x in (a, b))
    scale = np.linalg.norm(a) * np.linalg.norm(b)
    return float(a @ b / scale) if scale > 0 else 0.0


def continuity(
    network: Network,
    image: NDArray,
    explainer: Explainer,
    noise: float = 0.01,
    samples: int = 5,
    seed: int = 0,
) -> float:
    """Return how much a map changes under noise, relative to how much the image does.

    The largest of ``|R(x + n) - R(x)| / |R(x)|`` over ``|n| / |x|`` for noise n of standard deviation `noise`
    times the image's range where the image is not zero (after Montavon et al. 2018, Digital Signal Processing
    73:1, section 7); smaller is better. NaN for an image or a map of zeros.
    """
    image = np.asarray(image, np.float32)
    random = np.random.default_rng(seed)
    original = explainer(network, image[None])[0]
    if not image.any() or not original.any():
        return float("nan")
    changes = []
    for _ in range(samples):
        shift = (
            np.float32(noise * np.ptp(image)) * random.standard_normal(image.shape, np.float32) * (image != 0)
        )
        changed = explainer(network, (image + shift)[None])[0]
        relative = np.linalg.norm(changed - original) / np.linalg.norm(original)
        changes.append(relative / (np.linalg.norm(shift) / np.linalg.norm(image)))
    return float(max(changes))


def agreement(maps: NDArray) -> float:
    """Return the mean correlation of each pair of maps (k, ...); NaN for fewer than two."""
    rows = np.asarray(maps).reshape(len(maps), -1)
    if len(rows) < 2:
        return float("nan")
    pairs = [correlation(a, b) for i, a in enumerate(rows) for b in rows[:i]]
    return float(np.mean(pairs))


def quick_quality(explanation: EnsembleExplanation) -> dict[str, float | None]:
    """Return the quality figures for every map's sidecar: those that need no truth and little time.

    Keys: ``ClosureError`` (years), ``BaseModelAgreement`` (mean cosine of each pair of base models' maps),
    ``BaseModelsOfOneSign`` (share of the base models whose sum of relevance has the sign of the median sum),
    ``PositiveShare`` (share of absolute relevance that is positive), ``TopPercentShare`` (part of it in
    the top 1 % of the voxels that have any). Undefined figures are None.
    """
    absolute = np.abs(explanation.relevance.ravel())
    total = float(absolute.sum(dtype=np.float64))
    sums = np.sign(explanation.relevance_sums)
    positive = top = None
    if total > 0:
        positive = float(np.maximum(explanation.relevance, 0).sum(dtype=np.float64)) / total
        values = absolute[absolute > 0]
        count = max(1, values.size // 100)
        top = float(np.partition(values, -count)[-count:].sum(dtype=np.float64)) / total
    return {
        "ClosureError": explanation.closure_error,
        "BaseModelAgreement": explanation.agreement,
        "BaseModelsOfOneSign": float(np.mean(sums == np.sign(np.median(explanation.relevance_sums)))),
        "PositiveShare": positive,
        "TopPercentShare": top,
    }
