"""Networks as Keras users build them, with random weights and biases, and the files Keras writes of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

FILTERS, KERNELS = (16, 16, 32, 64, 32), (3, 3, 3, 3, 1)
SMALL = {"filters": (2, 3), "kernels": (3, 1), "box": (9, 8, 7), "units": 4}
PAPER = {"filters": FILTERS, "kernels": KERNELS, "units": 64}


def layers_of(
    filters: tuple[int, ...],
    kernels: tuple[int, ...],
    units: int,
    activation: str = "leaky layers",
    bias: bool = True,
    dropout: float = 0.5,
) -> list[Any]:
    """The layers of the paper's base model, activations as layers of their own or inside."""
    from tensorflow import keras

    make = keras.layers
    inside = {"relu inside": "relu", "leaky inside": "leaky_relu"}.get(activation)

    def own() -> list[Any]:
        if inside:
            return []
        kinds = {
            "leaky layers": lambda: make.LeakyReLU(0.2),
            "slight layers": lambda: make.LeakyReLU(0.1),
            "relu layers": lambda: make.ReLU(),
            "relu with slope": lambda: make.ReLU(negative_slope=0.25),
            "activation layers": lambda: make.Activation("relu"),
        }
        return [kinds[activation]()]

    found: list[Any] = []
    for count, edge in zip(filters, kernels, strict=True):
        found.append(make.Conv3D(count, (edge,) * 3, padding="same", activation=inside, use_bias=bias))
        found += [*own(), make.MaxPooling3D((3, 3, 3), (2, 2, 2), padding="same")]
    found += [make.Flatten(), *([make.Dropout(dropout)] if dropout else [])]
    return [*found, make.Dense(units, activation=inside), *own(), make.Dense(1, activation="linear")]


def sequential(box: tuple[int, ...], seed: int = 0, **settings: Any) -> Any:
    """A sequential model, as the authors' later code builds it."""
    from tensorflow import keras

    model = keras.Sequential([keras.Input((*box, 1)), *layers_of(**settings)], name="MRInet")
    return randomised(model, seed)


def functional(box: tuple[int, ...], seed: int = 0, **settings: Any) -> Any:
    """The same layers called one after the other."""
    from tensorflow import keras

    images = x = keras.Input((*box, 1))
    for layer in layers_of(**settings):
        x = layer(x)
    return randomised(keras.Model(images, x), seed)


def nested(box: tuple[int, ...], seed: int = 0, **settings: Any) -> Any:
    """A sequential model within a functional one."""
    from tensorflow import keras

    images = keras.Input((*box, 1))
    return keras.Model(images, sequential(box, seed, **settings)(images))


def randomised(model: Any, seed: int) -> Any:
    """Give a model weights and biases of no meaning; the last bias is near 50."""
    rng = np.random.default_rng(seed)
    shapes = [weight.shape for weight in model.get_weights()]
    scales = [1 / np.sqrt(np.prod(shape[:-1])) if len(shape) > 1 else 0.2 for shape in shapes]
    weights = [rng.normal(0, scale, shape) for scale, shape in zip(scales, shapes, strict=True)]
    weights[-1] = weights[-1] + 50
    model.set_weights(weights)
    return model


def images_of(model: Any, n: int, seed: int = 0) -> np.ndarray:
    """Random images in [0, 1] that fit a model's input, black in a corner."""
    shape = tuple(model.inputs[0].shape)[1:]
    images = np.random.default_rng(seed).random((n, *shape), np.float32)
    images[:, : shape[0] // 3, : shape[1] // 3] = 0
    return images


def edit_config(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change the architecture that a file describes, its weights left alone."""
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        changed = change(config)
        del file.attrs["model_config"]
        file.attrs["model_config"] = json.dumps(config if changed is None else changed)


def layer_of(config: dict[str, Any], kind: str, number: int = 0) -> dict[str, Any]:
    """One layer in a model's configuration."""
    return [layer for layer in config["config"]["layers"] if layer["class_name"] == kind][number]
