"""A base model's architecture from Keras' own description, which is read only as JSON.

It understands what `BaseModelSpec` can express: blocks of convolution, (leaky) ReLU and max-pooling, one
dense layer, one output; sequential or functional, also as a model within a model. Everything else is refused,
above all anything with code (Lambda layers, custom classes).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pydantic import ValidationError

from bids_brainage import messages
from bids_brainage.networks.architecture import BaseModelSpec
from bids_brainage.networks.readers.faults import UnfitError

Shape = tuple[int, ...]

#: Blocks of convolution, activation and pooling; then flatten, dense, activation, dense.
LAYOUT = re.compile("(CAP)+FDAD")
LETTERS = {"C": "convolution", "A": "activation", "P": "pooling", "F": "flatten", "D": "dense"}
IDENTITIES = ("ActivityRegularization", "Dropout", "GaussianDropout", "GaussianNoise", "InputLayer")
CONTAINERS = ("Functional", "Model", "Sequential")
DEEPEST_NESTING = 5
#: Modules of Keras' own layers, which Keras 3 notes beside each layer.
OWN_MODULE = re.compile(r"(tf_|tensorflow\.(python\.)?)?keras(\.|$)")
#: Slopes below zero of activations that are given only as a string (``keras.activations``).
NAMED_SLOPES = {"relu": 0.0, "leaky_relu": 0.2}


@dataclass(frozen=True)
class Design:
    """An architecture.

    Attributes
    ----------
    spec : BaseModelSpec
    input_shape : tuple of int
        As Keras has it: extents, then channels.
    stored : tuple of str
        Names, as in `spec.weight_shapes`, of the weights that Keras keeps, in order: biases may lack.
    """

    spec: BaseModelSpec
    input_shape: Shape
    stored: tuple[str, ...]


@dataclass(frozen=True)
class _Layer:
    """A layer: its letter in `LAYOUT` (empty for the identity), and its relevant properties."""

    name: str
    letter: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)


def read_config(text: str) -> Design:
    """The architecture that the JSON in a Keras file's ``model_config`` describes.

    Raises
    ------
    UnfitError
        It is not such JSON, or describes what `BaseModelSpec` cannot express.
    """
    try:
        layers = list(_chain(json.loads(text)))
        order = "".join(layer.letter for layer in layers)
        if not LAYOUT.fullmatch(order):
            found = ", ".join(LETTERS[letter] for letter in order[:60]) or "no layer at all"
            raise UnfitError(messages.KERAS_LAYOUT, found=found)
        return _design(layers)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, RecursionError) as error:
        raise UnfitError(messages.KERAS_CONFIG, reason=error) from error


def make_spec(**values: Any) -> BaseModelSpec:
    """A `BaseModelSpec` of these values; UnfitError if it does not allow one of them."""
    try:
        return BaseModelSpec.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "layers"
        raise UnfitError(messages.KERAS_CONFIG, reason=f"{where}: {first['msg']}") from error


def _design(layers: Sequence[_Layer]) -> Design:
    """One architecture of layers that follow `LAYOUT`."""
    by_letter = {letter: [layer for layer in layers if layer.letter == letter] for letter in LETTERS}
    convolutions, dense = by_letter["C"], by_letter["D"]
    slope = _the_same("slope", by_letter["A"])
    if dense[-1].values["units"] != 1:
        raise _option(dense[-1].name, "units", dense[-1].values["units"], 1)
    spec = make_spec(
        filters=tuple(layer.values["filters"] for layer in convolutions),
        kernels=tuple(layer.values["kernel"] for layer in convolutions),
        pool_size=_the_same("size", by_letter["P"]),
        pool_stride=_the_same("stride", by_letter["P"]),
        dense_units=dense[0].values["units"],
        dropout=next((layer.values["rate"] for layer in layers[::-1] if "rate" in layer.values), 0.0),
        activation="leaky_relu" if slope else "relu",
        **({"negative_slope": slope} if slope else {}),
    )
    shape = next((layer.values["shape"] for layer in layers if layer.values.get("shape")), None)
    if shape is None:
        raise UnfitError(messages.KERAS_INPUT_UNKNOWN)
    names = list(spec.weight_shapes(shape))
    biased = [layer.values["bias"] for layer in (*convolutions, *dense)]
    kept = [name for place, name in enumerate(names) if place % 2 == 0 or biased[place // 2]]
    return Design(spec, shape, tuple(kept))


def _the_same(value: str, layers: Sequence[_Layer]) -> Any:
    """The one value that all the layers have."""
    values = sorted({layer.values[value] for layer in layers})
    if len(values) > 1:
        what = f"{LETTERS[layers[0].letter]} {value}"
        raise UnfitError(messages.KERAS_DIFFERENT, what=what, found=", ".join(str(v) for v in values))
    return values[0]


def _chain(node: Mapping[str, Any], depth: int = 0) -> Iterator[_Layer]:
    """The layers of a model from its input to its output, including those of models within it."""
    _check_own(node)
    kind, config = node["class_name"], node["config"]
    if kind not in CONTAINERS:
        yield from _layer(kind, config)
        return
    if depth > DEEPEST_NESTING:
        raise UnfitError(messages.KERAS_GRAPH, layer=_name(node))
    # Keras before 2.2.3 wrote a plain list.
    settings = config if isinstance(config, Mapping) else {"layers": config}
    yield _Layer(_name(node), values={"shape": _shape(settings.get("build_input_shape"))})
    for layer in settings["layers"] if kind == "Sequential" else _in_order(settings):
        yield from _chain(layer, depth + 1)


def _check_own(node: Mapping[str, Any]) -> None:
    """Refuse classes that are not Keras' own, and the one that contains code."""
    kind, registered, module = node["class_name"], node.get("registered_name"), node.get("module")
    if kind == "Lambda":
        raise UnfitError(messages.KERAS_CODE, layer=_name(node))
    own = registered in (None, kind) and (module is None or OWN_MODULE.match(str(module)))
    if not own or ">" in str(kind):
        raise UnfitError(messages.KERAS_CUSTOM, layer=_name(node), kind=registered or kind)


