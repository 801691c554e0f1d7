"""A network as LRP sees it: a list of layers in order, with plain NumPy weights.

Everything here is three-dimensional. A 2D network is a 3D one whose volumes have one slice: kernels, strides
and pools of 2D layers get a leading 1, and each engine is written once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bids_brainage import messages
from bids_brainage.errors import NetworkError

Floats = NDArray[np.float32]
Padding = Literal["same", "valid"]
Triple = tuple[int, int, int]


@dataclass(frozen=True)
class Layer:
    """One step of the network.

    Attributes
    ----------
    name : str
        Unique name.
    inputs : tuple of str
        Names of the layers whose outputs it takes; the image is called ``Network.input_name``.
    """

    name: str
    inputs: tuple[str, ...]


@dataclass(frozen=True)
class Convolution(Layer):
    """A convolution (cross-correlation) with `kernel` (kd, kh, kw, channels in, channels out)."""

    kernel: Floats
    bias: Floats | None
    strides: Triple = (1, 1, 1)
    dilation: Triple = (1, 1, 1)
    padding: Padding = "same"


@dataclass(frozen=True)
class Dense(Layer):
    """A fully connected layer with `kernel` (units in, units out) on the last axis."""

    kernel: Floats
    bias: Floats | None


@dataclass(frozen=True)
class Affine(Layer):
    """``x * scale + shift`` per channel: a batch normalisation without a neighbour to be folded into."""

    scale: Floats
    bias: Floats | None


@dataclass(frozen=True)
class Pooling(Layer):
    """Max or average pooling; ``size=None`` pools over the whole volume and keeps its axes."""

    mode: Literal["max", "average"]
    size: Triple | None
    strides: Triple = (1, 1, 1)
    padding: Padding = "same"


@dataclass(frozen=True)
class Activation(Layer):
    """A monotone non-linearity with f(0) = 0.

    Attributes
    ----------
    function : str
        ``relu``, ``leaky_relu`` or ``elu``.
    slope : float
        Negative slope of the leaky ReLU, alpha of the ELU; 0 for the ReLU.
    own_layer : bool
        Whether it was a layer of its own in Keras and not a layer's ``activation``. Only innvestigate
        treats the two differently.
    """

    function: Literal["relu", "leaky_relu", "elu"]
    slope: float = 0.0
    own_layer: bool = False

    def __post_init__(self) -> None:
        if self.function == "relu":
            object.__setattr__(self, "slope", 0.0)


@dataclass(frozen=True)
class Flatten(Layer):
    """All axes but the first into one."""


@dataclass(frozen=True)
class Add(Layer):
    """The sum of its inputs: a residual connection."""


@dataclass(frozen=True)
class LinearReadout:
    """How the last layer's outputs become years: its one neuron gives them.

    Another readout has the same four methods. One that computes an expectation from the scores of many age
    bins would give, as `neuron`, the secant of the expectation: for one image, one dense neuron with the
    same output.
    """

    def fits(self, output: Dense) -> bool:
        """Whether it can read the outputs of such a layer."""
        return output.kernel.shape[1] == 1

    def target_bias(self, output: Dense) -> float:
        """The output if all features are zero, in years."""
        return 0.0 if output.bias is None else float(output.bias[0])

    def years(self, outputs: Floats) -> NDArray[np.float64]:
        """Years (n,) from the last layer's outputs (n, m)."""
        return outputs[:, 0].astype(np.float64)

    def neuron(self, output: Dense, outputs: Floats) -> Dense:
        """The layer of one neuron with the same output for one image, whose outputs (m,) are given."""
        return output


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
    readout : LinearReadout
        How the output layer's numbers become years.
    """

    layers: tuple[Layer, ...]
    input_shape: tuple[int, ...]
    input_name: str = "image"
    readout: LinearReadout = LinearReadout()

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
        return replace(self, layers=(*self.layers[:-1], neuron), readout=LinearReadout())

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
