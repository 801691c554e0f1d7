"""A block's convolution only at its winners, and its transpose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bids_brainage.networks.network import Floats
from bids_brainage.relevance import rules
from bids_brainage.relevance.engine.blocks import Block
from bids_brainage.relevance.engine.windows import (
    Box,
    Layout,
    aligned,
    as_rows,
    clip,
    in_room,
    in_rows,
    pad,
    relative,
    room,
    slices,
)
from bids_brainage.relevance.rules import Term


@dataclass(frozen=True)
class Winners:
    """Where the patches of n winners start in a padded box of voxels, flat, and their channels; (n,) each."""

    starts: NDArray[np.int32]
    channels: NDArray[np.int32]


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
        padded = pad(x, self.voxels, self.layout.input_shape, vector_width(self.layout))
        self.parts[term.input] = padded
        loops.gather(padded, self.offsets, self.vectors(term), self.starts, self.channels, z)
        return z

    def transpose(self, s: Floats, term: Term) -> Floats:
        """Add each value times the kernel part of `term` to its winner's patch; returns the padded box."""
        from bids_brainage.relevance.engine import loops

        spread = room(self.voxels, self.layout.channels, vector_width(self.layout))
        loops.scatter(s, self.offsets, self.vectors(term), self.starts, self.channels, spread)
        return spread

    def give(self, quotient: Floats, term: Term, share: Floats) -> float:
        """Add what a term passes on to the whole `share` (d, h, w, c); returns its sum."""
        from bids_brainage.relevance.engine import loops

        part, spread = self._rows(self.parts[term.input]), self._rows(self.transpose(quotient, term))
        begins = tuple(begin for begin, _ in self._inside())
        return loops.add_product(part, spread, begins, as_rows(share), in_rows(*self._seen()))

    def give_slopes(self, slopes: Floats, share: Floats) -> None:
        """Add the transpose of the whole kernel, applied to `slopes`, to the whole `share` (d, h, w, c)."""
        spread = self._rows(self.transpose(slopes, rules.ALL))
        as_rows(share)[slices(in_rows(*self._seen()))] += spread[slices(self._inside())]

    def signs(self) -> tuple[bool, bool]:
        """Whether the kernel has positive, and negative, weights."""
        kernel = self.block.convolution.kernel
        return bool((kernel > 0).any()), bool((kernel < 0).any())

    def _seen(self) -> tuple[Box, int]:
        """Return the part of the box that lies in the volume, and the number of channels."""
        return clip(self.voxels, self.layout.input_shape), self.layout.channels

    def _inside(self) -> Box:
        """Return the same part, as rows of the padded box."""
        box, channels = self._seen()
        return in_rows(relative(box, self.voxels), channels)

    def _rows(self, padded: Floats) -> Floats:
        """Return the padded box as rows (d, h, w * c)."""
        return in_room(padded, self.voxels, self.layout.channels)


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
