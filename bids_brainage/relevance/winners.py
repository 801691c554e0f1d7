"""The fast engine: convolution, activation and max pooling as one block, explained at the winners only.

Winner-takes-all pooling hands all relevance of a window to one voxel, so at most one output in eight of the
convolution (windows of stride 2) has any. A rule needs denominators there and nowhere else. Hence

- forward, the block keeps the pooled values and the winners' places, never the convolution's output. The
  first block, whose one-channel input at full resolution costs most, is one compiled loop that works where
  the image is not zero;
- back, the relevant winners are listed, `rules.divide` is asked about them alone, and the compiled loops
  `gather` and `scatter` stand for the convolution and its transpose.

The rules are those of the plain engine, which the tests hold this one against. Threads share the work in
slabs whose borders depend on the volume only, and whose sums are added in one order, so that their number
changes no result.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from bids_brainage.relevance import plain, rules
from bids_brainage.relevance.accounts import LayerAccount
from bids_brainage.relevance.composites import Composite
from bids_brainage.relevance.network import (
    Activation,
    Convolution,
    Floats,
    Layer,
    Network,
    Padding,
    Pooling,
    Triple,
)
from bids_brainage.relevance.operators import dilate
from bids_brainage.relevance.plain import State
from bids_brainage.relevance.pooling import output_size
from bids_brainage.relevance.rules import Group, Rule, Term

Geometry = tuple[tuple[int, int, int], ...]
Slab = tuple[int, int]

T = TypeVar("T")


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
    return block if chained and private and _passes(activation, composite) else None


def _passes(activation: Activation | None, composite: Composite) -> bool:
    """Whether the loops know the activation and the composite hands relevance through it."""
    if activation is None:
        return True
    known = activation.function in ("relu", "leaky_relu")
    return known and (composite.activation == "pass" or not activation.own_layer)


class Patches:
    """Where the patches of a convolution lie in its padded input, for `loops.gather` and `loops.scatter`."""

    def __init__(self, layer: Convolution, shape: tuple[int, ...]) -> None:
        _, *spatial, channels = shape
        self.layer = layer
        kernel = dilate(layer.kernel, layer.dilation)
        size, stride = kernel.shape[:3], layer.strides
        geometry = [
            output_size(n, k, s, layer.padding) for n, k, s in zip(spatial, size, stride, strict=True)
        ]
        self.shape = tuple(length for length, _ in geometry)
        before = [pad for _, pad in geometry]
        padded = [(n - 1) * s + k for n, s, k in zip(self.shape, stride, size, strict=True)]
        #: Of the input (d, h, w, c): zeros before it, and the shape with zeros before and behind.
        self.before = before
        self.padded = (*(max(p, n + b) for p, n, b in zip(padded, spatial, before, strict=True)), channels)
        self.spatial = tuple(spatial)
        row = self.padded[2] * channels
        slab = self.padded[1] * row
        self.strides = (stride[0] * slab, stride[1] * row, stride[2] * channels)
        self.rows = np.array([a * slab + b * row for a in range(size[0]) for b in range(size[1])], np.int64)

    def pad(self, x: Floats) -> Floats:
        """Return `x` (d, h, w, c) with zeros around it."""
        padded = np.zeros(self.padded, np.float32)
        padded[self.inside] = x
        return padded

    @property
    def inside(self) -> tuple[slice, ...]:
        """Where the input lies in the padded array."""
        return tuple(slice(b, b + n) for b, n in zip(self.before, self.spatial, strict=True))

    def kernel(self, term: Term) -> Floats:
        """Return a term's part of the kernel as (channels, rows of a patch, run)."""
        part = dilate(rules.kernel_part(self.layer.kernel, term), self.layer.dilation)
        depth, height, width, inputs, outputs = part.shape
        ordered = part.transpose(4, 0, 1, 2, 3).reshape(outputs, depth * height, width * inputs)
        return np.ascontiguousarray(ordered)


def forward(network: Network, volume: Floats, composite: Composite, threads: int) -> State:
    """Run `volume` (1, d, h, w, c) through the network; inside blocks no output is kept."""
    state = State(network, volume)
    for step in find_steps(network, composite):
        if isinstance(step, Block):
            x = state.outputs[step.convolution.inputs[0]]
            name = step.pooling.name
            state.outputs[name], state.winners[name] = forward_block(
                step, x, composite.tie_tolerance, threads
            )
        else:
            state.outputs[step.name] = plain.forward_layer(step, state, composite)
    return state


