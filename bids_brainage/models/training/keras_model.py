"""The base model in Keras, only for training: estimating and explaining do not need TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from bids_brainage.networks.architecture import BaseModelSpec, Initializer

if TYPE_CHECKING:
    from tensorflow import keras


def build(
    spec: BaseModelSpec,
    input_shape: tuple[int, ...],
    target_bias: float = 0.0,
    seed: int = 0,
    initializer: Initializer = "glorot",
) -> keras.Model:
    """Build an untrained base model with the functional API of Keras 2.14 or 3.

    Parameters
    ----------
    spec : BaseModelSpec
    input_shape : tuple of int
        (x, y, z, channels) for volumes, (x, y, channels) for images.
    target_bias : float
        Initial bias of the output layer: the training people's mean age, in years.
    seed : int
        Of the initial weights and the dropout layer.
    initializer : {"glorot", "he"}
        Uniform initial weights; Keras' default, or He et al. 2015, which keeps the signal's size
        through the layers.

    Returns
    -------
    keras.Model
        From (n, *input_shape) to (n, 1), in years. Layers are named ``conv_1``, ``activation_1``,
        ``pool_1`` ... ``flatten``, ``dropout``, ``dense``, ``dense_activation``, ``output``.
    """
    from tensorflow import keras

    layers = keras.layers
    volumes = len(input_shape) == 4
    convolution = layers.Conv3D if volumes else layers.Conv2D
    pooling = layers.MaxPooling3D if volumes else layers.MaxPooling2D

    def initial(number: int) -> keras.initializers.Initializer:
        kinds = {"glorot": keras.initializers.GlorotUniform, "he": keras.initializers.HeUniform}
        return kinds[initializer](seed=seed + number)

    inputs = keras.Input(shape=input_shape, name="image")
    x = inputs
    for number, (filters, kernel) in enumerate(zip(spec.filters, spec.kernels, strict=True), start=1):
        x = convolution(
            filters, kernel, padding="same", kernel_initializer=initial(number), name=f"conv_{number}"
        )(x)
        x = _activation(spec, f"activation_{number}")(x)
        x = pooling(spec.pool_size, spec.pool_stride, padding="same", name=f"pool_{number}")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dropout(spec.dropout, seed=seed, name="dropout")(x)
    x = layers.Dense(spec.dense_units, kernel_initializer=initial(100), name="dense")(x)
    x = _activation(spec, "dense_activation")(x)
    outputs = layers.Dense(
        1,
        # The output always starts small: the target bias is the first guess.
        kernel_initializer=keras.initializers.GlorotUniform(seed=seed + 101),
        bias_initializer=keras.initializers.Constant(target_bias),
        name="output",
    )(x)
    return keras.Model(inputs, outputs, name="base_model")


def _activation(spec: BaseModelSpec, name: str) -> keras.layers.Layer:
    from tensorflow import keras

    if spec.activation == "relu":
        return keras.layers.ReLU(name=name)
    # By position: the slope's keyword is `alpha` in Keras 2 and `negative_slope` in Keras 3.
    return keras.layers.LeakyReLU(spec.negative_slope, name=name)


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
