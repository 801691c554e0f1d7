"""The linear layers as operators: forward with a part of the kernel, and its transpose.

This is the plain way, in TensorFlow operations; `winners` holds the fast one. Arrays have the batch first and
channels last.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from bids_brainage.networks.network import Affine, Convolution, Dense, Floats, Pooling, Triple
from bids_brainage.relevance.rules import Term, kernel_part


class Operator(Protocol):
    """A linear layer; `bias` has one value a channel."""

    bias: Floats

    def for_outputs(self, channels: Floats) -> Floats:
        """Return one value a channel so that it broadcasts against outputs."""
        ...

    def forward(self, x: Floats, term: Term) -> Floats:
        """Apply the kernel part of `term` to `x`, without bias."""
        ...

    def transpose(self, s: Floats, term: Term) -> Floats:
        """Apply the transposed kernel part of `term` to `s`."""
        ...

    def signs(self) -> tuple[bool, bool]:
        """Whether the kernel has positive, and negative, weights."""
        ...


class _ChannelsLast:
    """What operators have in common whose outputs have their channels on the last axis."""

    def for_outputs(self, channels: Floats) -> Floats:
        return channels


class _Kernel(_ChannelsLast):
    """What operators with a kernel have in common."""

    kernel: Floats

    def __init__(self, kernel: Floats, bias: Floats | None, channels: int) -> None:
        self.kernel = kernel
        self.bias = np.zeros(channels, np.float32) if bias is None else bias

    def signs(self) -> tuple[bool, bool]:
        return bool((self.kernel > 0).any()), bool((self.kernel < 0).any())


class DenseOperator(_Kernel):
    """A fully connected layer.

    Not `@`: the threads of the library behind it wait busily for some 0.1 s after every product, on the
    processors that the other layers need. These products are small.
    """

    def __init__(self, layer: Dense, shape: tuple[int, ...]) -> None:
        super().__init__(layer.kernel, layer.bias, layer.kernel.shape[1])

    def forward(self, x: Floats, term: Term) -> Floats:
        return np.einsum("ni,io->no", x, kernel_part(self.kernel, term))

    def transpose(self, s: Floats, term: Term) -> Floats:
        return np.einsum("no,io->ni", s, kernel_part(self.kernel, term))


class AffineOperator(_Kernel):
    """A factor for each channel."""

    def __init__(self, layer: Affine, shape: tuple[int, ...]) -> None:
        super().__init__(layer.scale, layer.bias, len(layer.scale))

    def forward(self, x: Floats, term: Term) -> Floats:
        return x * kernel_part(self.kernel, term)

    def transpose(self, s: Floats, term: Term) -> Floats:
        return s * kernel_part(self.kernel, term)


class ConvolutionOperator(_Kernel):
    """A convolution of any stride, dilation and padding, for inputs of one shape (n, d, h, w, c)."""

    def __init__(self, layer: Convolution, shape: tuple[int, ...]) -> None:
        super().__init__(layer.kernel, layer.bias, layer.kernel.shape[-1])
        self.shape = tuple(shape)
        self.dilation = layer.dilation
        self.settings: dict[str, Any] = {
            "strides": [1, *layer.strides, 1],
            "padding": layer.padding.upper(),
        }

    def forward(self, x: Floats, term: Term) -> Floats:
        import tensorflow as tf

        kernel = dilate(kernel_part(self.kernel, term), self.dilation)
        return tf.nn.conv3d(x, kernel, **self.settings).numpy()

    def transpose(self, s: Floats, term: Term) -> Floats:
        import tensorflow as tf

        kernel = dilate(kernel_part(self.kernel, term), self.dilation)
        return tf.nn.conv3d_transpose(s, kernel, (len(s), *self.shape[1:]), **self.settings).numpy()


class AveragePoolingOperator(_ChannelsLast):
    """Average pooling: a convolution of each channel by itself, all of whose weights are positive."""

    def __init__(self, layer: Pooling, shape: tuple[int, ...]) -> None:
        self.bias = np.zeros(shape[-1], np.float32)
        self.shape = tuple(shape)
        size, strides = window(layer, shape)
        self.settings: dict[str, Any] = {
            "ksize": [1, *size, 1],
            "strides": [1, *strides, 1],
            "padding": layer.padding.upper(),
        }

    def forward(self, x: Floats, term: Term) -> Floats:
        import tensorflow as tf

        return np.float32(term.positive) * tf.nn.avg_pool3d(x, **self.settings).numpy()

    def transpose(self, s: Floats, term: Term) -> Floats:
        import tensorflow as tf

        shape = (len(s), *self.shape[1:])
        spread = tf.raw_ops.AvgPool3DGrad(orig_input_shape=shape, grad=s, **self.settings).numpy()
        return np.float32(term.positive) * spread

    def signs(self) -> tuple[bool, bool]:
        return True, False


def dilate(kernel: Floats, dilation: Triple) -> Floats:
    """Return `kernel` with zeros between its taps, so that it needs no dilation (which CPU kernels lack)."""
    if dilation == (1, 1, 1):
        return kernel
    size = [(n - 1) * step + 1 for n, step in zip(kernel.shape, dilation, strict=False)]
    wide = np.zeros((*size, *kernel.shape[3:]), np.float32)
    wide[:: dilation[0], :: dilation[1], :: dilation[2]] = kernel
    return wide


def window(layer: Pooling, shape: tuple[int, ...]) -> tuple[Triple, Triple]:
    """Return size and strides of a pooling window for inputs of `shape` (n, d, h, w, c)."""
    if layer.size is None:
        whole = (shape[1], shape[2], shape[3])
        return whole, whole
    return layer.size, layer.strides
