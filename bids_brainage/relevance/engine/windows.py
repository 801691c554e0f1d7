"""Where the windows of a block lie: pooling windows, places of the convolution, voxels.

Along one axis, window p holds the places ``p * step - before`` and the ``size - 1`` after it, and place q the
voxels ``q * stride - pad`` and the ``kernel - 1`` after it. Places outside the volume do not count; voxels
outside of it are zero.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bids_brainage.networks.network import Convolution, Floats, Pooling
from bids_brainage.relevance.engine.codes import CODE_BITS
from bids_brainage.relevance.peers.operators import dilate
from bids_brainage.relevance.peers.pooling import Winners, output_size

#: From (included) to (excluded).
Range = tuple[int, int]
#: A range along depth, height and width.
Box = tuple[Range, Range, Range]
#: For each window along depth and height, which windows along the width are meant: from, to (d', h', 2).
Spans = NDArray[np.int64]


#: Numbers in a line of the processor's cache.
LINE = 16

#: Outputs of a convolution in one tile of the way forward, at most.
TILE = 2_000_000
#: Tiles of the way forward, at least, and layers on the way back; those with fewer outputs than `SMALL`
#: have one.
LAYERS, SMALL = 8, 400_000
#: In one tile of the way back, about: outputs of windows, and numbers that a row of windows sees.
LISTED, CACHED = 400_000, 300_000


@dataclass(frozen=True)
class Axis:
    """A convolution and a pooling along one axis."""

    voxels: int
    kernel: int
    stride: int
    pad: int
    places: int
    size: int
    step: int
    before: int
    windows: int

    def places_of(self, windows: Range) -> Range:
        """Return the places of some windows; they may begin before the volume and end after it."""
        first = windows[0] * self.step - self.before
        return first, first + (windows[1] - windows[0] - 1) * self.step + self.size

    def voxels_of(self, windows: Range) -> Range:
        """Return the voxels of some windows; they may begin before the volume and end after it."""
        first, end = self.places_of(windows)
        return first * self.stride - self.pad, (end - 1) * self.stride - self.pad + self.kernel

    @property
    def sight(self) -> int:
        """How many voxels a window sees."""
        begin, end = self.voxels_of((0, 1))
        return end - begin

    def windows_among(self, places: float) -> int:
        """Return how many windows fit into this many places; at least one."""
        return max(int((places - self.size) / self.step) + 1, 1)

    def as_tuple(self, windows: Range) -> tuple[int, int, int, int, int]:
        """Return what `pooling_loops.pool` needs to know about some windows.

        Size and step of a window, begin and end of the volume or of these windows, and how many windows;
        places are counted from the first window's first one.
        """
        begin, end = self.places_of(windows)
        return self.size, self.step, max(-begin, 0), min(self.places, end) - begin, windows[1] - windows[0]

    @property
    def first_codes(self) -> NDArray[np.int16]:
        """For each window, which of its places is the first in the volume."""
        return np.maximum(self.before - np.arange(self.windows) * self.step, 0).astype(np.int16)


class Layout:
    """The windows of a convolution and the pooling behind it, for inputs of shape (n, d, h, w, c)."""

    def __init__(self, convolution: Convolution, pooling: Pooling, shape: tuple[int, ...]) -> None:
        assert pooling.size is not None
        self.input_shape = tuple(shape[1:])
        self.channels = shape[-1]
        self.kernel_shape = dilate(convolution.kernel, convolution.dilation).shape
        axes = []
        for axis in range(3):
            size, stride = self.kernel_shape[axis], convolution.strides[axis]
            places, pad = output_size(shape[axis + 1], size, stride, convolution.padding)
            window, step = pooling.size[axis], pooling.strides[axis]
            windows, before = output_size(places, window, step, pooling.padding)
            axes.append(Axis(shape[axis + 1], size, stride, pad, places, window, step, before, windows))
        self.axes = tuple(axes)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of the pooled volume (d', h', w', channels out)."""
        d, h, w = (axis.windows for axis in self.axes)
        return d, h, w, self.kernel_shape[-1]

    @property
    def outputs(self) -> int:
        """How many outputs the convolution has."""
        return math.prod(axis.places for axis in self.axes) * self.kernel_shape[-1]

    def tiles(self) -> list[Box]:
        """Cut the windows into boxes for the way forward, with few places that two of them need."""
        depth, height, width = self.axes
        outputs = min(TILE, max(self.outputs / LAYERS, SMALL))
        edge = math.sqrt(outputs / (width.places * self.kernel_shape[-1]))
        layers = _cut(depth.windows, depth.windows_among(edge))
        columns = _cut(height.windows, height.windows_among(edge))
        return [(layer, column, (0, width.windows)) for layer in layers for column in columns]

    def layers(self) -> list[list[Box]]:
        """Cut the windows into layers along the depth for the way back, and layers into boxes.

        Only neighbouring layers share voxels. Boxes are small enough for the processor's cache.
        """
        depth, height, width = self.axes
        sight, step = depth.sight, depth.step * depth.stride
        many = 1 if self.outputs < SMALL else LAYERS
        layers = _cut(depth.windows, depth.windows / many, -(-sight // step))
        rows = CACHED / (sight * width.voxels * self.channels)
        seen = (rows - height.sight) / (height.step * height.stride)
        listed = LISTED / (layers[0][1] * width.windows * self.kernel_shape[-1])
        columns = _cut(height.windows, max(min(seen, listed), 1))
        return [[(layer, column, (0, width.windows)) for column in columns] for layer in layers]

    def spans(self, x: Floats, box: Box) -> Spans:
        """Return which windows of a box see anything but zeros in `x` (d, h, w, c).

        Returns
        -------
        array (d', h', 2)
            Along the width, the first of these windows and the one behind the last; equal if there is none.
        """
        from bids_brainage.relevance.engine.spans import find_spans

        spans = np.empty((box[0][1] - box[0][0], box[1][1] - box[1][0], 2), np.int64)
        sights = tuple(
            (*axis.voxels_of((r[0], r[0] + 1)), axis.stride * axis.step)
            for axis, r in zip(self.axes, box, strict=True)
        )
        find_spans(as_rows(x), self.channels, sights, box[2], spans)
        return spans

    def all_spans(self, box: Box) -> Spans:
        """Return `spans` of an input that is nowhere zero."""
        return np.tile(np.array(box[2], np.int64), (box[0][1] - box[0][0], box[1][1] - box[1][0], 1))

    def voxels(self, box: Box) -> Box:
        """Return the voxels that the windows of a box see; some may lie outside the volume."""
        d, h, w = (axis.voxels_of(windows) for axis, windows in zip(self.axes, box, strict=True))
        return d, h, w

    def steps(self, voxels: Box) -> tuple[int, int, int]:
        """Return the distance of neighbours along each axis in a box of voxels, in numbers."""
        row = (voxels[2][1] - voxels[2][0]) * self.channels
        return (voxels[1][1] - voxels[1][0]) * row, row, self.channels

    def first_codes(self, box: Box) -> NDArray[np.int16]:
        """Return the codes of the first places of a box of windows (d', h', w')."""
        d, h, w = (axis.first_codes[slice(*r)] for axis, r in zip(self.axes, box, strict=True))
        return (d[:, None, None] << 2 * CODE_BITS) + (h[:, None] << CODE_BITS) + w

    def winners(self, codes: NDArray[np.int16]) -> Winners:
        """Return winners as flat indices into the convolution's volume, from codes (d', h', w', c)."""
        index = np.zeros(codes.shape, np.int32)
        for number, axis in enumerate(self.axes):
            inside = codes >> (2 - number) * CODE_BITS & 2**CODE_BITS - 1
            first = np.arange(axis.windows) * axis.step - axis.before
            index = index * axis.places + inside + first.reshape(-1, *(1,) * (3 - number)).astype(np.int32)
        return index


def bounding_box(box: Box, spans: Spans) -> Box | None:
    """Return the least box of the windows in the `spans` of a box; None if there are none."""
    filled = spans[..., 0] < spans[..., 1]
    if not filled.any():
        return None
    d, h = (np.flatnonzero(filled.any(axis=axis)) for axis in (1, 0))
    width = int(spans[filled, 0].min()), int(spans[filled, 1].max())
    return (_shifted(d, box[0][0]), _shifted(h, box[1][0]), width)


def _shifted(indices: NDArray[np.intp], by: int) -> Range:
    return int(indices[0]) + by, int(indices[-1]) + 1 + by


def around(outer: Box, inner: Box) -> Iterator[Box]:
    """Yield the boxes that `outer` is made of besides `inner`."""
    for axis in range(3):
        for part in ((outer[axis][0], inner[axis][0]), (inner[axis][1], outer[axis][1])):
            if part[0] < part[1]:
                sides = [*inner[:axis], part, *outer[axis + 1 :]]
                yield sides[0], sides[1], sides[2]


def relative(box: Box, to: Box) -> Box:
    """Return a box counted from the begin of another."""
    d, h, w = ((b - start, e - start) for (b, e), (start, _) in zip(box, to, strict=True))
    return d, h, w


def in_rows(box: Box, channels: int) -> Box:
    """Return a box of a volume (d, h, w, channels) as one of its rows (d, h, w * channels)."""
    depth, height, (begin, end) = box
    return depth, height, (begin * channels, end * channels)


def as_rows(volume: NDArray) -> NDArray:
    """Return a volume (d, h, w, c) as rows (d, h, w * c)."""
    return volume.reshape(*volume.shape[:2], -1)


def slices(box: Box) -> tuple[slice, slice, slice]:
    """Return a box as an index."""
    d, h, w = (slice(*ends) for ends in box)
    return d, h, w


def clip(box: Box, shape: tuple[int, ...]) -> Box:
    """Return the part of a box that lies in a volume of `shape`."""
    d, h, w = ((max(b, 0), min(e, n)) for (b, e), n in zip(box, shape, strict=False))
    return d, h, w


def room(box: Box, channels: int, extra: int) -> Floats:
    """Return zeros for a box of voxels, flat, and `extra` behind it that loops may touch."""
    return aligned_zeros(math.prod(end - begin for begin, end in box) * channels + extra)


def in_room(flat: Floats, box: Box, channels: int) -> Floats:
    """Return the box in a `room` as rows (d, h, w * channels)."""
    depth, height, width = (end - begin for begin, end in box)
    return flat[: depth * height * width * channels].reshape(depth, height, width * channels)


def pad(part: Floats, box: Box, shape: tuple[int, ...], extra: int) -> Floats:
    """Return a `room` with what `clip` left of a box, and zeros where the box lies outside the volume."""
    channels = part.shape[-1]
    padded = room(box, channels, extra)
    inside = in_rows(relative(clip(box, shape), box), channels)
    in_room(padded, box, channels)[slices(inside)] = as_rows(part)
    return padded


def aligned_zeros(size: int) -> Floats:
    """Return zeros that begin with a line of the processor's cache: no vector need then lie in two."""
    # Not np.zeros: memory allocated like this gets large pages at once, which is several times faster.
    room = np.full(size + LINE, 0, np.float32)
    begin = -room.ctypes.data // room.itemsize % LINE
    return room[begin : begin + size]


def aligned(array: Floats) -> Floats:
    """Return a copy that begins with a line of the processor's cache."""
    copy = aligned_zeros(array.size).reshape(array.shape)
    copy[:] = array
    return copy


def _cut(length: int, size: float, least: int = 1) -> list[Range]:
    """Cut [0, length) into ranges of about `size`, and of at least `least`."""
    parts = max(min(round(length / size), length // least), 1)
    ends = [length * part // parts for part in range(parts + 1)]
    return list(pairwise(ends))
