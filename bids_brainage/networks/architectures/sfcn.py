"""The simple fully convolutional network, of Peng et al. (2021) in PyTorch and of pyment in Keras.

Five times a convolution of 3 voxels, batch normalisation, ReLU and max pooling of 2; a convolution of one
voxel, normalised, ReLU; the mean of each channel; scores of age bins, or an age.

Sources: Peng et al. 2021, Med Image Anal 68:101871; github.com/ha-ha-ha-han/UKBiobank_deep_pretrain at
4e56dc1, dp_model/model_files/sfcn.py. There the ReLU stands behind the pooling: the maximum of what is cut
off below zero is the same. github.com/estenhl/pyment-public at 00acac5, pyment/models/sfcn.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bids_brainage.networks.architectures.torch_layers import (
    EPSILON,
    NORMALISATION,
    Arrays,
    Shapes,
    affine,
    kernel_of,
    normalisation_shapes,
)
from bids_brainage.networks.layers import (
    Activation,
    Convolution,
    Dense,
    Flatten,
    Floats,
    Layer,
    Pooling,
    Triple,
)

#: What Keras adds to a variance.
KERAS_EPSILON = 1e-3
#: Arrays of a batch normalisation in the order in which Keras keeps them.
KERAS_NORMALISATION = ("gamma", "beta", "moving_mean", "moving_variance")
#: The published widths, and age bins of Peng's.
CHANNELS, BINS = (32, 64, 128, 256, 256, 64), 40
BLOCKS = len(CHANNELS)
_FIRST = "feature_extractor.conv_{}"


@dataclass(frozen=True, eq=False)
class _Block:
    """A convolution's kernel (d, h, w, in, out) and bias; its normalisation: scale, shift, mean, variance."""

    kernel: Floats
    bias: Floats
    normalisation: Sequence[np.ndarray]


def torch_shapes(arrays: Arrays) -> Shapes:
    """Names and shapes of the arrays in a file of Peng's, for as many channels and bins as these have."""
    channels = [_width(arrays, f"{_FIRST.format(i)}.0.weight", CHANNELS[i]) for i in range(BLOCKS)]
    bins = _width(arrays, "classifier.conv_6.weight", BINS)
    shapes: Shapes = {}
    for index, width in enumerate(channels):
        name, before = _FIRST.format(index), channels[index - 1] if index else 1
        edge = 3 if index < BLOCKS - 1 else 1
        shapes |= {f"{name}.0.weight": (width, before, edge, edge, edge), f"{name}.0.bias": (width,)}
        shapes |= normalisation_shapes(f"{name}.1", width)
    return {
        **shapes,
        "classifier.conv_6.weight": (bins, channels[-1], 1, 1, 1),
        "classifier.conv_6.bias": (bins,),
    }


def torch_layers(arrays: Arrays, extents: Triple) -> list[Layer]:
    """The layers of a file of Peng's."""
    blocks = []
    for index in range(BLOCKS):
        name = _FIRST.format(index)
        normalisation = [arrays[f"{name}.1.{part}"] for part in NORMALISATION]
        blocks.append(_Block(kernel_of(arrays[f"{name}.0.weight"]), arrays[f"{name}.0.bias"], normalisation))
    scores = np.ascontiguousarray(arrays["classifier.conv_6.weight"][:, :, 0, 0, 0].T)
    return _layers(blocks, scores, arrays["classifier.conv_6.bias"], EPSILON)


def keras_arrays(arrays: Arrays) -> Arrays:
    """The arrays of a Keras file under names of ours: layers are called otherwise in each version.

    They are told apart by shape and order: a kernel, then its bias, then four of a normalisation.
    """
    named: dict[str, np.ndarray] = {}
    counts = {"conv": 0, "dense": 0, "norm": 0}
    waiting: str | None = None
    for array in arrays.values():
        if array.ndim in (2, 5):
            kind = "conv" if array.ndim == 5 else "dense"
            named[f"{kind}_{counts[kind]}/kernel"] = array
            waiting = f"{kind}_{counts[kind]}/bias"
            counts[kind] += 1
        elif waiting is not None:
            named[waiting], waiting = array, None
        else:
            layer, part = divmod(counts["norm"], len(KERAS_NORMALISATION))
            named[f"norm_{layer}/{KERAS_NORMALISATION[part]}"] = array
            counts["norm"] += 1
    return named


def keras_shapes(arrays: Arrays) -> Shapes:
    """Names (as `keras_arrays` has them) and shapes of the arrays in a file of pyment's."""
    units = arrays["dense_0/bias"].size if "dense_0/bias" in arrays else 1
    shapes: Shapes = {}
    for index, width in enumerate(CHANNELS):
        before, edge = CHANNELS[index - 1] if index else 1, 3 if index < BLOCKS - 1 else 1
        shapes |= {f"conv_{index}/kernel": (edge, edge, edge, before, width), f"conv_{index}/bias": (width,)}
        shapes |= {f"norm_{index}/{part}": (width,) for part in KERAS_NORMALISATION}
    return {**shapes, "dense_0/kernel": (CHANNELS[-1], units), "dense_0/bias": (units,)}


def keras_layers(arrays: Arrays, extents: Triple) -> list[Layer]:
    """The layers of a file of pyment's."""
    blocks = []
    for index in range(BLOCKS):
        normalisation = [arrays[f"norm_{index}/{part}"] for part in KERAS_NORMALISATION]
        blocks.append(_Block(arrays[f"conv_{index}/kernel"], arrays[f"conv_{index}/bias"], normalisation))
    return _layers(blocks, arrays["dense_0/kernel"], arrays["dense_0/bias"], KERAS_EPSILON)


def _layers(blocks: Sequence[_Block], kernel: Floats, bias: Floats, epsilon: float) -> list[Layer]:
    """The layers, normalisation not yet folded, and the layer of scores at the end.

    Pooling is ``valid``: voxels at an odd edge are left out.
    """
    layers: list[Layer] = []
    before = "image"
    for number, block in enumerate(blocks, start=1):
        name = f"conv_{number}"
        layers.append(Convolution(name, (before,), block.kernel, block.bias))
        layers.append(affine(f"norm_{number}", name, block.normalisation, epsilon))
        layers.append(Activation(f"relu_{number}", (layers[-1].name,), "relu"))
        if number < len(blocks):
            layers.append(
                Pooling(f"pool_{number}", (f"relu_{number}",), "max", (2, 2, 2), (2, 2, 2), "valid")
            )
        before = layers[-1].name
    layers.append(Pooling("mean", (before,), "average", None))
    layers.append(Flatten("features", ("mean",)))
    layers.append(Dense("output", ("features",), kernel, bias))
    return layers


def _width(arrays: Arrays, name: str, otherwise: int) -> int:
    """Channels of a convolution in a file, or those of the published one."""
    weight = arrays.get(name)
    return otherwise if weight is None or weight.ndim != 5 else int(weight.shape[0])
