"""The residual network of Dartora et al. (2024), whose input is a head with its skull, every second voxel.

Source: Dartora et al. 2024, Front Aging Neurosci, 10.3389/fnagi.2023.1303036;
github.com/westman-neuroimaging-group/brainage-prediction-mri at 3855b64, model/modules.py and model/model.py
with width_f 3. Each block is pre-activated: normalised, leaky ReLU, and three convolutions. The skip
convolution of the last two blocks is in the file, and unused.
"""

from __future__ import annotations

from itertools import pairwise

from bids_brainage.networks.architectures.torch_layers import (
    Arrays,
    Shapes,
    convolution,
    dense,
    max_pooling,
    normalisation_shapes,
    torch_affine,
)
from bids_brainage.networks.layers import Activation, Add, Flatten, Layer, Pooling, Triple

#: Channels behind the first convolution and behind each block, and strides of the blocks.
CHANNELS, STRIDES = (24, 48, 96, 192, 384, 384, 384), (1, 2, 2, 2, 1, 1)
#: Units of the two dense layers before the age.
UNITS = 512
#: Slope of PyTorch's leaky ReLU below zero.
SLOPE = 0.01
#: The box for which the last pooling leaves one voxel.
BOX = (80, 96, 80)


def _key(place: int) -> str:
    return f"features.features.{place}"


def shapes(arrays: Arrays) -> Shapes:
    """Names and shapes of the arrays in a file, whatever is in it."""
    found: Shapes = {f"{_key(0)}.0.weight": (CHANNELS[0], 1, 7, 7, 7)}
    found |= normalisation_shapes(f"{_key(0)}.1", CHANNELS[0])
    for block, (before, width) in enumerate(pairwise(CHANNELS)):
        name, inside = _key(block + 2), width // 4
        for number, channels in enumerate((before, inside, inside), start=1):
            found |= normalisation_shapes(f"{name}.bn{number}", channels)
        found[f"{name}.conv1.weight"] = (inside, before, 1, 1, 1)
        found[f"{name}.conv2.weight"] = (inside, inside, 3, 3, 3)
        found[f"{name}.conv3.weight"] = (width, inside, 1, 1, 1)
        found[f"{name}.conv4.weight"] = (width, before, 1, 1, 1)
    found |= normalisation_shapes(f"{_key(8)}.0", CHANNELS[-1])
    for place, (units, before) in {0: (UNITS, CHANNELS[-1]), 2: (UNITS, UNITS), 4: (1, UNITS)}.items():
        found |= {f"fc1.{place}.weight": (units, before), f"fc1.{place}.bias": (units,)}
    return found


def layers(arrays: Arrays, extents: Triple) -> list[Layer]:
    """The layers of a file, normalisation not yet folded."""
    first, extents = convolution("conv0", "image", arrays[f"{_key(0)}.0.weight"], extents, stride=2, pad=3)
    made = [*first, torch_affine("norm0", "conv0", arrays, f"{_key(0)}.1")]
    made.append(Activation("relu0", ("norm0",), "relu"))
    pooling, extents = max_pooling("pool0", "relu0", extents, size=3, stride=2, pad=1)
    made += pooling
    for block, stride in enumerate(STRIDES):
        own, extents = _block(block, stride, made[-1].name, arrays, extents)
        made += own
    made.append(torch_affine("norm7", made[-1].name, arrays, f"{_key(8)}.0"))
    made.append(Activation("relu7", ("norm7",), "relu"))
    made.append(Pooling("mean", ("relu7",), "average", (3, 3, 3), (1, 1, 1), "valid"))
    made.append(Flatten("features", ("mean",)))
    for place, name in ((0, "dense1"), (2, "dense2")):
        made.append(dense(name, made[-1].name, arrays, f"fc1.{place}"))
        made.append(Activation(f"{name}.relu", (name,), "relu"))
    made.append(dense("output", made[-1].name, arrays, "fc1.4"))
    return made


def _block(
    block: int, stride: int, before: str, arrays: Arrays, extents: Triple
) -> tuple[list[Layer], Triple]:
    """One residual block, and the extents behind it."""
    name, key = f"block{block + 1}", _key(block + 2)
    made: list[Layer] = []
    last, behind = before, extents
    for number, (step, pad) in enumerate(((1, 0), (stride, 1), (1, 0)), start=1):
        made.append(torch_affine(f"{name}.norm{number}", last, arrays, f"{key}.bn{number}"))
        made.append(Activation(f"{name}.relu{number}", (made[-1].name,), "leaky_relu", SLOPE))
        weight = arrays[f"{key}.conv{number}.weight"]
        own, behind = convolution(f"{name}.conv{number}", made[-1].name, weight, behind, stride=step, pad=pad)
        made += own
        last = made[-1].name
    skip = before
    if stride != 1 or CHANNELS[block] != CHANNELS[block + 1]:
        weight = arrays[f"{key}.conv4.weight"]
        own, _ = convolution(f"{name}.conv4", f"{name}.relu1", weight, extents, stride=stride)
        made += own
        skip = made[-1].name
    made.append(Add(f"{name}.sum", (last, skip)))
    return made, behind
