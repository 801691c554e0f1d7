"""The layers of a network as records without their weights: what a bundle says about them.

Each kind knows the shapes of its weights and of what it gives, so that a network can be refused before
anything is allocated for it. The weights of a layer are called ``<layer>/kernel``, ``/scale`` and ``/bias``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel as PydanticModel
from pydantic import ConfigDict, Field

from bids_brainage.networks import layers
from bids_brainage.networks.layers import Layer, Triple

#: Extents, then channels; after flattening units alone.
Shape = tuple[int, ...]
Arrays = Mapping[str, np.ndarray]

#: Channels that a layer gives at most.
MOST_CHANNELS = 8192

LayerName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")]
Width = Annotated[int, Field(ge=1, le=MOST_CHANNELS)]
Extent = Annotated[int, Field(ge=1, le=15)]
Extents = tuple[Extent, Extent, Extent]
Zeros = Annotated[int, Field(ge=0, le=16)]


class GraphLayer(PydanticModel):
    """What all kinds have: a name, and the names of the layers whose outputs they take."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: LayerName
    inputs: tuple[LayerName, ...] = Field(min_length=1, max_length=64)

    def weight_shapes(self, inputs: Sequence[Shape]) -> dict[str, Shape]:
        """Shapes of its weights by their own name, for inputs of these shapes."""
        return {}

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Shape of what it gives; ValueError if it cannot take such inputs."""
        return inputs[0]

    def layer(self, arrays: Arrays) -> Layer:
        """The layer with its arrays."""
        raise NotImplementedError


class ConvolutionRecord(GraphLayer):
    """See `layers.Convolution`."""

    op: Literal["convolution"] = "convolution"
    filters: Width
    kernel: Extents
    strides: Extents = (1, 1, 1)
    dilation: Extents = (1, 1, 1)
    padding: layers.Padding = "same"
    bias: bool = True

    def weight_shapes(self, inputs: Sequence[Shape]) -> dict[str, Shape]:
        """Kernel, and bias if it has one."""
        shapes: dict[str, Shape] = {"kernel": (*self.kernel, inputs[0][-1], self.filters)}
        return {**shapes, "bias": (self.filters,)} if self.bias else shapes

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Extents after strides and padding, then the filters."""
        window = [(k - 1) * step + 1 for k, step in zip(self.kernel, self.dilation, strict=True)]
        return (*_windows(self.name, inputs[0], window, self.strides, self.padding), self.filters)

    def layer(self, arrays: Arrays) -> Layer:
        """A convolution."""
        kernel, bias = arrays["kernel"], arrays.get("bias")
        own = (self.strides, self.dilation, self.padding)
        return layers.Convolution(self.name, self.inputs, kernel, bias, *own)


class DenseRecord(GraphLayer):
    """See `layers.Dense`."""

    op: Literal["dense"] = "dense"
    units: Width
    bias: bool = True

    def weight_shapes(self, inputs: Sequence[Shape]) -> dict[str, Shape]:
        """Kernel, and bias if it has one."""
        shapes: dict[str, Shape] = {"kernel": (inputs[0][-1], self.units)}
        return {**shapes, "bias": (self.units,)} if self.bias else shapes

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Its units."""
        if len(inputs[0]) != 1:
            raise ValueError(f"layer {self.name} is dense and needs a flat input")
        return (self.units,)

    def layer(self, arrays: Arrays) -> Layer:
        """A dense layer."""
        return layers.Dense(self.name, self.inputs, arrays["kernel"], arrays.get("bias"))


class AffineRecord(GraphLayer):
    """See `layers.Affine`."""

    op: Literal["affine"] = "affine"
    bias: bool = True

    def weight_shapes(self, inputs: Sequence[Shape]) -> dict[str, Shape]:
        """Scale, and bias if it has one."""
        shape = inputs[0][-1:]
        return {"scale": shape, "bias": shape} if self.bias else {"scale": shape}

    def layer(self, arrays: Arrays) -> Layer:
        """Scale and shift of each channel."""
        return layers.Affine(self.name, self.inputs, arrays["scale"], arrays.get("bias"))


class PoolingRecord(GraphLayer):
    """See `layers.Pooling`; ``size`` null pools over the whole volume."""

    op: Literal["pooling"] = "pooling"
    mode: Literal["max", "average"]
    size: Extents | None = None
    strides: Extents = (1, 1, 1)
    padding: layers.Padding = "same"

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Extents after strides and padding."""
        _volume(self.name, inputs[0])
        if self.size is None:
            return (1, 1, 1, inputs[0][-1])
        return (*_windows(self.name, inputs[0], self.size, self.strides, self.padding), inputs[0][-1])

    def layer(self, arrays: Arrays) -> Layer:
        """A pooling."""
        return layers.Pooling(self.name, self.inputs, self.mode, self.size, self.strides, self.padding)


