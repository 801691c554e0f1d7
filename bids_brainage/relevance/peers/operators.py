"""The linear layers as operators: forward with a part of the kernel, and its transpose.

This is the plain way, for layers of all kinds; `engine` has the fast one. Arrays have the batch
first and channels last.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from bids_brainage.networks.network import Affine, Convolution, Dense, Floats, Pooling, Triple
from bids_brainage.relevance.peers import convolution_products
from bids_brainage.relevance.peers.pooling import average_pool, output_size, spread_average
from bids_brainage.relevance.rules import Term, kernel_part


class Operator(Protocol):
    """A linear layer; `bias` has one value per channel."""

    bias: Floats

    def for_outputs(self, channels: Floats) -> Floats:
        """Return one value per channel, shaped to broadcast against outputs."""
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
    """Base of operators whose outputs have their channels on the last axis."""

    def for_outputs(self, channels: Floats) -> Floats:
        return channels


class _Kernel(_ChannelsLast):
    """Base of operators with a kernel."""

    kernel: Floats

    def __init__(self, kernel: Floats, bias: Floats | None, channels: int) -> None:
        self.kernel = kernel
        self.bias = np.zeros(channels, np.float32) if bias is None else bias

    def signs(self) -> tuple[bool, bool]:
        return bool((self.kernel > 0).any()), bool((self.kernel < 0).any())


class DenseOperator(_Kernel):
    """A fully connected layer.

    Not `@`: the threads of the library behind it spin for some 0.1 s after every product, on the
    processors that other layers need. These products are small.
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

    def __init__(self, layer: Convolution, shape: tuple[int, ...], threads: int = 1) -> None:
        self.threads = threads
        super().__init__(layer.kernel, layer.bias, layer.kernel.shape[-1])
        self.shape = tuple(shape)
        self.dilation = layer.dilation
        self.strides = layer.strides
        window = dilate(layer.kernel, layer.dilation).shape
        ends = [output_size(shape[i + 1], window[i], layer.strides[i], layer.padding) for i in range(3)]
        self.lengths: Triple = (ends[0][0], ends[1][0], ends[2][0])
        self.pads: Triple = (ends[0][1], ends[1][1], ends[2][1])

    def forward(self, x: Floats, term: Term) -> Floats:
        from bids_brainage.relevance.peers.convolution_loops import convolve

        kernel = dilate(kernel_part(self.kernel, term), self.dilation)
        if convolution_products.worth(kernel, self.strides):
            given = kernel, self.pads, self.lengths, self.threads
            return _stacked([convolution_products.convolve(own, *given) for own in x])
        out = np.zeros((len(x), *self.lengths, kernel.shape[-1]), np.float32)
        for volume, into in zip(np.ascontiguousarray(x), out, strict=True):
            convolve(volume, kernel, self.strides, self.pads, into)
        return out

    def transpose(self, s: Floats, term: Term) -> Floats:
        kernel = dilate(kernel_part(self.kernel, term), self.dilation)
        extents = self.shape[1], self.shape[2], self.shape[3]
        if convolution_products.worth(kernel, self.strides):
            given = kernel, self.pads, extents, self.threads
            return _stacked([convolution_products.spread(own, *given) for own in s])
        windows = kernel, self.strides, self.pads, extents
        return _stacked([convolution_products.spread_strided(own, *windows) for own in s])


def _stacked(volumes: Sequence[Floats]) -> Floats:
    """Volumes as one array; a single one, the usual case, is not copied."""
    return volumes[0][None] if len(volumes) == 1 else np.stack(volumes)


class AveragePoolingOperator(_ChannelsLast):
    """Average pooling: a convolution of each channel separately, with positive weights."""

    def __init__(self, layer: Pooling, shape: tuple[int, ...]) -> None:
        self.bias = np.zeros(shape[-1], np.float32)
        self.shape = tuple(shape)
        self.window = (*window(layer, shape), layer.padding)

    def forward(self, x: Floats, term: Term) -> Floats:
        return np.float32(term.positive) * average_pool(x, *self.window)

    def transpose(self, s: Floats, term: Term) -> Floats:
        return np.float32(term.positive) * spread_average(s, self.shape, *self.window)

    def signs(self) -> tuple[bool, bool]:
        return True, False


def dilate(kernel: Floats, dilation: Triple) -> Floats:
    """Return `kernel` with zeros between its taps, so that it needs no dilation."""
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
