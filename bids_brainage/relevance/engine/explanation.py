"""Explaining networks: one network on some images, or an ensemble on one image."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from bids_brainage import messages
from bids_brainage.errors import NetworkError
from bids_brainage.networks.network import Floats, Network
from bids_brainage.relevance import accounts as accounting
from bids_brainage.relevance import threads as in_threads
from bids_brainage.relevance.accounts import TARGET_BIAS, LayerAccount
from bids_brainage.relevance.composites import COMPOSITES, Composite, find_composite
from bids_brainage.relevance.engine import backward, forward
from bids_brainage.relevance.peers import plain

Account = tuple[LayerAccount, ...]
#: Weights (k,) from the outputs (k,) of networks.
Weigh = Callable[[NDArray[np.float64]], NDArray]


class Explained(NamedTuple):
    """Of one network and image: output in years, relevance (d, h, w, c), account, and scores (m,)."""

    output: float
    relevance: Floats
    account: Account
    scores: Floats


T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Explanation:
    """Relevance of the voxels of some images for one network.

    For each image, output = target bias + sum of relevance + absorbed.

    Attributes
    ----------
    outputs : array (n,)
        The network's outputs, in years.
    relevance : array (n, ..., channels)
        Of the images' shape, in years.
    accounts : tuple of Account
        For each image, a line for the target bias and one for each layer from the output to the image; before
        them one for limits or rounding, where the readout has moved the output.
    target_bias : float
        Bias of the output neuron.
    """

    outputs: NDArray[np.float64]
    relevance: Floats
    accounts: tuple[Account, ...]
    target_bias: float

    @property
    def absorbed(self) -> NDArray[np.float64]:
        """What the layers absorbed for each image (n,), in years, without the target bias."""
        return np.array([accounting.absorbed(account) for account in self.accounts])

    @property
    def closure_errors(self) -> NDArray[np.float64]:
        """output - (target bias + sum of relevance + absorbed) for each image (n,), in years."""
        sums = self.relevance.reshape(len(self.relevance), -1).sum(axis=1, dtype=np.float64)
        return self.outputs - self.target_bias - sums - self.absorbed


@dataclass(frozen=True)
class EnsembleExplanation:
    """Relevance of the voxels of one image for an ensemble of networks.

    weights @ outputs = target_bias + sum of relevance + absorbed.

    Attributes
    ----------
    outputs : array (k,)
        The networks' outputs, in years.
    relevance : array (..., channels)
        Sum over the networks of weight times relevance, in years.
    account : Account
        The networks' accounts, weighted and added up.
    accounts : tuple of Account
        Each network's own account, not weighted.
    relevance_sums : array (k,)
        Sum of each network's relevance, not weighted.
    weights : array (k,)
        The weight of each network's output in the estimate.
    target_biases : array (k,)
        Biases of the output neurons.
    agreement : float or None
        Mean cosine of the maps of each pair of networks; None for fewer than two maps that are not zero.
    scores : tuple of k arrays (m,)
        What the networks' last layers give, before it becomes years; empty if the backend does not tell it.
    """

    outputs: NDArray[np.float64]
    relevance: Floats
    account: Account
    accounts: tuple[Account, ...]
    relevance_sums: NDArray[np.float64]
    weights: NDArray[np.float64]
    target_biases: NDArray[np.float64]
    agreement: float | None = None
    scores: tuple[Floats, ...] = ()

    @property
    def target_bias(self) -> float:
        """Weighted sum of the target biases, in years."""
        return float(self.weights @ self.target_biases)

    @property
    def absorbed(self) -> float:
        """Weighted sum of what the networks' layers absorbed, in years, without the target biases."""
        return accounting.absorbed(self.account)

    @property
    def closure_error(self) -> float:
        """weights @ outputs - (target bias + sum of relevance + absorbed), in years."""
        explained = self.target_bias + plain.total(self.relevance) + self.absorbed
        return float(self.weights @ self.outputs) - explained


def predict(network: Network, images: NDArray, *, threads: int = 1) -> NDArray[np.float64]:
    """Return the network's estimates (n,) for `images` (n, ..., channels), in years.

    Parameters
    ----------
    network, images, threads
        See `predict_scores`.

    Raises
    ------
    NetworkError
        If the images do not fit.
    """
    return network.readout.years(predict_scores(network, images, threads=threads))


