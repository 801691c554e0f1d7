"""One trained network: its architecture and its weights as plain arrays."""

from __future__ import annotations

import atexit
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from bids_brainage import messages
from bids_brainage.errors import BundleError
from bids_brainage.networks.architecture import BaseModelSpec, build

if TYPE_CHECKING:
    from tensorflow import keras


@dataclass(frozen=True, eq=False)
class BaseModel:
    """A trained base model.

    Attributes
    ----------
    name : str
        Such as ``WholeBrain_T1w_bm-00``.
    spec : BaseModelSpec
    input_shape : tuple of int
        Spatial extents, then channels.
    weights : mapping of str to float32 array
        Named and shaped as `spec.weight_shapes(input_shape)` says.
    """

    name: str
    spec: BaseModelSpec
    input_shape: tuple[int, ...]
    weights: Mapping[str, np.ndarray]

    def __post_init__(self) -> None:
        check_weights(self.weights, self.spec.weight_shapes(self.input_shape), self.name)

    @property
    def target_bias(self) -> float:
        """Bias of the output layer, in years: the estimate before any voxel has its say."""
        return float(self.weights["output/bias"][0])

    def build(self) -> keras.Model:
        """A Keras model of its own with these weights, from (n, *input_shape) to (n, 1)."""
        model = build(self.spec, self.input_shape)
        set_weights(model, self.weights)
        return model

    def predict(self, images: np.ndarray, batch_size: int = 8) -> np.ndarray:
        """Predict ages.

        Parameters
        ----------
        images : array (n, *input_shape)
            Intensities in [0, 1].
        batch_size : int
            How many images are in memory as float32 at once.

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
        model, forward = _predictor(self.spec, tuple(self.input_shape))
        set_weights(model, self.weights)
        batches = [
            np.asarray(forward(images[start : start + batch_size].astype(np.float32)))
            for start in range(0, len(images), batch_size)
        ]
        return np.concatenate([np.zeros((0, 1)), *batches])[:, 0].astype(np.float64)


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


def set_weights(model: keras.Model, weights: Mapping[str, np.ndarray]) -> None:
    """Put named weights into a Keras model made by `build`."""
    for layer, arrays in _by_layer(weights).items():
        model.get_layer(layer).set_weights([arrays["kernel"], arrays["bias"]])


def get_weights(model: keras.Model) -> dict[str, np.ndarray]:
    """The named float32 weights of a Keras model made by `build`."""
    weights: dict[str, np.ndarray] = {}
    for layer in model.layers:
        if layer.weights:
            kernel, bias = layer.get_weights()
            weights[f"{layer.name}/kernel"], weights[f"{layer.name}/bias"] = kernel, bias
    return weights


def _by_layer(weights: Mapping[str, np.ndarray]) -> dict[str, dict[str, np.ndarray]]:
    layers: dict[str, dict[str, np.ndarray]] = {}
    for name, array in weights.items():
        layer, _, kind = name.partition("/")
        layers.setdefault(layer, {})[kind] = array.astype(np.float32)
    return layers


@lru_cache(maxsize=8)
def _predictor(spec: BaseModelSpec, input_shape: tuple[int, ...]) -> tuple[keras.Model, Any]:
    """One compiled network for each architecture and shape; the weights are exchanged, not the graph."""
    import tensorflow as tf

    # TensorFlow complains of graphs that outlive it when the interpreter ends.
    atexit.register(_predictor.cache_clear)
    model = build(spec, input_shape)
    signature = [tf.TensorSpec((None, *input_shape), tf.float32)]
    return model, tf.function(lambda images: model(images, training=False), input_signature=signature)
