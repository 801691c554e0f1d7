"""A network as LRP sees it: a list of layers in order, and a readout of the last one's outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bids_brainage import messages
from bids_brainage.errors import NetworkError
from bids_brainage.networks.layers import (
    Activation,
    Add,
    Affine,
    Concatenate,
    Convolution,
    Dense,
    Flatten,
    Floats,
    Layer,
    Pad,
    Padding,
    Pooling,
    Triple,
)
from bids_brainage.networks.readouts import LinearReadout, Readout

__all__ = [
    "Activation",
    "Add",
    "Affine",
    "Concatenate",
    "Convolution",
    "Dense",
    "Flatten",
    "Floats",
    "Layer",
    "LinearReadout",
    "Network",
    "Pad",
    "Padding",
    "Pooling",
    "Readout",
    "Triple",
    "fold_affine",
]

#: The output is years.
YEARS = LinearReadout()


@dataclass(frozen=True)
class Network:
    """A list of layers, from one image to one dense layer, and a readout, which turns its outputs into years.

    The layers may form any graph in which each comes after its inputs.

    Attributes
    ----------
    layers : tuple of Layer
        In an order in which each layer comes after its inputs; the last is the dense output layer.
    input_shape : tuple of int
        Shape of one image with channels last, as the user gives it: (h, w, c) or (d, h, w, c).
    input_name : str
        What layers call the image.
    readout : Readout
        How the output layer's numbers become years.
    """

    layers: tuple[Layer, ...]
    input_shape: tuple[int, ...]
    input_name: str = "image"
    readout: Readout = YEARS

    def __post_init__(self) -> None:
        if len(self.input_shape) not in (3, 4) or any(n < 1 for n in self.input_shape):
            raise NetworkError(messages.NETWORK_INPUT.format(shape=self.input_shape))
        known = {self.input_name}
        for layer in self.layers:
            _check_layer(layer, known)
            known.add(layer.name)
        last = self.layers[-1] if self.layers else None
        if not isinstance(last, Dense) or not self.readout.fits(last):
            raise NetworkError(messages.NETWORK_OUTPUT)

    @property
    def volume_shape(self) -> tuple[int, int, int, int]:
        """Shape of one image as a volume (d, h, w, c); a 2D image has d = 1."""
        shape = (1,) * (4 - len(self.input_shape)) + tuple(self.input_shape)
        return (shape[0], shape[1], shape[2], shape[3])

    @property
    def output_layer(self) -> Dense:
        """The last layer."""
        layer = self.layers[-1]
        assert isinstance(layer, Dense)
        return layer

    @property
    def target_bias(self) -> float:
        """The network's output if all features are zero, in years."""
        return self.readout.target_bias(self.output_layer)

    def with_one_neuron(self, outputs: Floats) -> Network:
        """The network whose one output neuron gives the same for one image, whose outputs (m,) are given."""
        neuron = self.readout.neuron(self.output_layer, outputs)
        if neuron is self.output_layer:
            return self
        return replace(self, layers=(*self.layers[:-1], neuron), readout=YEARS)

    def volumes(self, images: NDArray) -> Floats:
        """Check a batch of images and return it as float32 volumes (n, d, h, w, c).

        Raises
        ------
        NetworkError
            If shape or dtype do not fit, or a value is not finite.
        """
        images = np.asarray(images)
        if images.shape[1:] != tuple(self.input_shape):
            raise NetworkError(messages.IMAGE_SHAPE.format(shape=images.shape, expected=self.input_shape))
        if images.dtype.kind not in "iuf":
            raise NetworkError(messages.IMAGE_DTYPE.format(dtype=images.dtype))
        volumes = np.ascontiguousarray(images, dtype=np.float32).reshape(-1, *self.volume_shape)
        if not np.isfinite(volumes).all():
            raise NetworkError(messages.IMAGE_NOT_FINITE)
        return volumes


def fold_affine(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """Fold each `Affine` into the convolution or dense layer before it, where that layer feeds nothing else.

    Batch normalisation at inference is affine, so ``scale * (W x + b) + shift`` is a layer of its own
    kind with kernel ``scale * W``; explaining the folded layer avoids a rule for the normalisation
    (Guillemot et al. 2020, arXiv:2002.11018).
    """
    found = {layer.name: layer for layer in layers}
    uses = [name for layer in layers for name in layer.inputs]
    renamed: dict[str, str] = {}
    folded: list[Layer] = []
    for layer in layers:
        layer = replace(layer, inputs=tuple(renamed.get(name, name) for name in layer.inputs))
        before = found.get(layer.inputs[0])
        foldable = isinstance(before, Convolution | Dense) and uses.count(layer.inputs[0]) == 1
        if isinstance(layer, Affine) and isinstance(before, Convolution | Dense) and foldable:
            merged = _merge(before, layer)
            folded[folded.index(before)] = merged
            found[before.name] = merged
            renamed[layer.name] = before.name
        else:
            folded.append(layer)
            found[layer.name] = layer
    return tuple(folded)


def _merge(layer: Convolution | Dense, affine: Affine) -> Convolution | Dense:
    bias = np.zeros(len(affine.scale), np.float32) if layer.bias is None else layer.bias
    shift = np.zeros_like(bias) if affine.bias is None else affine.bias
    return replace(layer, kernel=layer.kernel * affine.scale, bias=bias * affine.scale + shift)


def _check_layer(layer: Layer, known: set[str]) -> None:
    if layer.name in known or not layer.inputs or not set(layer.inputs) <= known:
        raise NetworkError(messages.NETWORK_ORDER.format(layer=layer.name))
    for weights in (getattr(layer, part, None) for part in ("kernel", "bias", "scale")):
        if weights is not None and not np.isfinite(weights).all():
            raise NetworkError(messages.WEIGHTS_NOT_FINITE.format(layer=layer.name))
