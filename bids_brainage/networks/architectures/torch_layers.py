"""PyTorch's layers in our terms: arrays with channels first, batch normalisation, padding by a number.

PyTorch's axes of a volume (D, H, W) stay ours (d, h, w); only the channels move.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from bids_brainage.networks.layers import (
    Affine,
    Convolution,
    Dense,
    Floats,
    Layer,
    Pad,
    Padding,
    Pooling,
    Triple,
)

Arrays = Mapping[str, np.ndarray]
#: Names and shapes of arrays.
Shapes = dict[str, tuple[int, ...]]

#: What PyTorch adds to a variance unless told otherwise; Keras adds 1e-3.
EPSILON = 1e-5
#: Arrays of a batch normalisation.
NORMALISATION = ("weight", "bias", "running_mean", "running_var")


def normalisation_shapes(name: str, channels: int) -> Shapes:
    """Names and shapes of a batch normalisation's arrays."""
    return {f"{name}.{part}": (channels,) for part in NORMALISATION}


def affine(name: str, before: str, arrays: Sequence[np.ndarray], epsilon: float = EPSILON) -> Affine:
    """Batch normalisation as it is when nothing is learned: scale and shift of each channel.

    Parameters
    ----------
    name, before : str
        Of the layer, and of the one before it.
    arrays : sequence of four arrays (channels,)
        Scale, shift, mean and variance.
    epsilon : float
        Added to the variance.
    """
    gamma, beta, mean, variance = (np.asarray(array, np.float64) for array in arrays)
    scale = gamma / np.sqrt(variance + epsilon)
    shift = beta - mean * scale
    return Affine(name, (before,), scale.astype(np.float32), shift.astype(np.float32))


def torch_affine(name: str, before: str, arrays: Arrays, key: str) -> Affine:
    """The batch normalisation whose arrays are called `key`."""
    return affine(name, before, [arrays[f"{key}.{part}"] for part in NORMALISATION])


def kernel_of(weight: np.ndarray) -> Floats:
    """A convolution's kernel (d, h, w, in, out) from PyTorch's (out, in, d, h, w)."""
    return np.ascontiguousarray(weight.transpose(2, 3, 4, 1, 0))


def dense(name: str, before: str, arrays: Arrays, key: str) -> Dense:
    """The linear layer whose arrays are called `key`."""
    kernel = np.ascontiguousarray(arrays[f"{key}.weight"].T)
    return Dense(name, (before,), kernel, arrays[f"{key}.bias"])


def convolution(
    name: str, before: str, weight: np.ndarray, extents: Triple, *, stride: int = 1, pad: int = 0
) -> tuple[list[Layer], Triple]:
    """A convolution without bias, padded by a number, and the extents behind it."""
    kernel = kernel_of(weight)
    size = (kernel.shape[0], kernel.shape[1], kernel.shape[2])
    zeros, source, padding, behind = _padded(name, before, extents, size, stride, pad)
    strides = (stride, stride, stride)
    own = Convolution(name, (source,), kernel, None, strides=strides, padding=padding)
    return [*zeros, own], behind


def max_pooling(
    name: str, before: str, extents: Triple, *, size: int, stride: int, pad: int
) -> tuple[list[Layer], Triple]:
    """Max pooling, padded by a number, and the extents behind it.

    PyTorch pads with minus infinity. Zeros are the same behind a ReLU, and there alone.
    """
    zeros, source, padding, behind = _padded(name, before, extents, (size,) * 3, stride, pad)
    own = Pooling(name, (source,), "max", (size,) * 3, (stride,) * 3, padding)
    return [*zeros, own], behind


def _padded(
    name: str, before: str, extents: Triple, size: Triple, stride: int, pad: int
) -> tuple[list[Layer], str, Padding, Triple]:
    """Zeros in front of windows: none where ``same`` or ``valid`` puts the windows where PyTorch does."""
    counts = [(n + 2 * pad - k) // stride + 1 for n, k in zip(extents, size, strict=True)]
    behind = (counts[0], counts[1], counts[2])
    if pad == 0:
        return [], before, "valid", behind
    if all(_is_same(*axis, stride, pad) for axis in zip(extents, size, counts, strict=True)):
        return [], before, "same", behind
    zeros = Pad(f"{name}.pad", (before,), (pad,) * 3, (pad,) * 3)
    return [zeros], zeros.name, "valid", behind


def _is_same(extent: int, size: int, count: int, stride: int, pad: int) -> bool:
    """Whether TensorFlow's ``SAME`` puts the windows along an axis where `pad` zeros put them."""
    around = max((count - 1) * stride + size - extent, 0)
    return count == -(-extent // stride) and around // 2 == pad
