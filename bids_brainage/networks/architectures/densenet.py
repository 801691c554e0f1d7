"""Densely connected networks in three dimensions, as MONAI has them: of 121 and of 201 layers.

Sources: Huang et al. 2017, CVPR; github.com/Project-MONAI/MONAI, monai/networks/nets/densenet.py at 014f7df.
The names of arrays have not changed since version 0.4.
"""

from __future__ import annotations

from collections.abc import Callable

from bids_brainage.networks.architectures.torch_layers import (
    Arrays,
    Shapes,
    convolution,
    dense,
    max_pooling,
    normalisation_shapes,
    torch_affine,
)
from bids_brainage.networks.layers import Activation, Concatenate, Flatten, Layer, Pooling, Triple

#: Layers in each of the four blocks, by the name of the network.
BLOCKS = {"densenet121": (6, 12, 24, 16), "densenet201": (6, 12, 48, 32)}
#: Channels of the first convolution, that each layer adds, and inside each layer.
FIRST, GROWTH, INSIDE = 64, 32, 128


def shapes(blocks: tuple[int, ...]) -> Callable[[Arrays], Shapes]:
    """Names and shapes of the arrays in a file, whatever is in it."""

    def expected(arrays: Arrays) -> Shapes:
        found: Shapes = {"features.conv0.weight": (FIRST, 1, 7, 7, 7)}
        found |= normalisation_shapes("features.norm0", FIRST)
        channels = FIRST
        for block, count in enumerate(blocks, start=1):
            for number in range(1, count + 1):
                name = f"features.denseblock{block}.denselayer{number}.layers"
                found |= normalisation_shapes(f"{name}.norm1", channels)
                found[f"{name}.conv1.weight"] = (INSIDE, channels, 1, 1, 1)
                found |= normalisation_shapes(f"{name}.norm2", INSIDE)
                found[f"{name}.conv2.weight"] = (GROWTH, INSIDE, 3, 3, 3)
                channels += GROWTH
            if block < len(blocks):
                name = f"features.transition{block}"
                found |= normalisation_shapes(f"{name}.norm", channels)
                found[f"{name}.conv.weight"] = (channels // 2, channels, 1, 1, 1)
                channels //= 2
        found |= normalisation_shapes("features.norm5", channels)
        outputs = arrays["class_layers.out.bias"].size if "class_layers.out.bias" in arrays else 1
        return {**found, "class_layers.out.weight": (outputs, channels), "class_layers.out.bias": (outputs,)}

    return expected


def layers(blocks: tuple[int, ...]) -> Callable[[Arrays, Triple], list[Layer]]:
    """The layers of a file, normalisation not yet folded."""

    def build(arrays: Arrays, extents: Triple) -> list[Layer]:
        return _Builder(arrays, extents).build(blocks)

    return build


class _Builder:
    """Layers in the order in which they are added, and the extents behind the last one."""

    def __init__(self, arrays: Arrays, extents: Triple) -> None:
        self.arrays, self.extents = arrays, extents
        self.layers: list[Layer] = []

    @property
    def last(self) -> str:
        """Name of the last layer."""
        return self.layers[-1].name if self.layers else "image"

    def build(self, blocks: tuple[int, ...]) -> list[Layer]:
        """All layers."""
        self.convolve("conv0", "features.conv0", stride=2, pad=3)
        self.normalise("norm0", "features.norm0")
        own, self.extents = max_pooling("pool0", self.last, self.extents, size=3, stride=2, pad=1)
        self.layers += own
        for block, count in enumerate(blocks, start=1):
            for number in range(1, count + 1):
                key = f"features.denseblock{block}.denselayer{number}.layers"
                self.dense_layer(f"block{block}.layer{number}", key)
            if block < len(blocks):
                self.transition(f"transition{block}")
        self.normalise("norm5", "features.norm5")
        self.layers.append(Pooling("mean", (self.last,), "average", None))
        self.layers.append(Flatten("features", ("mean",)))
        self.layers.append(dense("output", "features", self.arrays, "class_layers.out"))
        return self.layers

    def dense_layer(self, name: str, key: str) -> None:
        """Channels added to those before: normalised, a voxel each, normalised, 3 voxels."""
        before = self.last
        self.normalise(f"{name}.norm1", f"{key}.norm1")
        self.convolve(f"{name}.conv1", f"{key}.conv1")
        self.normalise(f"{name}.norm2", f"{key}.norm2")
        self.convolve(f"{name}.conv2", f"{key}.conv2", pad=1)
        self.layers.append(Concatenate(f"{name}.joined", (before, self.last)))

    def transition(self, name: str) -> None:
        """Half as many channels and half as many voxels along each axis."""
        self.normalise(f"{name}.norm", f"features.{name}.norm")
        self.convolve(f"{name}.conv", f"features.{name}.conv")
        self.layers.append(Pooling(f"{name}.pool", (self.last,), "average", (2, 2, 2), (2, 2, 2), "valid"))
        a, b, c = self.extents
        self.extents = (a // 2, b // 2, c // 2)

    def convolve(self, name: str, key: str, *, stride: int = 1, pad: int = 0) -> None:
        """Add a convolution."""
        weight = self.arrays[f"{key}.weight"]
        own, self.extents = convolution(name, self.last, weight, self.extents, stride=stride, pad=pad)
        self.layers += own

    def normalise(self, name: str, key: str) -> None:
        """Add a batch normalisation and a ReLU."""
        self.layers.append(torch_affine(name, self.last, self.arrays, key))
        self.layers.append(Activation(f"{name}.relu", (name,), "relu"))