def _in_order(config: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The layers of a functional model, which must be a plain chain."""
    layers = {_name(layer): layer for layer in config["layers"]}
    first = [name for name, layer in layers.items() if not layer["inbound_nodes"]]
    follower: dict[str, str] = {}
    for name in [name for name in layers if name not in first]:
        source = _source(layers[name])
        if source is None or source in follower:
            raise UnfitError(messages.KERAS_GRAPH, layer=name)
        follower[source] = name
    chain = first[:1]
    while chain and chain[-1] in follower:
        chain.append(follower.pop(chain[-1]))
    ends = _strings(config.get("input_layers")) + _strings(config.get("output_layers"))
    if len(chain) != len(config["layers"]) or ends not in ([], [chain[0], chain[-1]]):
        odd = next((name for name in layers if name not in chain), config.get("name"))
        raise UnfitError(messages.KERAS_GRAPH, layer=odd)
    return [layers[name] for name in chain]


def _source(layer: Mapping[str, Any]) -> str | None:
    """Name of the one layer whose output this one takes, or None if it is not that simple."""
    nodes = layer["inbound_nodes"]
    if len(nodes) != 1:
        return None
    if isinstance(nodes[0], Mapping):  # Keras 3
        sources = [tensor["config"]["keras_history"][0] for tensor in nodes[0]["args"]]
        options = nodes[0].get("kwargs")
    else:
        sources = [entry[0] for entry in nodes[0]]
        options = nodes[0][0][3] if len(nodes[0][0]) > 3 else None
    return str(sources[0]) if len(sources) == 1 and not any((options or {}).values()) else None


def _strings(value: Any) -> list[str]:
    """All strings in nested lists."""
    if isinstance(value, list):
        return [text for part in value for text in _strings(part)]
    return [value] if isinstance(value, str) else []


def _layer(kind: str, config: Mapping[str, Any]) -> Iterator[_Layer]:
    """Our equivalent of a Keras layer, followed by the activation inside it."""
    name = str(config.get("name"))
    yield _Layer(name, values={"shape": _shape(config.get("batch_input_shape") or config.get("batch_shape"))})
    if kind in IDENTITIES:
        yield _Layer(name, values={"rate": float(config["rate"])} if kind == "Dropout" else {})
    elif kind == "Conv3D":
        _check_options(config, padding="same", strides=1, dilation_rate=1, groups=1)
        edge, bias = _cube(config, "kernel_size"), bool(config["use_bias"])
        yield _Layer(name, "C", {"filters": config["filters"], "kernel": edge, "bias": bias})
    elif kind == "MaxPooling3D":
        _check_options(config, padding="same")
        stride = "pool_size" if config.get("strides") is None else "strides"
        yield _Layer(name, "P", {"size": _cube(config, "pool_size"), "stride": _cube(config, stride)})
    elif kind == "Flatten":
        _check_options(config)
        yield _Layer(name, "F")
    elif kind == "Dense":
        yield _Layer(name, "D", {"units": config["units"], "bias": bool(config["use_bias"])})
    elif kind in ("LeakyReLU", "ReLU"):
        yield _Layer(name, "A", {"slope": _slope(kind, config)})
    elif kind != "Activation":
        raise UnfitError(messages.KERAS_LAYER, layer=name, kind=kind)
    if config.get("activation") not in (None, "linear"):
        yield _Layer(name, "A", {"slope": _slope_inside(config["activation"], name)})


def _slope_inside(activation: Any, layer: str) -> float:
    """Slope of a layer's ``activation``: a name, or a serialised function or layer."""
    if isinstance(activation, Mapping):
        kind, config = activation["class_name"], activation["config"]
        if kind in ("LeakyReLU", "ReLU"):
            _check_own(activation)
            return _slope(kind, {**config, "name": layer})
        activation = config if kind == "function" else kind
    if activation not in NAMED_SLOPES:
        raise UnfitError(messages.KERAS_LAYER, layer=layer, kind=f"activation {activation}")
    return NAMED_SLOPES[activation]


def _slope(kind: str, config: Mapping[str, Any]) -> float:
    """Slope below zero; 0 for the plain ReLU."""
    name = config.get("name")
    if config.get("max_value") is not None or config.get("threshold"):
        raise UnfitError(messages.KERAS_LAYER, layer=name, kind=f"{kind} with max_value or threshold")
    value = config["alpha"] if "alpha" in config else config.get("negative_slope", 0.0)
    # Keras 2 writes 0.2 as the float32 next to it: 0.20000000298023224.
    slope = float(str(np.float32(value)))
    if not 0 <= slope < 1:
        raise _option(name, "a slope below zero of", slope, "0 to below 1")
    return slope


def _check_options(config: Mapping[str, Any], **expected: Any) -> None:
    """Refuse an option whose value differs from that of a base model."""
    for option, value in {"data_format": "channels_last", **expected}.items():
        found = config.get(option, value)
        if found not in (value, [value] * 3):
            raise _option(config.get("name"), option, found, value)


def _cube(config: Mapping[str, Any], option: str) -> int:
    """The edge of a kernel or pool, which must be equal along the three axes."""
    edges = config[option]
    edges = [edges] * 3 if isinstance(edges, int) else list(edges)
    if len(edges) != 3 or len(set(edges)) != 1:
        raise _option(config.get("name"), option, edges, "three equal numbers")
    return int(edges[0])


def _option(layer: object, option: str, found: object, expected: object) -> UnfitError:
    return UnfitError(messages.KERAS_OPTION, layer=layer, option=option, found=found, expected=expected)


def _shape(batch_shape: Any) -> Shape | None:
    """Shape of one image, if all of it is given."""
    if not isinstance(batch_shape, list) or not all(type(extent) is int for extent in batch_shape[1:]):
        return None
    return tuple(batch_shape[1:])


def _name(node: Mapping[str, Any]) -> str:
    config = node["config"]
    inner = config.get("name") if isinstance(config, Mapping) else None
    return str(node.get("name") or inner)