def forward_block(
    block: Block, x: Floats, tolerance: float, threads: int
) -> tuple[Floats, NDArray[np.int32]]:
    """Return a block's pooled values (1, d', h', w', c) and the winners' flat indices."""
    from bids_brainage.relevance import loops

    patches = Patches(block.convolution, x.shape)
    pooling = block.pooling
    assert pooling.size is not None
    lengths, geometry = _geometry(patches.shape, pooling.size, pooling.strides, pooling.padding)
    values = np.empty((*lengths, block.convolution.kernel.shape[-1]), np.float32)
    places = np.empty(values.shape, np.int32)
    bias = plain.make_operator(block.convolution, x.shape).bias
    settings = (block.slope, geometry, np.float32(tolerance))
    if x.shape[-1] == 1 and block.convolution.strides == (1, 1, 1):
        padded = patches.pad(x[0])[..., 0]
        kernel = np.ascontiguousarray(
            dilate(block.convolution.kernel, block.convolution.dilation)[..., 0, :].transpose(3, 0, 1, 2)
        )
        bounds = (np.empty(padded.shape[:2], np.int64), np.empty(padded.shape[:2], np.int64))
        loops.row_bounds(padded, *bounds)
        slope, *rest = settings

        def work(slab: Slab) -> None:
            loops.convolve_and_pool(padded, kernel, bias, slope, bounds, *rest, *slab, values, places)
    else:
        z = plain.make_operator(block.convolution, x.shape).forward(x, rules.ALL)[0]

        def work(slab: Slab) -> None:
            loops.pool(z, bias, *settings, *slab, values, places)

    _share(work, _slabs(lengths[0], 1), threads)
    return values[None], places[None]


def _geometry(
    shape: Iterable[int], size: Triple, strides: Triple, padding: Padding
) -> tuple[tuple[int, ...], Geometry]:
    """Return the pooled lengths, and (size, stride, padding before) along each axis."""
    pairs = [output_size(n, k, s, padding) for n, k, s in zip(shape, size, strides, strict=True)]
    lengths = tuple(length for length, _ in pairs)
    return lengths, tuple((k, s, pad) for k, s, (_, pad) in zip(size, strides, pairs, strict=True))


def backward(
    network: Network,
    state: State,
    composite: Composite,
    start: Floats,
    accounts: list[LayerAccount],
    threads: int,
) -> Floats:
    """Hand the relevance `start` (1, 1) of the output neuron back to the image, and note the accounts."""
    relevance: dict[str, Floats] = {network.layers[-1].name: start}
    for step in reversed(find_steps(network, composite)):
        if isinstance(step, Block):
            received = relevance.pop(step.pooling.name)
            x = state.outputs[step.convolution.inputs[0]]
            rule = plain.rule_of(network, step.convolution, composite)
            places = state.winners[step.pooling.name]
            share, passed, absorbed = backward_block(step, rule, x, places, received, threads)
            accounts.extend(_block_accounts(step, plain.total(received), passed, absorbed))
            plain.add_share(relevance, step.convolution.inputs, [share])
        else:
            plain.backward_step(network, step, state, composite, relevance, accounts)
    return relevance[network.input_name]


def _block_accounts(block: Block, received: float, passed: float, absorbed: float) -> list[LayerAccount]:
    """Pooling and activation pass everything on; the convolution is where something is absorbed."""
    through = [LayerAccount(layer.name, received, received, 0.0) for layer in reversed(block.layers[1:])]
    return [*through, LayerAccount(block.convolution.name, received, passed, absorbed)]


def backward_block(
    block: Block, rule: Rule, x: Floats, winners: NDArray[np.int32], received: Floats, threads: int
) -> tuple[Floats, float, float]:
    """Return what a block passes on to its input `x` (1, d, h, w, c), its sum, and what it absorbs."""
    patches = Patches(block.convolution, x.shape)
    share, passed, absorbed = np.zeros(x.shape, np.float32), 0.0, 0.0
    for group in rule.groups:
        spread = Spread(patches, rule, group, x[0])
        slabs = _slabs(winners.shape[1], _least_slab(block, patches))
        kept = np.zeros(len(slabs))

        def work(
            index: int, spread: Spread = spread, kept: NDArray = kept, slabs: list[Slab] = slabs
        ) -> None:
            low, high = slabs[index]
            kept[index] = spread.add(received[0, low:high], winners[0, low:high])

        # Neighbouring slabs write to the same voxels at their border: first all even ones, then the odd.
        for parity in (0, 1):
            _share(work, range(parity, len(slabs), 2), threads)
        absorbed += float(kept.sum())
        passed += spread.add_to(share[0], threads)
    return share, passed, absorbed


