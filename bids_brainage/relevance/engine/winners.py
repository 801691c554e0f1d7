"""The fast engine: convolution, activation and max pooling as one block, explained at the winners only.

Winner-takes-all pooling hands all relevance of a window to one place, so at most one output in eight of the
convolution (windows of stride 2) has any. A rule needs denominators there and nowhere else. Hence

- forward, the block keeps the pooled values and the winners' codes, never the whole output of the
  convolution, and does no work on windows that see nothing but zeros;
- back, relevance of windows that share a winner is put together, the winners are listed, `rules.divide` is
  asked about them alone, and the compiled loops `gather` and `scatter` stand for the convolution and its
  transpose.

The rules are those of the plain engine, which the tests hold this one against. Threads share the work in
tiles whose borders depend on the volume only, and whose shares are added in one order, so that the number of
threads changes no result.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import cycle, pairwise
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from bids_brainage.networks.network import Activation, Convolution, Floats, Layer, Network, Pooling
from bids_brainage.relevance import rules
from bids_brainage.relevance.accounts import LayerAccount
from bids_brainage.relevance.composites import Composite
from bids_brainage.relevance.engine.codes import CODE_BITS, LARGEST_WINDOW
from bids_brainage.relevance.engine.windows import (
    Box,
    Layout,
    Spans,
    aligned,
    aligned_zeros,
    around,
    as_rows,
    bounding_box,
    clip,
    in_rows,
    pad,
    relative,
    slices,
)
from bids_brainage.relevance.peers import plain
from bids_brainage.relevance.peers.operators import dilate
from bids_brainage.relevance.peers.plain import State
from bids_brainage.relevance.rules import Rule, Term

Codes = NDArray[np.int16]

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
    """Whether the loops know the activation and the composite hands relevance through it."""
    if activation is None:
        return True
    known = activation.function in ("relu", "leaky_relu")
    return known and (composite.activation == "pass" or not activation.own_layer)


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


def forward_block(block: Block, x: Floats, tolerance: float, threads: int) -> tuple[Floats, Codes]:
    """Return a block's pooled values (1, d', h', w', c) and the winners' codes (see `windows`)."""
    layout = Layout(block.convolution, block.pooling, x.shape)
    values, codes = np.empty(layout.shape, np.float32), np.empty(layout.shape, np.int16)
    kernel = _own_kernel(block)

    def work(tile: Box) -> None:
        _pool_tile(block, layout, x[0], kernel, tile, np.float32(tolerance), values, codes)

    _share(work, layout.tiles(), threads)
    return values[None], codes[None]


def _own_kernel(block: Block) -> Floats:
    """Return the kernel (kd, kh, kw * channels in, channels) for our own loops, or none.

    Convolutions that skip places are `_convolve`'s.
    """
    from bids_brainage.relevance.engine.lanes import CONVOLVE

    if block.convolution.strides != (1, 1, 1) or not CONVOLVE:
        return np.empty((0, 0, 0, 0), np.float32)
    kernel = block.kernel(rules.ALL)
    return aligned(kernel.reshape(*kernel.shape[:2], -1, kernel.shape[-1]))


def _pool_tile(
    block: Block,
    layout: Layout,
    x: Floats,
    kernel: Floats,
    tile: Box,
    tolerance: np.float32,
    values: Floats,
    codes: Codes,
) -> None:
    """Fill a box of `values` and `codes` (d', h', w', c). Where `x` is zero there is nothing to work out."""
    from bids_brainage.relevance.engine.pooling_loops import pool

    box = bounding_box(tile, layout.spans(x, tile))
    for empty in [tile] if box is None else around(tile, box):
        values[slices(empty)] = np.maximum(block.bias, 0) + block.slope * np.minimum(block.bias, 0)
        codes[slices(empty)] = layout.first_codes(empty)[..., None]
    if box is None:
        return
    voxels = layout.voxels(box)
    seen = pad(x[slices(clip(voxels, x.shape))], voxels, x.shape)
    z = as_rows(seen) if kernel.size else _convolve(block, seen)
    axes = tuple(axis.as_tuple(windows) for axis, windows in zip(layout.axes, box, strict=True))
    starts = tuple(windows[0] for windows in box)
    bias = np.ascontiguousarray(block.bias, np.float32)
    out = as_rows(values), as_rows(codes)
    pool(z, layout.channels, kernel, bias, block.slope, axes, tolerance, starts, *out)


