"""The way back: relevance is divided and passed on only at the winners."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import cycle

import numpy as np
from numpy.typing import NDArray

from bids_brainage.networks.network import Floats, Network
from bids_brainage.relevance.accounts import LayerAccount
from bids_brainage.relevance.composites import Composite
from bids_brainage.relevance.engine.blocks import Block, find_steps
from bids_brainage.relevance.engine.codes import CODE_BITS
from bids_brainage.relevance.engine.forward import Codes
from bids_brainage.relevance.engine.patches import Winners, WinnersOperator, kernel_vectors
from bids_brainage.relevance.engine.windows import (
    Box,
    Layout,
    Spans,
    as_rows,
    bounding_box,
    clip,
    in_rows,
    relative,
    slices,
)
from bids_brainage.relevance.peers import plain
from bids_brainage.relevance.peers.plain import State
from bids_brainage.relevance.rules import Rule, Term
from bids_brainage.relevance.threads import share_work


def run(
    network: Network,
    state: State,
    composite: Composite,
    start: Floats,
    accounts: list[LayerAccount],
    threads: int,
) -> Floats:
    """Pass the relevance `start` (1, 1) of the output neuron back to the image, and note the accounts."""
    relevance: dict[str, Floats] = {network.layers[-1].name: start}
    for step in reversed(find_steps(network, composite)):
        if isinstance(step, Block):
            received = relevance.pop(step.pooling.name)
            x = state.outputs[step.convolution.inputs[0]]
            rule = plain.rule_of(network, step.convolution, composite)
            codes = state.winners.pop(step.pooling.name).astype(np.int16, copy=False)
            state.outputs.pop(step.pooling.name)  # it is large and no longer needed
            share, account = backward_block(step, rule, x, codes, received, threads)
            accounts.extend(_through(step, account.received))
            accounts.append(account)
            plain.add_share(relevance, step.convolution.inputs, [share])
        else:
            plain.backward_step(network, step, state, composite, relevance, accounts)
    return relevance[network.input_name]


def _through(block: Block, received: float) -> list[LayerAccount]:
    """Pooling and activation pass everything on; only the convolution absorbs something."""
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

    def spread(tile: Box) -> tuple[()]:
        spans = layout.all_spans(tile) - tile[2][0]
        winners, values = _list_winners(layout, tile, slopes[0][slices(tile)], codes[0][slices(tile)], spans)
        operator = WinnersOperator(block, layout, layout.voxels(tile), winners, vectors)
        operator.give_slopes(values, share[0])
        return ()

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
    share_work(
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


def _list_winners(
    layout: Layout, box: Box, received: Floats, codes: Codes, spans: Spans
) -> tuple[Winners, Floats]:
    """List the winners that have any relevance of a box of windows, within `spans`."""
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
