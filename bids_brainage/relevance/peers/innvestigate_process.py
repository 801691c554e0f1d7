"""What runs in innvestigate's process; see `innvestigate_backend`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from bids_brainage.networks.network import (
    Activation,
    Add,
    Affine,
    Convolution,
    Dense,
    Flatten,
    Layer,
    Network,
    Pooling,
)
from bids_brainage.relevance.peers.innvestigate_backend import read_network


def main(folder: Path) -> None:
    """Explain the images in `folder` with each of its networks; write outputs.npy and relevance.npy."""
    import innvestigate
    import tensorflow as tf

    tf.compat.v1.disable_eager_execution()
    task = json.loads((folder / "task.json").read_text())
    tf.config.threading.set_intra_op_parallelism_threads(task["threads"])
    tf.config.threading.set_inter_op_parallelism_threads(1)
    images = np.load(folder / "images.npy", allow_pickle=False)
    outputs, maps = [], []
    for index in range(task["networks"]):
        tf.keras.backend.clear_session()
        model = build_keras(read_network(folder / f"network{index}"), tf.keras)
        analyzer = getattr(innvestigate.analyzer, task["analyzer"])(model, disable_model_checks=True)
        outputs.append(model.predict(images, batch_size=1, verbose=0)[:, 0])
        maps.append(np.concatenate([analyzer.analyze(image[None]) for image in images]))
    np.save(folder / "outputs.npy", np.asarray(outputs), allow_pickle=False)
    np.save(folder / "relevance.npy", np.asarray(maps), allow_pickle=False)


def build_keras(network: Network, keras: Any) -> Any:
    """Build a Keras model of 3D layers from a network."""
    image = keras.Input(network.volume_shape)
    tensors = {network.input_name: image}
    for layer in network.layers:
        inputs = [tensors[name] for name in layer.inputs]
        built, weights = _build_layer(layer, keras, inputs[0].shape)
        tensors[layer.name] = built(inputs if isinstance(layer, Add) else inputs[0])
        if weights:
            built.set_weights([weight for weight in weights if weight is not None])
    return keras.Model(image, tensors[network.layers[-1].name])


def _build_layer(layer: Layer, keras: Any, shape: Any) -> tuple[Any, list[Any]]:
    """Return a Keras layer and its weights."""
    make = keras.layers
    match layer:
        case Convolution():
            size, count = layer.kernel.shape[:3], layer.kernel.shape[-1]
            settings = {"dilation_rate": layer.dilation, "use_bias": layer.bias is not None}
            built = make.Conv3D(count, size, layer.strides, layer.padding, **settings)
            return built, [layer.kernel, layer.bias]
        case Dense():
            built = make.Dense(layer.kernel.shape[1], use_bias=layer.bias is not None)
            return built, [layer.kernel, layer.bias]
        case Affine():
            zeros = np.zeros_like(layer.scale)
            shift = zeros if layer.bias is None else layer.bias
            return make.BatchNormalization(epsilon=0.0), [layer.scale, shift, zeros, zeros + 1]
        case Pooling():
            whole = tuple(shape[1:4])
            kind = make.MaxPooling3D if layer.mode == "max" else make.AveragePooling3D
            return kind(layer.size or whole, layer.strides if layer.size else whole, layer.padding), []
        case Activation():
            return _build_activation(layer, keras), []
        case Flatten():
            return make.Flatten(), []
        case _:
            return make.Add(), []


def _build_activation(layer: Activation, keras: Any) -> Any:
    """Return a separate layer if it was one, else ``Activation``: innvestigate distinguishes them."""
    import tensorflow as tf

    make, slope = keras.layers, layer.slope
    if layer.own_layer:
        kinds = {"relu": make.ReLU(), "leaky_relu": make.LeakyReLU(slope), "elu": make.ELU(slope)}
        return kinds[layer.function]
    functions = {
        "relu": keras.activations.relu,
        "leaky_relu": lambda x: tf.nn.leaky_relu(x, slope),
        "elu": lambda x: tf.where(x > 0, x, slope * tf.math.expm1(tf.minimum(x, 0.0))),
    }
    return make.Activation(functions[layer.function])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
