"""Methods to compare LRP with: gradient x input, integrated gradients and SmoothGrad, in years.

The gradient runs over the same neutral network and the same winners of max pooling, so that it does not
depend on the processor either.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bids_brainage.networks.network import (
    Activation,
    Add,
    Concatenate,
    Flatten,
    Floats,
    Layer,
    Network,
    Pad,
    Pooling,
)
from bids_brainage.relevance import rules
from bids_brainage.relevance.composites import COMPOSITES
from bids_brainage.relevance.engine import backward, forward
from bids_brainage.relevance.engine.blocks import Block, find_steps
from bids_brainage.relevance.peers import plain
from bids_brainage.relevance.peers.plain import State
from bids_brainage.relevance.peers.pooling import unpool


def gradient(network: Network, images: NDArray) -> Floats:
    """Return the derivative of the output by each voxel, in years per unit of intensity."""
    volumes = network.volumes(images)
    slopes = [output_and_gradient(network, volume[None])[1] for volume in volumes]
    return np.concatenate(slopes).reshape(len(volumes), *network.input_shape)


def gradient_x_input(network: Network, images: NDArray) -> Floats:
    """Return gradient times input (Shrikumar et al. 2016, arXiv:1605.01713), in years."""
    return gradient(network, images) * np.asarray(images, np.float32)


def integrated_gradients(
    network: Network, images: NDArray, baseline: NDArray | float = 0.0, steps: int = 32
) -> Floats:
    """Return integrated gradients (Sundararajan et al. 2017, eq. 1) by the midpoint rule, in years.

    They add up to the output for the image minus that for the baseline, as closely as `steps` allows.
    """
    images = np.asarray(images, np.float32)
    way = images - np.float32(baseline)
    shares = (np.arange(steps) + 0.5) / steps
    mean = sum(gradient(network, np.float32(baseline) + np.float32(share) * way) for share in shares)
    return np.float32(1 / steps) * way * mean


def smooth_grad(
    network: Network, images: NDArray, noise: float = 0.1, samples: int = 25, seed: int = 0
) -> Floats:
    """Return SmoothGrad (Smilkov et al. 2017, arXiv:1706.03825) times input, in years.

    Parameters
    ----------
    network, images
        As for `gradient`.
    noise : float
        Standard deviation of the noise, as a fraction of each image's range.
    samples : int
        Number of noisy copies over which the gradient is averaged.
    seed : int
        Of the noise.
    """
    images = np.asarray(images, np.float32)
    random = np.random.default_rng(seed)
    scale = np.float32(noise) * np.ptp(images, axis=tuple(range(1, images.ndim)), keepdims=True)
    copies = (images + scale * random.standard_normal(images.shape, np.float32) for _ in range(samples))
    return np.float32(1 / samples) * images * sum(gradient(network, copy) for copy in copies)


def output_and_gradient(network: Network, volume: Floats) -> tuple[float, Floats]:
    """Return the output for one volume (1, d, h, w, c), in years, and its derivative by each voxel.

    The derivative is that of what is explained, before limits and rounding.
    """
    composite, threads = COMPOSITES["preset-a"], 1  # callers distribute people or images over threads
    state = forward.run(network, volume, composite, threads)
    outputs = state.outputs[network.output_layer.name]
    slopes: dict[str, Floats] = {
        network.output_layer.name: network.readout.slopes(outputs).astype(np.float32)
    }
    for step in reversed(find_steps(network, composite)):
        if isinstance(step, Block):
            own = _through_block(step, state, slopes.pop(step.pooling.name), threads)
            inputs = step.convolution.inputs
        else:
            own, inputs = _through(step, state, slopes.pop(step.name)), step.inputs
        plain.add_share(slopes, inputs, own)
    return float(network.readout.years(outputs)[0]), slopes[network.input_name]


def _through_block(block: Block, state: State, slopes: Floats, threads: int) -> list[Floats]:
    """Chain rule for a convolution, its activation and the max pooling behind it."""
    name = block.pooling.name
    inside = np.where(state.outputs[name] > 0, slopes, block.slope * slopes)
    shape = state.outputs[block.convolution.inputs[0]].shape
    codes = state.winners[name].astype(np.int16, copy=False)
    return [backward.spread_block(block, shape, codes, inside, threads)]


def _through(layer: Layer, state: State, slopes: Floats) -> list[Floats]:
    """Chain rule for one layer."""
    x = state.outputs[layer.inputs[0]]
    match layer:
        case Activation():
            return [slopes * plain.derivative(layer, x)]
        case Flatten():
            return [slopes.reshape(x.shape)]
        case Add():
            return [slopes] * len(layer.inputs)
        case Concatenate():
            return plain.through_concatenate(state.inputs(layer), slopes)
        case Pad():
            return [plain.through_pad(layer, slopes)]
        case Pooling(mode="max"):
            return [unpool(slopes, state.winners[layer.name], x.shape)]
        case _:
            return [plain.make_operator(layer, x.shape).transpose(slopes, rules.ALL)]
