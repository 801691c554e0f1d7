"""The layers of a network, with plain NumPy weights.

Everything here is three-dimensional. A 2D network is a 3D one whose volumes have one slice: kernels, strides
and pools of 2D layers get a leading 1, and each engine is written once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

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
class Pad(Layer):
    """Zeros around the volume.

    PyTorch's layers pad by a number, on both sides alike; where a stride does not fit, ``SAME`` is another
    place, and zeros of their own before a ``valid`` layer say what is meant.

    Attributes
    ----------
    before, after : tuple of int
        How many zeros stand before and after the volume, along each axis.
    """

    before: Triple
    after: Triple


@dataclass(frozen=True)
class Concatenate(Layer):
    """The channels of its inputs, one after the other."""


@dataclass(frozen=True)
class Add(Layer):
    """The sum of its inputs: a residual connection."""
