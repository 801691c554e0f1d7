"""Reading Keras models, of Keras 2.14 and of Keras 3, by what both have in common.

Only class names, ``get_config()``, ``get_weights()``, ``input`` and ``output`` of layers are used, so
that neither Keras needs to be imported here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bids_brainage import messages
from bids_brainage.errors import NetworkError
from bids_brainage.networks.network import (
    Activation,
    Add,
    Affine,
    Convolution,
    Dense,
    Flatten,
    Floats,
    Layer,
    Network,
    Pooling,
    Triple,
    fold_affine,
)

Reader = Callable[[Any, tuple[str, ...]], list[Layer]]

#: Layers that are the identity at inference.
IDENTITIES = frozenset(
    (
        "ActivityRegularization",
        "AlphaDropout",
        "Dropout",
        "GaussianDropout",
        "GaussianNoise",
        "Identity",
        "SpatialDropout2D",
        "SpatialDropout3D",
    )
)
IMAGE = "image"


def from_keras(model: Any) -> Network:
    """Read a Keras model (Keras 2.14 or 3; functional or sequential) into a `Network`.

    Dropout and other layers that do nothing at inference are left out, batch normalisation is folded.

    Raises
    ------
    NetworkError
        If the model has a layer for which there is no rule, channels first, groups, non-finite weights,
        or not exactly one input and one output number.
    """
    if len(getattr(model, "inputs", None) or ()) != 1 or len(model.outputs) != 1:
        raise NetworkError(messages.NETWORK_INPUT.format(shape="not exactly one tensor"))
    shape = tuple(model.inputs[0].shape)[1:]
    if None in shape or len(shape) not in (3, 4):
        raise NetworkError(messages.NETWORK_INPUT.format(shape=shape))
    # For each Keras tensor, the name of our layer.
    names = {id(model.inputs[0]): IMAGE}
    layers: list[Layer] = []
    for keras_layer in model.layers:
        if type(keras_layer).__name__ == "InputLayer":
            continue
        _read_layer(keras_layer, names, layers)
    return Network(fold_affine(layers), tuple(int(n) for n in shape), IMAGE)


def _read_layer(keras_layer: Any, names: dict[int, str], layers: list[Layer]) -> None:
    """Append our equivalent of `keras_layer` to `layers`, and its output's name to `names`."""
    kind = type(keras_layer).__name__
    try:
        inputs = tuple(names[id(tensor)] for tensor in _as_list(keras_layer.input))
    except (AttributeError, KeyError) as error:
        raise NetworkError(messages.LAYER_GRAPH.format(layer=keras_layer.name)) from error
    if kind in IDENTITIES:
        new: list[Layer] = []
    elif kind in READERS:
        new = READERS[kind](keras_layer, inputs)
    else:
        raise NetworkError(messages.LAYER_UNKNOWN.format(layer=keras_layer.name, kind=kind))
    layers.extend(new)
    names[id(keras_layer.output)] = new[-1].name if new else inputs[0]


def _convolution(keras_layer: Any, inputs: tuple[str, ...]) -> list[Layer]:
    config = _config(keras_layer)
    if config.get("groups", 1) != 1:
        raise NetworkError(messages.LAYER_OPTION.format(layer=keras_layer.name, option="groups"))
    kernel, bias = _kernel_and_bias(keras_layer, config)
    convolution = Convolution(
        keras_layer.name,
        inputs,
        kernel.reshape((1,) * (5 - kernel.ndim) + kernel.shape),
        bias,
        _triple(config["strides"]),
        _triple(config["dilation_rate"]),
        _padding(keras_layer, config),
    )
    return _with_activation(convolution, keras_layer, config)


def _dense(keras_layer: Any, inputs: tuple[str, ...]) -> list[Layer]:
    config = _config(keras_layer)
    kernel, bias = _kernel_and_bias(keras_layer, config)
    return _with_activation(Dense(keras_layer.name, inputs, kernel, bias), keras_layer, config)


def _pooling(keras_layer: Any, inputs: tuple[str, ...]) -> list[Layer]:
    config = _config(keras_layer)
    mode = "max" if type(keras_layer).__name__.startswith("Max") else "average"
    size, strides = _triple(config["pool_size"]), _triple(config["strides"] or config["pool_size"])
    return [Pooling(keras_layer.name, inputs, mode, size, strides, _padding(keras_layer, config))]  # type: ignore[arg-type]


def _global_pooling(keras_layer: Any, inputs: tuple[str, ...]) -> list[Layer]:
    config = _config(keras_layer)
    mode = "max" if "Max" in type(keras_layer).__name__ else "average"
    pooling = Pooling(keras_layer.name, inputs, mode, None)  # type: ignore[arg-type]
    if config.get("keepdims"):
        return [pooling]
    return [pooling, Flatten(f"{keras_layer.name}/flatten", (pooling.name,))]


def _batch_normalisation(keras_layer: Any, inputs: tuple[str, ...]) -> list[Layer]:
    config = _config(keras_layer)
    axis = config["axis"][0] if isinstance(config["axis"], list | tuple) else config["axis"]
    if axis not in (-1, len(keras_layer.output.shape) - 1):
        raise NetworkError(messages.CHANNELS_FIRST.format(layer=keras_layer.name))
    weights = [np.asarray(w, np.float64) for w in keras_layer.get_weights()]
    gamma = weights.pop(0) if config["scale"] else np.ones_like(weights[-1])
    beta = weights.pop(0) if config["center"] else np.zeros_like(weights[-1])
    mean, variance = weights
    scale = gamma / np.sqrt(variance + config["epsilon"])
    shift = beta - mean * scale
    return [Affine(keras_layer.name, inputs, scale.astype(np.float32), shift.astype(np.float32))]


