"""Which program computes the maps: ours, or innvestigate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bids_brainage import messages
from bids_brainage.errors import NetworkError
from bids_brainage.networks.network import Network
from bids_brainage.networks.readers.keras_layers import from_keras
from bids_brainage.relevance.accounts import TARGET_BIAS, LayerAccount, weighted_sum
from bids_brainage.relevance.engine.explanation import (
    EnsembleExplanation,
    Weigh,
    check_networks,
    check_weights,
    explain_ensemble,
)
from bids_brainage.relevance.peers import innvestigate_backend, plain

Backend = Literal["native", "innvestigate"]
BACKENDS: tuple[Backend, ...] = ("native", "innvestigate")


def explain_ensemble_with(
    backend: str,
    models: Sequence[Any],
    image: NDArray,
    weights: NDArray | Weigh,
    composite: str = "preset-a",
    *,
    threads: int = 1,
) -> EnsembleExplanation:
    """Explain a weighted sum of the outputs of models for one image, with the backend of that name.

    Parameters
    ----------
    backend : {"native", "innvestigate"}
        Who does the work.
    models : sequence of k Keras models or Networks
        The base models.
    image, weights, composite, threads
        See `engine.explain_ensemble`.

    Raises
    ------
    NetworkError
        If there is no such backend, or it cannot explain the models.
    """
    networks = [model if isinstance(model, Network) else from_keras(model) for model in models]
    match backend:
        case "native":
            return explain_ensemble(networks, image, weights, composite, threads=threads)
        case "innvestigate":
            return _by_innvestigate(networks, image, weights, composite, threads)
        case _:
            raise NetworkError(messages.BACKEND_UNKNOWN.format(name=backend, known=", ".join(BACKENDS)))


def _by_innvestigate(
    networks: Sequence[Network], image: NDArray, weights: NDArray | Weigh, composite: str, threads: int
) -> EnsembleExplanation:
    """Use innvestigate's maps instead of ours; one line of the account stands for all layers."""
    check_networks(networks)
    images = np.asarray(image)[None]
    found, maps = innvestigate_backend.relevance_maps(networks, images, composite, threads)
    outputs = found[:, 0].astype(np.float64)
    weights = check_weights(weights(outputs) if callable(weights) else weights, networks)
    sums = np.array([plain.total(own) for own in maps[:, 0]])
    accounts = tuple(
        _account(float(output), network.target_bias, passed)
        for output, network, passed in zip(outputs, networks, sums, strict=True)
    )
    return EnsembleExplanation(
        outputs,
        np.einsum("k,k...->...", weights, maps[:, 0]).astype(np.float32),
        weighted_sum(zip(weights, accounts, strict=True)),
        accounts,
        sums,
        weights,
        np.array([network.target_bias for network in networks]),
    )


def _account(output: float, target_bias: float, passed: float) -> tuple[LayerAccount, ...]:
    rest = output - target_bias
    bias = LayerAccount(TARGET_BIAS, output, rest, target_bias)
    return (bias, LayerAccount("all layers (innvestigate)", rest, passed, rest - passed))
