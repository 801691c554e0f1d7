"""The way forward: a block keeps its pooled values and its winners' codes, never the convolution's output."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bids_brainage.networks.network import Floats, Network
from bids_brainage.relevance import rules
from bids_brainage.relevance.composites import Composite
from bids_brainage.relevance.engine.blocks import Block, find_steps
from bids_brainage.relevance.engine.windows import (
    Box,
    Layout,
    aligned,
    around,
    as_rows,
    bounding_box,
    clip,
    in_room,
    pad,
    slices,
)
from bids_brainage.relevance.peers import plain
from bids_brainage.relevance.peers.plain import State
from bids_brainage.relevance.threads import share_work

Codes = NDArray[np.int16]


def run(network: Network, volume: Floats, composite: Composite, threads: int) -> State:
    """Run `volume` (1, d, h, w, c) through the network; inside blocks outputs are not kept."""
    state = State(network, volume, threads)
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
    """Return a block's pooled values (1, d', h', w', c) and the winners' codes (see `codes`)."""
    layout = Layout(block.convolution, block.pooling, x.shape)
    values, codes = np.empty(layout.shape, np.float32), np.empty(layout.shape, np.int16)
    kernel = _own_kernel(block)

    def work(tile: Box) -> None:
        _pool_tile(block, layout, x[0], kernel, tile, np.float32(tolerance), values, codes)

    share_work(work, layout.tiles(), threads)
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
    """Fill a box of `values` and `codes` (d', h', w', c). Where `x` is zero nothing needs to be computed."""
    from bids_brainage.relevance.engine.pooling_loops import pool

    box = bounding_box(tile, layout.spans(x, tile))
    for empty in [tile] if box is None else around(tile, box):
        values[slices(empty)] = np.maximum(block.bias, 0) + block.slope * np.minimum(block.bias, 0)
        codes[slices(empty)] = layout.first_codes(empty)[..., None]
    if box is None:
        return
    voxels = layout.voxels(box)
    # `pool` computes eight places of the convolution at a time, and so reads eight voxels too many.
    padded = pad(x[slices(clip(voxels, x.shape))], voxels, x.shape, 8 * layout.channels)
    seen = in_room(padded, voxels, layout.channels)
    z = seen if kernel.size else _convolve(block, seen)
    axes = tuple(axis.as_tuple(windows) for axis, windows in zip(layout.axes, box, strict=True))
    starts = tuple(windows[0] for windows in box)
    bias = np.ascontiguousarray(block.bias, np.float32)
    out = as_rows(values), as_rows(codes)
    pool(z, layout.channels, kernel, bias, block.slope, axes, tolerance, starts, *out)


def _convolve(block: Block, rows: Floats) -> Floats:
    """Return the convolution of a box of voxels, without bias; both as rows (d, h, w * c)."""
    from bids_brainage.relevance.peers.convolution_loops import convolve

    kernel, strides = block.kernel(rules.ALL), block.convolution.strides
    x = rows.reshape(*rows.shape[:2], -1, kernel.shape[3])
    places = ((n - k) // step + 1 for n, k, step in zip(x.shape, kernel.shape, strides, strict=False))
    z = np.zeros((*places, kernel.shape[-1]), np.float32)
    convolve(x, kernel, strides, (0, 0, 0), z)
    return as_rows(z)