def predict_scores(network: Network, images: NDArray, *, threads: int = 1) -> Floats:
    """Return what the network's last layer gives (n, m) for `images` (n, ..., channels).

    Parameters
    ----------
    network : Network
        What predicts.
    images : array (n, ..., channels)
        Its input.
    threads : int
        How many images, or parts of a single one, are worked on at a time. It does not change the result.

    Raises
    ------
    NetworkError
        If the images do not fit.
    """

    def work(engine: _Engine, image: NDArray) -> Floats:
        state = engine.forward(network, network.volumes(image[None]))
        return state.outputs[network.output_layer.name][0]

    engine = _Engine(COMPOSITES["preset-a"], "fast", threads)
    found = list(engine.each(work, list(np.asarray(images))))
    return np.stack(found) if found else np.zeros((0, network.readout.outputs), np.float32)


def explain(
    network: Network,
    images: NDArray,
    composite: str | Composite = "preset-a",
    *,
    engine: Literal["fast", "plain"] = "fast",
    threads: int = 1,
) -> Explanation:
    """Explain the network's output for each image by Layer-wise Relevance Propagation.

    Parameters
    ----------
    network : Network
        What is explained.
    images : array (n, ..., channels)
        Its input.
    composite : str or Composite
        The rules; names are the keys of `composites.COMPOSITES`.
    engine : {"fast", "plain"}
        The plain engine gives the same maps up to rounding, slower; it serves to check the fast one.
    threads : int
        How many images, or parts of a single one, are worked on at a time. It does not change the result.

    Raises
    ------
    NetworkError
        If the images do not fit, or there is no such composite.
    """

    def work(engine: _Engine, volume: Floats) -> Explained:
        return engine.explain(network, volume[None])

    worker = _Engine(find_composite(composite), engine, threads)
    explained = list(worker.each(work, list(network.volumes(images))))
    maps = [own.relevance for own in explained]
    # One map, the usual case, is not copied.
    stacked = maps[0][None] if len(maps) == 1 else np.array(maps, np.float32)
    return Explanation(
        np.array([own.output for own in explained], np.float64),
        stacked.reshape(len(maps), *network.input_shape),
        tuple(own.account for own in explained),
        network.target_bias,
    )


def explain_ensemble(
    networks: Sequence[Network],
    image: NDArray,
    weights: NDArray | Weigh,
    composite: str | Composite = "preset-a",
    *,
    threads: int = 1,
) -> EnsembleExplanation:
    """Explain a weighted sum of the outputs of networks for one image.

    Each network runs forward once, and its relevance back once.

    Parameters
    ----------
    networks : sequence of k Network
        All for the same input shape.
    image : array (..., channels)
        The image.
    weights : array (k,) or callable
        The weights, such as the derivatives of the ensemble's estimate with respect to each network's output.
        A callable computes them from the outputs (k,), for heads whose weights depend on the outputs; then
        all k maps are kept until the last network has run.
    composite : str or Composite
        The rules.
    threads : int
        How many networks, or parts of a single one, are worked on at a time. It does not change the result.

    Raises
    ------
    NetworkError
        If networks, weights and image do not fit one another, or there is no such composite.
    """
    from bids_brainage.relevance.engine import loops

    check_networks(networks)
    volume = networks[0].volumes(np.asarray(image)[None])
    worker = _Engine(find_composite(composite), "fast", threads)
    explained: Iterable[Explained] = worker.each(lambda engine, own: engine.explain(own, volume), networks)
    if callable(weights):
        explained = list(explained)
        weights = weights(np.array([own.output for own in explained]))
    weights = check_weights(weights, networks)
    outputs, accounts, sums, scores = [], [], [], []
    relevance = np.zeros(volume.shape[1:], np.float32)
    directions = _Directions()
    for weight, (output, own, account, given) in zip(weights, explained, strict=True):
        sums.append(loops.total(own.ravel()))
        scores.append(given)
        directions.add(own)
        loops.add_scaled(own.ravel(), np.float32(weight), relevance.ravel())
        outputs.append(output)
        accounts.append(account)
    return EnsembleExplanation(
        np.array(outputs),
        relevance.reshape(networks[0].input_shape),
        accounting.weighted_sum(zip(weights, accounts, strict=True)),
        tuple(accounts),
        np.array(sums),
        weights,
        np.array([network.target_bias for network in networks]),
        directions.agreement,
        tuple(scores),
    )


