"""Which layers of a network form blocks: a convolution, an activation and a max pooling."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from bids_brainage.networks.network import Activation, Convolution, Floats, Layer, Network, Pooling
from bids_brainage.relevance import rules
from bids_brainage.relevance.composites import Composite
from bids_brainage.relevance.engine.codes import LARGEST_WINDOW
from bids_brainage.relevance.peers.operators import dilate
from bids_brainage.relevance.rules import Term


@dataclass(frozen=True)
class Block:
    """A convolution, an activation or none, and a max pooling; only the pooling feeds other layers."""

    convolution: Convolution
    activation: Activation | None
    pooling: Pooling

    @property
    def slope(self) -> np.float32:
        """Negative slope of the activation; 1 without one."""
        return np.float32(1.0 if self.activation is None else self.activation.slope)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The block's layers in order."""
        middle = () if self.activation is None else (self.activation,)
        return (self.convolution, *middle, self.pooling)

    @property
    def bias(self) -> Floats:
        """Bias of the convolution; zeros if it has none."""
        bias = self.convolution.bias
        return np.zeros(self.convolution.kernel.shape[-1], np.float32) if bias is None else bias

    def kernel(self, term: Term) -> Floats:
        """Return a term's part of the kernel, dilated."""
        return dilate(rules.kernel_part(self.convolution.kernel, term), self.convolution.dilation)


def find_steps(network: Network, composite: Composite) -> tuple[Block | Layer, ...]:
    """Return the network's layers with those that form blocks put together."""
    layers, steps = list(network.layers), []
    while layers:
        block = _block_at(network, layers, composite)
        steps.append(block or layers[0])
        del layers[: len(block.layers) if block else 1]
    return tuple(steps)


def _block_at(network: Network, layers: list[Layer], composite: Composite) -> Block | None:
    """Return the block that `layers` begins with, if it does."""
    if not isinstance(layers[0], Convolution) or len(layers) < 2:
        return None
    activation = layers[1] if isinstance(layers[1], Activation) else None
    pooling = layers[2] if activation and len(layers) > 2 else layers[1]
    if not isinstance(pooling, Pooling) or pooling.mode != "max" or pooling.size is None:
        return None
    block = Block(layers[0], activation, pooling)
    uses = [name for layer in network.layers for name in layer.inputs]
    chained = all(after.inputs == (before.name,) for before, after in pairwise(block.layers))
    private = all(uses.count(layer.name) == 1 for layer in block.layers[:-1])
    known = _passes(activation, composite) and max(pooling.size) <= LARGEST_WINDOW
    return block if chained and private and known else None


def _passes(activation: Activation | None, composite: Composite) -> bool:
    """Whether the loops support the activation and the composite passes relevance through it."""
    if activation is None:
        return True
    known = activation.function in ("relu", "leaky_relu")
    return known and (composite.activation == "pass" or not activation.own_layer)
