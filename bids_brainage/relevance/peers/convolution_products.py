"""Convolutions of stride 1 as matrix products, one for each tap of the kernel: four times as fast as loops.

The volume, with zeros around it, is a long list of voxels. A tap looks at this list from another place: what
it adds to the output are rows of the list times its weights. Between the lines of the output, rows are made
that belong to no voxel, and left out.
"""

from __future__ import annotations

from threading import Lock
from types import TracebackType
from typing import Any

import numpy as np

from bids_brainage.networks.network import Floats, Triple
from bids_brainage.relevance.threads import share_work

#: Rows of a product: its result stays in the processor's cache until the last tap is added.
ROWS = 4096
#: Channels on both sides from which products are worth their while.
LEAST = 8


def worth(kernel: Floats, strides: Triple) -> bool:
    """Whether such a convolution is done as products."""
    return strides == (1, 1, 1) and min(kernel.shape[3:]) >= LEAST


def convolve(x: Floats, kernel: Floats, pads: Triple, lengths: Triple, threads: int = 1) -> Floats:
    """The convolution of one volume.

    Parameters
    ----------
    x : array (d, h, w, channels in)
    kernel : array (kd, kh, kw, channels in, channels out)
    pads : tuple of int
        How many zeros stand before `x` along each axis.
    lengths : tuple of int
        Extents of the output; what it sees behind `x` is zero.
    threads : int
        It does not change the result.

    Returns
    -------
    array (d', h', w', channels out)
    """
    depth, height, width = (n + k - 1 for n, k in zip(lengths, kernel.shape, strict=False))
    plane = height * width
    # The last taps look beyond the last voxel.
    spare = (kernel.shape[1] - 1) * width + kernel.shape[2]
    seen = np.zeros((depth * plane + spare, kernel.shape[3]), np.float32)
    volume = seen[: depth * plane].reshape(depth, height, width, -1)
    room = [min(n, size - pad) for n, size, pad in zip(x.shape, volume.shape, pads, strict=False)]
    volume[tuple(slice(pad, pad + n) for pad, n in zip(pads, room, strict=True))] = x[tuple(map(slice, room))]
    taps = [(a * plane + b * width + e, kernel[a, b, e]) for a, b, e in np.ndindex(*kernel.shape[:3])]
    out = np.zeros((lengths[0] * plane, kernel.shape[4]), np.float32)

    def add_products(start: int) -> None:
        part = out[start : start + ROWS]
        product = np.empty_like(part)
        for offset, weights in taps:
            rows = seen[start + offset : start + offset + len(part)]
            part += np.matmul(rows, weights, out=product)

    with ONE_THREAD:
        share_work(add_products, range(0, len(out), ROWS), threads)
    return out.reshape(lengths[0], height, width, -1)[:, : lengths[1], : lengths[2]]


def spread(s: Floats, kernel: Floats, pads: Triple, lengths: Triple, threads: int = 1) -> Floats:
    """The transposed convolution: what outputs (d', h', w', channels out) hand back to a volume of `lengths`.

    It is a convolution with the kernel turned round, seen from the other side.
    """
    turned = np.ascontiguousarray(kernel[::-1, ::-1, ::-1].swapaxes(3, 4))
    x, y, z = (k - 1 - pad for k, pad in zip(kernel.shape, pads, strict=False))
    return convolve(s, turned, (x, y, z), lengths, threads)


def spread_strided(s: Floats, kernel: Floats, strides: Triple, pads: Triple, lengths: Triple) -> Floats:
    """The same of any stride: what each output hands back to each place is a product, and then added up."""
    from bids_brainage.relevance.peers.convolution_loops import scatter

    weights = np.ascontiguousarray(kernel.reshape(-1, kernel.shape[4]).T)
    out = np.zeros((*lengths, kernel.shape[3]), np.float32)
    with ONE_THREAD:
        for p, plane in enumerate(s):
            shares = np.matmul(plane.reshape(-1, plane.shape[-1]), weights)
            scatter(shares.reshape(*plane.shape[:2], *kernel.shape[:4]), strides, pads, p, out)
    return out


class _OneThread:
    """Keeps the library of matrix products to one thread while anybody multiplies.

    Its threads spin for some time after every product, on processors that others need, and who calls has
    said how many threads there may be.
    """

    def __init__(self) -> None:
        self._lock, self._inside = Lock(), 0
        self._limit: Any = None

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._limit = _controller().limit(limits=1, user_api="blas")
            self._inside += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._limit.restore_original_limits()


ONE_THREAD = _OneThread()
_known: list[Any] = []


def _controller() -> Any:
    """The libraries that there are, looked for once."""
    from threadpoolctl import ThreadpoolController

    if not _known:
        _known.append(ThreadpoolController())
    return _known[0]