def _convolve(block: Block, x: Floats) -> Floats:
    """Return the convolution of a box of voxels (d, h, w, c) without bias, as rows (d, h, w * c)."""
    from bids_brainage.relevance.peers.convolution_loops import convolve

    kernel, strides = block.kernel(rules.ALL), block.convolution.strides
    places = ((n - k) // step + 1 for n, k, step in zip(x.shape, kernel.shape, strides, strict=False))
    z = np.zeros((*places, kernel.shape[-1]), np.float32)
    convolve(x, kernel, strides, (0, 0, 0), z)
    return as_rows(z)


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
            codes = state.winners.pop(step.pooling.name).astype(np.int16, copy=False)
            state.outputs.pop(step.pooling.name)  # nobody needs it any more, and it is large
            share, account = backward_block(step, rule, x, codes, received, threads)
            accounts.extend(_through(step, account.received))
            accounts.append(account)
            plain.add_share(relevance, step.convolution.inputs, [share])
        else:
            plain.backward_step(network, step, state, composite, relevance, accounts)
    return relevance[network.input_name]


def _through(block: Block, received: float) -> list[LayerAccount]:
    """Pooling and activation pass everything on; the convolution is where something is absorbed."""
    return [LayerAccount(layer.name, received, received, 0.0) for layer in reversed(block.layers[1:])]


def backward_block(
    block: Block, rule: Rule, x: Floats, codes: Codes, received: Floats, threads: int
) -> tuple[Floats, LayerAccount]:
    """Return what a block passes on to its input `x` (1, d, h, w, c), and its convolution's account."""
    layout = Layout(block.convolution, block.pooling, x.shape)
    share = np.empty(x.shape, np.float32)
    vectors = cache(lambda term: kernel_vectors(block, layout, term))

    def explain(tile: Box) -> tuple[float, float, float]:
        return _explain_tile(block, layout, rule, x[0], tile, codes[0], received[0], share[0], vectors)

    totals = _for_tiles(layout, share[0], explain, threads)
    return share, LayerAccount(block.convolution.name, *(float(total) for total in totals))


def spread_block(block: Block, shape: tuple[int, ...], codes: Codes, slopes: Floats, threads: int) -> Floats:
    """Apply the transpose of a block, at the winners, to `slopes` (1, d', h', w', c).

    With derivatives of the output by what the activation was given, it returns those by the block's input
    of `shape`.
    """
    layout = Layout(block.convolution, block.pooling, shape)
    share = np.empty(shape, np.float32)
    vectors = cache(lambda term: kernel_vectors(block, layout, term))

    def spread(tile: Box) -> tuple[float]:
        spans = layout.all_spans(tile) - tile[2][0]
        winners, values = _list_winners(layout, tile, slopes[0][slices(tile)], codes[0][slices(tile)], spans)
        operator = WinnersOperator(block, layout, layout.voxels(tile), winners, vectors)
        operator.parts["all"] = np.ones(math.prod(operator.shape), np.float32)
        return (operator.give(values, rules.ALL, share[0]),)

    _for_tiles(layout, share[0], spread, threads)
    return share


def _for_tiles(
    layout: Layout, share: Floats, work: Callable[[Box], tuple[float, ...]], threads: int
) -> NDArray[np.float64]:
    """Do `work`, which adds to `share` (d, h, w, c), for all tiles; returns the sums of what it returns."""
    layers = layout.layers()
    begins = [0, *(max(layout.voxels(layer[0])[0][0], 0) for layer in layers[1:]), *share.shape[:1] * 2]
    sums: dict[int, list[tuple[float, ...]]] = {}

    def work_layer(index: int) -> None:
        if index % 2 == 0:
            share[begins[index] : begins[index + 2]] = 0
        sums[index] = [work(tile) for tile in layers[index]]

    # Neighbouring layers add to the same voxels at their border: an odd one waits for the even ones beside
    # it. Here, not at once, the voxels become zero: fresh memory takes time, which the threads should share.
    waits = {index: (index - 1, index + 1) for index in range(1, len(layers), 2)}
    _share(
        work_layer, sorted(range(len(layers)), key=lambda index: index + 1.5 * (index % 2)), threads, waits
    )
    return np.array([sums[index] for index in sorted(sums)]).sum(axis=(0, 1))


def _explain_tile(
    block: Block,
    layout: Layout,
    rule: Rule,
    x: Floats,
    tile: Box,
    codes: Codes,
    received: Floats,
    share: Floats,
    vectors: Callable[[Term], Floats],
) -> tuple[float, float, float]:
    """Add what a box of windows passes on to `share` (d, h, w, c).

    Returns
    -------
    tuple
        The sums received, passed on and absorbed.
    """
    from bids_brainage.relevance.engine import loops

    total = loops.total_of(as_rows(received), in_rows(tile, received.shape[-1]))
    spans = layout.spans(x, tile) if _absorbs_without_input(rule) else layout.all_spans(tile)
    box = bounding_box(tile, spans)
    if box is None:
        return total, 0.0, total
    spans = spans[slices(relative(box, tile))[:2]] - box[2][0]
    winners, relevance = _list_winners(layout, box, received[slices(box)], codes[slices(box)], spans)
    operator = WinnersOperator(block, layout, layout.voxels(box), winners, vectors)
    seen = slices(clip(layout.voxels(box), x.shape))
    shares, absorbed = plain.divide_linear(rule, operator, x[seen], relevance)
    passed = sum(operator.give(quotient, term, share) for _, term, quotient in shares)
    return total, passed, absorbed + total - loops.total(relevance)


def _absorbs_without_input(rule: Rule) -> bool:
    """Whether an output whose inputs are all zero passes nothing on, whatever its bias."""
    terms = [(group, term) for group in rule.groups for term in group.terms]
    conserves = abs(sum(group.share for group in rule.groups) - 1) < 1e-9
    takes_x = all(term.input in ("all", "positive", "negative") and not group.given for group, term in terms)
    return conserves and takes_x


@dataclass(frozen=True)
class Winners:
    """Where the patches of n winners start in a padded box of voxels, flat, and their channels; (n,) each."""

    starts: NDArray[np.int32]
    channels: NDArray[np.int32]


def _list_winners(
    layout: Layout, box: Box, received: Floats, codes: Codes, spans: Spans
) -> tuple[Winners, Floats]:
    """List the winners that have any relevance of a box of windows, as far as they stand in `spans`."""
    from bids_brainage.relevance.engine import loops

    codes = np.ascontiguousarray(codes)
    relevance = join_windows(layout, np.ascontiguousarray(received), codes)
    starts, channels = np.empty(relevance.size, np.int32), np.empty(relevance.size, np.int32)
    values = np.empty(relevance.size, np.float32)
    voxels = layout.voxels(box)
    places = tuple(s * a.stride for s, a in zip(layout.steps(voxels), layout.axes, strict=True))
    windows = tuple(s * a.step for s, a in zip(places, layout.axes, strict=True))
    n = loops.list_winners(relevance, codes, spans, windows, places, starts, channels, values)
    return Winners(starts[:n], channels[:n]), values[:n]


def join_windows(layout: Layout, received: Floats, codes: Codes) -> Floats:
    """Put the relevance of neighbouring windows that share a winner together."""
    from bids_brainage.relevance.engine import loops

    d, h, w, c = received.shape
    buffers = cycle(np.empty((2, *received.shape), np.float32))
    for number, rows, distance in ((2, d * h, c), (1, d, w * c), (0, 1, h * w * c)):
        axis = layout.axes[number]
        if axis.size > axis.step and received.shape[number] > 1:
            joined = next(buffers)
            step = axis.step << (2 - number) * CODE_BITS
            flat = (array.reshape(rows, -1) for array in (received, codes))
            loops.join(*flat, distance, step, joined.reshape(rows, -1))
            received = joined
    return received


class WinnersOperator:
    """A block's convolution at some winners only (an `operators.Operator`).

    Its input is the part of the image that lies in the box `voxels`, its output a list of n values.
    """

    def __init__(
        self,
        block: Block,
        layout: Layout,
        voxels: Box,
        winners: Winners,
        vectors: Callable[[Term], Floats],
    ) -> None:
        self.block, self.layout, self.voxels, self.vectors = block, layout, voxels, vectors
        self.starts, self.channels, self.bias = winners.starts, winners.channels, block.bias
        self.parts: dict[str, Floats] = {}
        self.offsets = vector_offsets(layout, voxels)

    def for_outputs(self, channels: Floats) -> Floats:
        """Return for each winner the value of its channel."""
        return channels[self.channels]

    def forward(self, x: Floats, term: Term) -> Floats:
        """Apply the kernel part of `term` to the winners' patches."""
        from bids_brainage.relevance.engine import loops

        z = np.empty(len(self.starts), np.float32)
        padded = self._pad(x)
        self.parts[term.input] = padded
        loops.gather(padded, self.offsets, self.vectors(term), self.starts, self.channels, z)
        return z

    def transpose(self, s: Floats, term: Term) -> Floats:
        """Add each value times the kernel part of `term` to its winner's patch; returns the padded box."""
        from bids_brainage.relevance.engine import loops

        spread = self._room()
        loops.scatter(s, self.offsets, self.vectors(term), self.starts, self.channels, spread)
        return spread

    def give(self, quotient: Floats, term: Term, share: Floats) -> float:
        """Add what a term passes on to the whole `share` (d, h, w, c); returns its sum."""
        from bids_brainage.relevance.engine import loops

        spread = self.transpose(quotient, term)
        box = clip(self.voxels, self.layout.input_shape)
        begins = tuple(begin for begin, _ in in_rows(relative(box, self.voxels), self.layout.channels))
        x, y, out = self._rows(self.parts[term.input]), self._rows(spread), as_rows(share)
        return loops.add_product(x, y, begins, out, in_rows(box, self.layout.channels))

    def signs(self) -> tuple[bool, bool]:
        """Whether the kernel has positive, and negative, weights."""
        kernel = self.block.convolution.kernel
        return bool((kernel > 0).any()), bool((kernel < 0).any())

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the padded box as rows (d, h, w * c)."""
        depth, height, width = (end - begin for begin, end in self.voxels)
        return depth, height, width * self.layout.channels

    def _room(self) -> Floats:
        """Return zeros for the padded box, flat, and for one more vector that loops may touch."""
        return aligned_zeros(math.prod(self.shape) + vector_width(self.layout))

    def _pad(self, x: Floats) -> Floats:
        """Return a part of the image that lies in the box with zeros around it, flat."""
        room = self._room()
        inside = relative(clip(self.voxels, self.layout.input_shape), self.voxels)
        self._rows(room)[slices(in_rows(inside, self.layout.channels))] = as_rows(x)
        return room

    def _rows(self, room: Floats) -> Floats:
        """Return the padded box as rows (d, h, w * c)."""
        return room[: math.prod(self.shape)].reshape(self.shape)


def vector_width(layout: Layout) -> int:
    """Return how many numbers of a row of a patch are worked on at a time."""
    from bids_brainage.relevance.engine.lanes import NARROW, WIDE

    return WIDE if layout.kernel_shape[2] * layout.channels >= WIDE else NARROW


def kernel_vectors(block: Block, layout: Layout, term: Term) -> Floats:
    """Return a term's part of the kernel in vectors, as `loops.gather` wants it."""
    part = block.kernel(term)
    depth, height, width, inputs, outputs = part.shape
    rows = part.transpose(4, 0, 1, 2, 3).reshape(outputs, depth * height, width * inputs)
    lanes = vector_width(layout)
    vectors = np.pad(rows, ((0, 0), (0, 0), (0, -rows.shape[2] % lanes))).reshape(outputs, -1, lanes)
    whole = np.pad(vectors, ((0, 0), (0, -vectors.shape[1] % 3), (0, 0)))
    return aligned(whole)


def vector_offsets(layout: Layout, voxels: Box) -> NDArray[np.int64]:
    """Return where the vectors of a patch begin, relative to its start; as many as `loops.gather` wants."""
    depth, height, width = layout.kernel_shape[:3]
    plane, row, _ = layout.steps(voxels)
    along = range(0, width * layout.channels, vector_width(layout))
    offsets = [a * plane + b * row + e for a in range(depth) for b in range(height) for e in along]
    return np.array(offsets + [0] * (-len(offsets) % 3), np.int64)


def _share(
    work: Callable[[T], None], items: Iterable[T], threads: int, waits: Mapping[T, Iterable[T]] | None = None
) -> None:
    """Do `work` for each item, in up to `threads` threads; some wait for others that stand before them."""
    items = list(items)
    if threads <= 1 or len(items) <= 1:
        for item in items:
            work(item)
        return
    done: dict[T, Future[None]] = {}

    def work_in_turn(item: T) -> None:
        for other in (waits or {}).get(item, ()):
            if other in done:
                done[other].result()
        work(item)

    for item in items:
        done[item] = _crew(threads, os.getpid()).submit(work_in_turn, item)
    for future in done.values():
        future.result()


@cache
def _crew(threads: int, process: int) -> ThreadPoolExecutor:
    """Threads that stay, as starting them takes longer than some layers; none of another process's."""
    return ThreadPoolExecutor(threads, "relevance")
