"""One trained network: its architecture and its weights as plain arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bids_brainage import messages
from bids_brainage.errors import BundleError
from bids_brainage.networks.architecture import BaseModelSpec
from bids_brainage.networks.graph import LayerGraph
from bids_brainage.networks.network import Network
from bids_brainage.relevance.engine.explanation import predict


@dataclass(frozen=True, eq=False)
class BaseModel:
    """A trained base model.

    Attributes
    ----------
    name : str
        Such as ``WholeBrain_T1w_bm-00``.
    spec : BaseModelSpec or LayerGraph
    input_shape : tuple of int
        Spatial extents, then channels.
    weights : mapping of str to float32 array
        Named and shaped as `spec.weight_shapes(input_shape)` says.
    """

    name: str
    spec: BaseModelSpec | LayerGraph
    input_shape: tuple[int, ...]
    weights: Mapping[str, np.ndarray]

    def __post_init__(self) -> None:
        check_weights(self.weights, self.spec.weight_shapes(self.input_shape), self.name)

    @property
    def target_bias(self) -> float:
        """The estimate before any voxel contributes, in years."""
        return self.network.target_bias

    @cached_property
    def network(self) -> Network:
        """The network that these weights make."""
        return self.spec.network(self.weights, self.input_shape)

    def predict(self, images: np.ndarray, *, threads: int = 1) -> np.ndarray:
        """Predict ages.

        Parameters
        ----------
        images : array (n, *input_shape)
            Intensities as in training: of the paper's networks in [0, 1].
        threads : int
            How many images are worked on at a time. It does not change the result.

        Returns
        -------
        array (n,), float64
            Years.
        """
        images = np.asarray(images)
        if images.shape[1:] != tuple(self.input_shape):
            raise BundleError(
                messages.INPUT_SHAPE.format(
                    model=self.name, expected=tuple(self.input_shape), found=images.shape[1:]
                )
            )
        return predict(self.network, images, threads=threads)


def check_weights(
    weights: Mapping[str, np.ndarray], shapes: Mapping[str, tuple[int, ...]], source: str
) -> None:
    """Raise BundleError unless names, shapes and types are as expected and all numbers are finite."""
    if set(weights) != set(shapes):
        difference = ", ".join(sorted(set(weights) ^ set(shapes))[:5])
        raise BundleError(messages.WEIGHT_NAMES.format(file=source, names=difference))
    for name, shape in shapes.items():
        array = weights[name]
        if array.shape != shape or array.dtype not in (np.float32, np.float16):
            found = f"{array.dtype} {array.shape}"
            raise BundleError(
                messages.WEIGHT_SHAPE.format(file=source, name=name, found=found, expected=shape)
            )
        if not np.isfinite(array).all():
            raise BundleError(messages.WEIGHT_NOT_FINITE.format(file=source, name=name))
