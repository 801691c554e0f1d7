"""Networks for the tests of relevance: those of the paper, small, with biases that are not zero."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import pytest

from bids_brainage.relevance.engine import windows


def build_model(
    shape: tuple[int, ...],
    filters: tuple[int, ...] = (4, 4, 8),
    kernels: tuple[int, ...] = (3, 3, 1),
    activation: str = "relu",
    seed: int = 0,
) -> Any:
    """Return a Keras model after SPEC.md for images of `shape` (channels last)."""
    import tensorflow as tf

    keras = tf.keras
    keras.utils.set_random_seed(seed)
    dimensions = len(shape) - 1
    convolution = getattr(keras.layers, f"Conv{dimensions}D")
    pooling = getattr(keras.layers, f"MaxPooling{dimensions}D")
    bias = keras.initializers.RandomNormal(0, 0.1, seed=seed)
    image = x = keras.Input(shape)
    for count, size in zip(filters, kernels, strict=True):
        x = convolution(count, size, padding="same", bias_initializer=bias)(x)
        x = (
            keras.layers.LeakyReLU(0.2)(x)
            if activation == "leaky_relu"
            else keras.layers.Activation(activation)(x)
        )
        x = pooling(3, 2, padding="same")(x)
    x = keras.layers.Dropout(0.5)(keras.layers.Flatten()(x))
    x = keras.layers.Dense(16, activation=activation, bias_initializer=bias)(x)
    x = keras.layers.Dense(1, bias_initializer=keras.initializers.Constant(50.0))(x)
    return keras.Model(image, x)


@pytest.fixture(scope="session")
def make_model() -> Callable[..., Any]:
    """`build_model`."""
    return build_model


@contextmanager
def small_tiles() -> Iterator[None]:
    """Cut even the small volumes of tests into many tiles and layers."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("TILE", 300), ("LAYERS", 5), ("SMALL", 0), ("LISTED", 100), ("CACHED", 2000)):
            patch.setattr(windows, name, value)
        yield


@pytest.fixture(params=[False, True], ids=["whole", "tiles"])
def tiles(request: pytest.FixtureRequest) -> Iterator[bool]:
    """With the tiles as they are, and with small ones."""
    with small_tiles() if request.param else nullcontext():
        yield request.param


@pytest.fixture
def random() -> np.random.Generator:
    """A seeded generator."""
    return np.random.default_rng(20)
