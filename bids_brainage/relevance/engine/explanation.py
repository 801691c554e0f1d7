"""Explaining networks: one network on some images, or an ensemble on one image."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bids_brainage import messages
from bids_brainage.errors import NetworkError
from bids_brainage.networks.network import Floats, Network
from bids_brainage.relevance import accounts as accounting
from bids_brainage.relevance.accounts import TARGET_BIAS, LayerAccount
from bids_brainage.relevance.composites import COMPOSITES, Composite, find_composite
from bids_brainage.relevance.engine import winners
from bids_brainage.relevance.peers import plain

Account = tuple[LayerAccount, ...]


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
        For each image, a line for the target bias and one for each layer from the output to the image.
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
        What the estimate makes of each network's output.
    target_biases : array (k,)
        Biases of the output neurons.
    agreement : float or None
        Mean cosine of the maps of each pair of networks; None for fewer than two maps that are not zero.
    """

    outputs: NDArray[np.float64]
    relevance: Floats
    account: Account
    accounts: tuple[Account, ...]
    relevance_sums: NDArray[np.float64]
    weights: NDArray[np.float64]
    target_biases: NDArray[np.float64]
    agreement: float | None = None

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


def predict(network: Network, images: NDArray, *, threads: int | None = None) -> NDArray[np.float64]:
    """Return the network's outputs (n,) for `images` (n, ..., channels).

    Raises
    ------
    NetworkError
        If the images do not fit.
    """
    volumes = network.volumes(images)
    engine = _Engine(COMPOSITES["preset-a"], "fast", threads)
    last = network.layers[-1].name
    outputs = [engine.forward(network, volume[None]).outputs[last] for volume in volumes]
    return np.array([float(output[0, 0]) for output in outputs])


def explain(
    network: Network,
    images: NDArray,
    composite: str | Composite = "preset-a",
    *,
    engine: Literal["fast", "plain"] = "fast",
    threads: int | None = None,
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
        The plain engine gives the same maps up to rounding, slower; it is there to check the fast one.
    threads : int, optional
        Threads of our own loops; TensorFlow has its own setting. All processors of the process by default.

    Raises
    ------
    NetworkError
        If the images do not fit, or there is no such composite.
    """
    worker = _Engine(find_composite(composite), engine, threads)
    volumes = network.volumes(images)
    outputs, maps, accounts = [], [], []
    for volume in volumes:
        output, relevance, account = worker.explain(network, volume[None])
        outputs.append(output)
        maps.append(relevance)
        accounts.append(account)
    # One map, the usual case, is not copied.
    stacked = maps[0][None] if len(maps) == 1 else np.array(maps, np.float32)
    shaped = stacked.reshape(len(maps), *network.input_shape)
    return Explanation(np.array(outputs, float), shaped, tuple(accounts), network.target_bias)


def explain_ensemble(
    networks: Sequence[Network],
    image: NDArray,
    weights: NDArray,
    composite: str | Composite = "preset-a",
    *,
    threads: int | None = None,
) -> EnsembleExplanation:
    """Explain a weighted sum of the outputs of networks for one image.

    Parameters
    ----------
    networks : sequence of k Network
        All for the same input shape.
    image : array (..., channels)
        The image.
    weights : array (k,)
        The weights, such as the derivatives of the ensemble's estimate by each network's output.
    composite : str or Composite
        The rules.
    threads : int, optional
        How many networks are worked on at a time; all processors of the process by default.

    Raises
    ------
    NetworkError
        If networks, weights and image do not fit one another, or there is no such composite.
    """
    from bids_brainage.relevance.engine import loops

    weights = check_ensemble(networks, weights)
    worker = _Engine(find_composite(composite), "fast", threads)
    volume = networks[0].volumes(np.asarray(image)[None])
    outputs, accounts, sums = [], [], []
    relevance = np.zeros(volume.shape[1:], np.float32)
    directions = _Directions()
    for weight, (output, own, account) in zip(weights, worker.explain_all(networks, volume), strict=True):
        sums.append(loops.total(own.ravel()))
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
            loops.add_scaled(own.ravel(), 1 / length, self.total.ravel())
            self.count += 1

    @property
    def agreement(self) -> float | None:
        """|sum|^2 = count + 2 * sum of the cosines of all pairs."""
        if self.total is None or self.count < 2:
            return None
        square = float(np.einsum("i,i->", self.total.ravel(), self.total.ravel()))
        return (square - self.count) / (self.count * (self.count - 1))


def check_ensemble(networks: Sequence[Network], weights: NDArray) -> NDArray[np.float64]:
    """Return the weights as an array, after making sure that they and the networks fit one another."""
    weights = np.asarray(weights, float)
    if not networks or weights.shape != (len(networks),) or not np.isfinite(weights).all():
        raise NetworkError(messages.ENSEMBLE_WEIGHTS.format(networks=len(networks), shape=weights.shape))
    if len({network.input_shape for network in networks}) != 1:
        raise NetworkError(messages.ENSEMBLE_SHAPES)
    return weights


class _Engine:
    """The fast or the plain engine, with a composite and a number of threads."""

    def __init__(self, composite: Composite, kind: Literal["fast", "plain"], threads: int | None) -> None:
        self.composite = composite
        self.kind = kind
        self.threads = threads or winners.available_threads()

    def forward(self, network: Network, volume: Floats) -> plain.State:
        """Run one volume (1, d, h, w, c) through the network."""
        if self.kind == "plain":
            return plain.forward(network, volume, self.composite)
        return winners.forward(network, volume, self.composite, self.threads)

    def explain(self, network: Network, volume: Floats) -> tuple[float, Floats, Account]:
        """Explain one volume (1, d, h, w, c): its output, relevance (d, h, w, c) and account."""
        state = self.forward(network, volume)
        start = state.outputs[network.layers[-1].name]
        lines: list[LayerAccount] = []
        if self.kind == "plain":
            relevance = plain.backward(network, state, self.composite, start, lines)
        else:
            relevance = winners.backward(network, state, self.composite, start, lines, self.threads)
        output = float(start[0, 0])
        return output, relevance[0], with_target_bias(lines, network.target_bias, output)

    def explain_all(
        self, networks: Sequence[Network], volume: Floats
    ) -> Iterator[tuple[float, Floats, Account]]:
        """Explain one volume for each network, as many at a time as there are threads.

        One thread a network wastes less than all threads on one network after the other. No more than that
        are in memory at a time.
        """
        alone = _Engine(self.composite, self.kind, 1)
        if self.threads == 1 or len(networks) == 1:
            yield from (self.explain(network, volume) for network in networks)
            return
        with ThreadPoolExecutor(self.threads) as pool:
            waiting = deque[Future[tuple[float, Floats, Account]]]()
            for network in networks:
                if len(waiting) == self.threads:
                    yield waiting.popleft().result()
                waiting.append(pool.submit(alone.explain, network, volume))
            while waiting:
                yield waiting.popleft().result()


def with_target_bias(lines: Sequence[LayerAccount], target_bias: float, output: float) -> Account:
    """Give the target bias a line of its own before the line of the output layer, which absorbed it."""
    rest = output - target_bias
    first = replace(lines[0], received=rest, absorbed=lines[0].absorbed - target_bias)
    return (LayerAccount(TARGET_BIAS, output, rest, target_bias), first, *lines[1:])