def _activation(keras_layer: Any, inputs: tuple[str, ...]) -> list[Layer]:
    config = keras_layer.get_config()
    return _activations(keras_layer.name, inputs, config["activation"], keras_layer.name, own_layer=False)


def _relu(keras_layer: Any, inputs: tuple[str, ...]) -> list[Layer]:
    config = keras_layer.get_config()
    if config.get("max_value") is not None or config.get("threshold"):
        raise NetworkError(
            messages.LAYER_OPTION.format(layer=keras_layer.name, option="max_value or threshold")
        )
    slope = float(config.get("negative_slope") or 0.0)
    function = "leaky_relu" if slope else "relu"
    return [Activation(keras_layer.name, inputs, function, slope, own_layer=True)]  # type: ignore[arg-type]


def _leaky_relu(keras_layer: Any, inputs: tuple[str, ...]) -> list[Layer]:
    config = keras_layer.get_config()
    slope = float(config["alpha"] if "alpha" in config else config["negative_slope"])
    return [Activation(keras_layer.name, inputs, "leaky_relu", slope, own_layer=True)]


def _elu(keras_layer: Any, inputs: tuple[str, ...]) -> list[Layer]:
    slope = float(keras_layer.get_config().get("alpha", 1.0))
    return [Activation(keras_layer.name, inputs, "elu", slope, own_layer=True)]


def _flatten(keras_layer: Any, inputs: tuple[str, ...]) -> list[Layer]:
    _config(keras_layer)
    return [Flatten(keras_layer.name, inputs)]


def _add(keras_layer: Any, inputs: tuple[str, ...]) -> list[Layer]:
    return [Add(keras_layer.name, inputs)]


#: How each class of Keras layer is read.
READERS: dict[str, Reader] = {
    "Activation": _activation,
    "Add": _add,
    "AveragePooling2D": _pooling,
    "AveragePooling3D": _pooling,
    "BatchNormalization": _batch_normalisation,
    "Conv2D": _convolution,
    "Conv3D": _convolution,
    "Dense": _dense,
    "ELU": _elu,
    "Flatten": _flatten,
    "GlobalAveragePooling2D": _global_pooling,
    "GlobalAveragePooling3D": _global_pooling,
    "GlobalMaxPooling2D": _global_pooling,
    "GlobalMaxPooling3D": _global_pooling,
    "LeakyReLU": _leaky_relu,
    "MaxPooling2D": _pooling,
    "MaxPooling3D": _pooling,
    "ReLU": _relu,
}


def _with_activation(layer: Layer, keras_layer: Any, config: dict[str, Any]) -> list[Layer]:
    """Add `layer` and, after it, the activation that Keras keeps inside it."""
    inner = f"{layer.name}/activation"
    activation = config.get("activation", "linear")
    return [layer, *_activations(inner, (layer.name,), activation, keras_layer.name, own_layer=False)]


def _activations(
    name: str, inputs: tuple[str, ...], activation: Any, keras_name: str, *, own_layer: bool
) -> list[Layer]:
    """Read an ``activation`` entry of a Keras configuration: a name, or a serialised function or layer."""
    settings: dict[str, Any] = {}
    if isinstance(activation, dict):
        settings = activation["config"] if isinstance(activation.get("config"), dict) else {}
        activation = (
            settings.get("name") if activation.get("class_name") == "function" else activation["class_name"]
        )
        activation = {"LeakyReLU": "leaky_relu", "ReLU": "relu", "ELU": "elu"}.get(activation, activation)
    if activation in (None, "linear"):
        return []
    if activation not in DEFAULT_SLOPES:
        raise NetworkError(messages.LAYER_UNKNOWN.format(layer=keras_name, kind=f"activation {activation}"))
    slope = float(settings.get("negative_slope", settings.get("alpha", DEFAULT_SLOPES[activation])))
    return [Activation(name, inputs, activation, slope, own_layer)]


#: Slopes that Keras gives activations named by a string (``keras.activations``).
DEFAULT_SLOPES = {"relu": 0.0, "leaky_relu": 0.2, "elu": 1.0}


def _config(keras_layer: Any) -> dict[str, Any]:
    """Return the layer's configuration after making sure that its channels come last."""
    config = keras_layer.get_config()
    if config.get("data_format") not in (None, "channels_last"):
        raise NetworkError(messages.CHANNELS_FIRST.format(layer=keras_layer.name))
    return config


def _kernel_and_bias(keras_layer: Any, config: dict[str, Any]) -> tuple[Floats, Floats | None]:
    weights = [np.asarray(w, np.float32) for w in keras_layer.get_weights()]
    return weights[0], weights[1] if config["use_bias"] else None


def _triple(values: Any) -> Triple:
    values = tuple(int(v) for v in _as_list(values))
    first, second, third = (1,) * (3 - len(values)) + values
    return (first, second, third)


def _padding(keras_layer: Any, config: dict[str, Any]) -> Any:
    if config["padding"] not in ("same", "valid"):
        raise NetworkError(messages.LAYER_OPTION.format(layer=keras_layer.name, option=config["padding"]))
    return config["padding"]


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]