class Spread:
    """One group of a rule at work: relevance of winners is divided and scattered over the padded input."""

    def __init__(self, patches: Patches, rule: Rule, group: Group, x: Floats) -> None:
        bias = patches.layer.bias
        kernel = patches.layer.kernel
        self.own_bias = np.zeros(kernel.shape[-1], np.float32) if bias is None else bias
        signs = bool((kernel > 0).any()), bool((kernel < 0).any())
        x_negative = bool(x.min() < 0)
        self.patches, self.group = patches, group
        terms = [term for term in group.terms if rules.matters(term, *signs, x_negative)]
        self.parts = [_input_part(x, term, rule, x_negative) for term in terms]
        self.padded = [patches.pad(part).ravel() for part in self.parts]
        self.kernels = [patches.kernel(term) for term in terms]
        self.spread = [np.zeros(part.size, np.float32) for part in self.padded]
        # Where the patch is zero, terms that take x have nothing to share; bias or emptiness absorb all.
        takes_x = all(term.input in ("all", "positive", "negative") for term in terms)
        self.skip_empty = takes_x and not group.given
        self.own = (patches.pad(x).ravel(), patches.kernel(rules.ALL)) if group.given else None

    def add(self, received: Floats, winners: NDArray[np.int32]) -> float:
        """Spread the relevance of some windows (d', h', w', c); returns what is absorbed."""
        from bids_brainage.relevance import loops

        channels_out = received.shape[-1]
        most = received.size
        starts, channels = np.empty(most, np.int64), np.empty(most, np.int32)
        relevance = np.empty(most, np.float32)
        flat = received.reshape(-1, channels_out), winners.reshape(-1, channels_out)
        geometry = (self.patches.shape, self.patches.strides)
        n, left_out = loops.list_relevant(*flat, self.skip_empty, *geometry, starts, channels, relevance)
        starts, channels, relevance = starts[:n], channels[:n], relevance[:n]
        places = (starts, channels)
        rows = self.patches.rows
        z = np.zeros(n, np.float32)
        for x, kernel in zip(self.padded, self.kernels, strict=True):
            loops.gather(x, rows, kernel, *places, z)
        own = None
        if self.own:
            own = self.own_bias[channels]
            loops.gather(self.own[0], rows, self.own[1], *places, own)
        bias = rules.bias_part(self.own_bias, self.group)[channels]
        quotient, absorbed = rules.divide(self.group, z, bias, relevance, own)
        for kernel, spread in zip(self.kernels, self.spread, strict=True):
            loops.scatter(quotient, rows, kernel, *places, spread)
        return absorbed + self.group.share * left_out

    def add_to(self, share: Floats, threads: int) -> float:
        """Add what each voxel receives to `share` (d, h, w, c); returns its sum."""
        from bids_brainage.relevance import loops

        total = 0.0
        depth, height, width, channels = share.shape
        before = (*self.patches.before[:2], self.patches.before[2] * channels)
        out = share.reshape(depth, height, width * channels)
        slabs = _slabs(depth, 1)
        for part, spread in zip(self.parts, self.spread, strict=True):
            padded = spread.reshape(*self.patches.padded[:2], -1)
            sums = np.zeros(len(slabs))
            rows = part.reshape(out.shape)

            def work(index: int, rows: Floats = rows, padded: Floats = padded, sums: NDArray = sums) -> None:
                sums[index] = loops.multiply_rows(rows, padded, before, *slabs[index], out)

            _share(work, range(len(slabs)), threads)
            total += float(sums.sum())
        return total


def _input_part(x: Floats, term: Term, rule: Rule, x_negative: bool) -> Floats:
    """`rules.input_part`, without a copy where nothing is negative."""
    return x if term.input == "positive" and not x_negative else rules.input_part(x, term.input, rule)


def _least_slab(block: Block, patches: Patches) -> int:
    """Return how many slices a slab needs so that it shares voxels with its next neighbours only."""
    stride = block.pooling.strides[0] * block.convolution.strides[0]
    assert block.pooling.size is not None
    reach = (block.pooling.size[0] - 1) * block.convolution.strides[0]
    reach += dilate(block.convolution.kernel, block.convolution.dilation).shape[0]
    return -(-reach // stride)


def _slabs(length: int, least: int, wanted: int = 8) -> list[Slab]:
    """Cut [0, length) into about `wanted` slabs of at least `least` slices."""
    size = max(least, -(-length // wanted))
    starts = range(0, length, size)
    slabs = [(start, min(start + size, length)) for start in starts]
    if len(slabs) > 1 and slabs[-1][1] - slabs[-1][0] < least:
        slabs[-2:] = [(slabs[-2][0], slabs[-1][1])]
    return slabs


def _share(work: Callable[[T], None], items: Iterable[T], threads: int) -> None:
    """Do `work` for each item, in up to `threads` threads."""
    items = list(items)
    if threads <= 1 or len(items) <= 1:
        for item in items:
            work(item)
        return
    with ThreadPoolExecutor(min(threads, len(items))) as pool:
        list(pool.map(work, items))


def available_threads() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