class ActivationRecord(GraphLayer):
    """See `layers.Activation`."""

    op: Literal["activation"] = "activation"
    function: Literal["relu", "leaky_relu", "elu"]
    slope: float = Field(default=0.0, ge=0, le=10)

    def layer(self, arrays: Arrays) -> Layer:
        """An activation."""
        return layers.Activation(self.name, self.inputs, self.function, self.slope)


class FlattenRecord(GraphLayer):
    """See `layers.Flatten`."""

    op: Literal["flatten"] = "flatten"

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """All numbers in a row."""
        return (math.prod(inputs[0]),)

    def layer(self, arrays: Arrays) -> Layer:
        """Flattens."""
        return layers.Flatten(self.name, self.inputs)


class AddRecord(GraphLayer):
    """See `layers.Add`."""

    op: Literal["add"] = "add"

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """That of each of its inputs."""
        if len(set(inputs)) != 1:
            raise ValueError(f"layer {self.name} adds what has different shapes")
        return inputs[0]

    def layer(self, arrays: Arrays) -> Layer:
        """A sum."""
        return layers.Add(self.name, self.inputs)


class ConcatenateRecord(GraphLayer):
    """See `layers.Concatenate`."""

    op: Literal["concatenate"] = "concatenate"

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """The channels of all inputs."""
        channels = sum(shape[-1] for shape in inputs)
        if len({shape[:-1] for shape in inputs}) != 1 or channels > MOST_CHANNELS:
            raise ValueError(f"layer {self.name} joins what has different extents, or too many channels")
        return (*inputs[0][:-1], channels)

    def layer(self, arrays: Arrays) -> Layer:
        """Channels side by side."""
        return layers.Concatenate(self.name, self.inputs)


class PadRecord(GraphLayer):
    """See `layers.Pad`."""

    op: Literal["pad"] = "pad"
    before: tuple[Zeros, Zeros, Zeros]
    after: tuple[Zeros, Zeros, Zeros]

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Extents with the zeros."""
        _volume(self.name, inputs[0])
        zeros = [b + a for b, a in zip(self.before, self.after, strict=True)]
        return (*(n + more for n, more in zip(inputs[0], zeros, strict=False)), inputs[0][-1])

    def layer(self, arrays: Arrays) -> Layer:
        """Zeros around the volume."""
        return layers.Pad(self.name, self.inputs, self.before, self.after)


AnyGraphLayer = Annotated[
    ConvolutionRecord
    | DenseRecord
    | AffineRecord
    | PoolingRecord
    | ActivationRecord
    | FlattenRecord
    | AddRecord
    | ConcatenateRecord
    | PadRecord,
    Field(discriminator="op"),
]


def describe(layer: Layer) -> dict[str, Any]:
    """What the record of a layer says, not yet checked."""
    own: dict[str, Any] = {"name": layer.name, "inputs": layer.inputs}
    match layer:
        case layers.Convolution(kernel=kernel, bias=bias):
            own |= {"filters": kernel.shape[-1], "kernel": kernel.shape[:3], "bias": bias is not None}
            own |= {name: getattr(layer, name) for name in ("strides", "dilation", "padding")}
        case layers.Dense(kernel=kernel, bias=bias):
            own |= {"units": kernel.shape[-1], "bias": bias is not None}
        case layers.Affine(bias=bias):
            own |= {"bias": bias is not None}
        case layers.Pooling():
            own |= {name: getattr(layer, name) for name in ("mode", "size", "strides", "padding")}
        case layers.Activation():
            own |= {"function": layer.function, "slope": layer.slope}
        case layers.Pad():
            own |= {"before": layer.before, "after": layer.after}
    return {**own, "op": type(layer).__name__.lower()}


def _volume(name: str, shape: Shape) -> None:
    if len(shape) != 4:
        raise ValueError(f"layer {name} needs a volume")


def _windows(
    name: str, shape: Shape, size: Sequence[int], strides: Triple, padding: layers.Padding
) -> list[int]:
    """How many windows there are along each axis of a volume."""
    _volume(name, shape)
    if padding == "same":
        return [math.ceil(n / step) for n, step in zip(shape, strides, strict=False)]
    if any(n < k for n, k in zip(shape, size, strict=False)):
        raise ValueError(f"layer {name} has windows larger than its input")
    return [(n - k) // step + 1 for n, k, step in zip(shape, size, strides, strict=False)]