class _Directions:
    """The sum of maps scaled to length 1, from which the mean cosine of all pairs follows."""

    def __init__(self) -> None:
        self.total: Floats | None = None
        self.count = 0

    def add(self, own: Floats) -> None:
        """Take one more map."""
        from bids_brainage.relevance.engine import loops

        length = np.sqrt(np.einsum("i,i->", own.ravel(), own.ravel()))
        if length > 0:
            self.total = np.zeros_like(own) if self.total is None else self.total
            loops.add_scaled(own.ravel(), np.float32(1 / length), self.total.ravel())
            self.count += 1

    @property
    def agreement(self) -> float | None:
        """|sum|^2 = count + 2 * sum of the cosines of all pairs."""
        if self.total is None or self.count < 2:
            return None
        square = float(np.einsum("i,i->", self.total.ravel(), self.total.ravel()))
        return (square - self.count) / (self.count * (self.count - 1))


def check_networks(networks: Sequence[Network]) -> None:
    """Raise NetworkError unless there are networks and all see the same kind of image."""
    if not networks:
        raise NetworkError(messages.ENSEMBLE_WEIGHTS.format(networks=0, shape=()))
    if len({network.input_shape for network in networks}) != 1:
        raise NetworkError(messages.ENSEMBLE_SHAPES)


def check_weights(weights: NDArray, networks: Sequence[Network]) -> NDArray[np.float64]:
    """Return the weights as an array; NetworkError unless there is a finite one for each network."""
    weights = np.asarray(weights, np.float64)
    if weights.shape != (len(networks),) or not np.isfinite(weights).all():
        raise NetworkError(messages.ENSEMBLE_WEIGHTS.format(networks=len(networks), shape=weights.shape))
    return weights


@dataclass(frozen=True)
class _Engine:
    """The fast or the plain engine, with a composite and a number of threads."""

    composite: Composite
    kind: Literal["fast", "plain"]
    threads: int

    def forward(self, network: Network, volume: Floats) -> plain.State:
        """Run one volume (1, d, h, w, c) through the network, and keep what relevance needs."""
        if self.kind == "plain":
            return plain.forward(network, volume, self.composite)
        return forward.run(network, volume, self.composite, self.threads)

    def explain(self, network: Network, volume: Floats) -> Explained:
        """Explain one volume (1, d, h, w, c)."""
        state = self.forward(network, volume)
        outputs = state.outputs[network.output_layer.name][0]
        output = float(network.readout.years(outputs[None])[0])
        corrections, target_bias = network.readout.corrections(outputs), network.target_bias
        network = network.with_one_neuron(outputs)
        start = np.array([[output - sum(corrections.values())]], np.float32)
        lines: list[LayerAccount] = []
        if self.kind == "plain":
            relevance = plain.backward(network, state, self.composite, start, lines)
        else:
            relevance = backward.run(network, state, self.composite, start, lines, self.threads)
        account = with_readout(lines, target_bias, output, corrections)
        return Explained(output, relevance[0], account, outputs)

    def each(self, work: Callable[[_Engine, T], R], items: Sequence[T]) -> Iterator[R]:
        """Do `work` for each item, as many at a time as there are threads; yields in order.

        One thread per item wastes less than all threads on one item after the other.
        """
        single = self.threads == 1 or len(items) == 1
        engine = self if single else replace(self, threads=1)
        return in_threads.each(lambda item: work(engine, item), items, self.threads)


def with_readout(
    lines: Sequence[LayerAccount], target_bias: float, output: float, corrections: Mapping[str, float]
) -> Account:
    """Give the target bias its own line before the line of the output layer, which absorbed it.

    What the readout added to the neuron's output has lines before that.
    """
    account, rest = [], output
    for name, years in (*corrections.items(), (TARGET_BIAS, target_bias)):
        account.append(LayerAccount(name, rest, rest - years, years))
        rest -= years
    first = replace(lines[0], received=rest, absorbed=lines[0].absorbed - target_bias)
    return (*account, first, *lines[1:])
