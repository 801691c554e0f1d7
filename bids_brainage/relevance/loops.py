"""Compiled loops: the fused first block, pooling, and convolutions at single places.

Arrays are single volumes in C order. Inputs are padded, so that no loop asks for borders. Every function lets
go of Python's lock, so that threads can share the work. What each loop means stands in `winners`, which calls
them, and `pooling`, whose order of winners they keep: along the width, then the height, then the depth.

Slices instead of sums of indices in the innermost loops are for the compiler: only then does it know that no
index is negative, and uses vector instructions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np

#: Sums may be reordered for vector instructions and products fused into them; infinity keeps its meaning.
FASTMATH = {"reassoc", "contract", "nsz"}
ZERO = np.float32(0)


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile `function`, keeping the machine code on disk where there is a folder for it."""
    try:
        return numba.njit(nogil=True, fastmath=FASTMATH, cache=True)(function)
    except RuntimeError:
        return numba.njit(nogil=True, fastmath=FASTMATH)(function)


@compiled
def row_bounds(x, first, last):  # type: ignore[no-untyped-def]
    """Note for each row of `x` (d, h, w) where its values that are not zero begin and end."""
    for d in range(x.shape[0]):
        for h in range(x.shape[1]):
            row = x[d, h]
            low, high = 0, row.size
            while low < high and row[low] == 0:
                low += 1
            while high > low and row[high - 1] == 0:
                high -= 1
            first[d, h], last[d, h] = low, high


@compiled
def _add_taps(out, values, taps):  # type: ignore[no-untyped-def]
    """Add the convolution of a row of `values` with one row of `taps` to `out`."""
    n = out.size
    e = 0
    while e + 3 <= taps.size:
        k0, k1, k2 = taps[e], taps[e + 1], taps[e + 2]
        x0, x1, x2 = values[e : e + n], values[e + 1 : e + 1 + n], values[e + 2 : e + 2 + n]
        for w in range(n):
            out[w] += x0[w] * k0 + x1[w] * k1 + x2[w] * k2
        e += 3
    while e < taps.size:
        k0 = taps[e]
        x0 = values[e : e + n]
        for w in range(n):
            out[w] += x0[w] * k0
        e += 1


@compiled
def _convolve_row(x, kernel, bias, slope, first, last, d, h, row):  # type: ignore[no-untyped-def]
    """Write the rectified convolution at (d, h) into `row` (channels, w); where x is zero it is the bias."""
    channels, depth, height, width = kernel.shape
    low, high = row.shape[1], 0
    for a in range(depth):
        for b in range(height):
            low = min(low, first[d + a, h + b] - width + 1)
            high = max(high, last[d + a, h + b])
    low, high = max(low, 0), min(high, row.shape[1])
    for c in range(channels):
        row[c] = bias[c]
        if low < high:
            for a in range(depth):
                for b in range(height):
                    values = x[d + a, h + b, low : high + width - 1]
                    _add_taps(row[c, low:high], values, kernel[c, a, b])
        out = row[c]
        for w in range(out.size):
            out[w] = max(out[w], ZERO) + slope * min(out[w], ZERO)


@compiled
def _pool_width(row, base, geometry, tolerance, values, places):  # type: ignore[no-untyped-def]
    """Pool `row` (channels, w), whose first place is `base`, into `values` and `places` (channels, w')."""
    size, stride, before = geometry
    for c in range(row.shape[0]):
        for p in range(values.shape[1]):
            begin = max(p * stride - before, 0)
            end = min(p * stride - before + size, row.shape[1])
            best, place = row[c, begin], begin
            for w in range(begin + 1, end):
                if row[c, w] > best + tolerance * abs(best):
                    best, place = row[c, w], w
            values[c, p], places[c, p] = best, base + place


@compiled
def _keep_larger(values, places, new_values, new_places, tolerance):  # type: ignore[no-untyped-def]
    """Put the larger of two rows of values, with its place, into the first; the first wins ties."""
    for i in range(values.size):
        larger = new_values[i] > values[i] + tolerance * abs(values[i])
        values[i] = new_values[i] if larger else values[i]
        places[i] = new_places[i] if larger else places[i]


@compiled
def _convolve_and_pool_plane(  # type: ignore[no-untyped-def]
    x, kernel, bias, slope, bounds, d, rows, geometry, tolerance, values, places
):
    """Write the convolution at depth `d`, pooled over width and height, into `values` (h', channels, w')."""
    size, stride, before = geometry[1]
    conv_row, ring_values, ring_places = rows
    height, width = x.shape[1] - kernel.shape[2] + 1, x.shape[2] - kernel.shape[3] + 1
    done = 0
    for p in range(values.shape[0]):
        begin = max(p * stride - before, 0)
        end = min(p * stride - before + size, height)
        for h in range(max(done, begin), end):
            _convolve_row(x, kernel, bias, slope, bounds[0], bounds[1], d, h, conv_row)
            base = (d * height + h) * width
            _pool_width(conv_row, base, geometry[2], tolerance, ring_values[h % size], ring_places[h % size])
        done = max(done, end)
        values[p] = ring_values[begin % size]
        places[p] = ring_places[begin % size]
        for h in range(begin + 1, end):
            for c in range(values.shape[1]):
                here = h % size
                _keep_larger(
                    values[p, c], places[p, c], ring_values[here, c], ring_places[here, c], tolerance
                )


@compiled
def convolve_and_pool(  # type: ignore[no-untyped-def]
    x, kernel, bias, slope, bounds, geometry, tolerance, low, high, values, places
):
    """Convolve a volume of one channel, rectify, and max-pool the slices [low, high) of the result.

    Parameters
    ----------
    x : array (d, h, w)
        Padded volume.
    kernel : array (channels, kd, kh, kw)
    bias : array (channels,)
    slope : float32
        Negative slope of the leaky ReLU; 0 for ReLU, 1 for none.
    bounds : tuple of two arrays (d, h)
        See `row_bounds`.
    geometry : tuple of three (size, stride, padding before)
        The pooling window along each axis.
    tolerance : float32
        See `pooling`.
    low, high : int
        Slices of the result that are written.
    values, places : arrays (d', h', w', channels)
        Largest values, and the winners' flat indices into the volume of the convolution.
    """
    size, stride, before = geometry[0]
    depth, width = x.shape[0] - kernel.shape[1] + 1, x.shape[2] - kernel.shape[3] + 1
    channels = kernel.shape[0]
    pooled_height, pooled_width = values.shape[1], values.shape[2]
    rows = (
        np.empty((channels, width), np.float32),
        np.empty((geometry[1][0], channels, pooled_width), np.float32),
        np.empty((geometry[1][0], channels, pooled_width), np.int32),
    )
    plane_values = np.empty((size, pooled_height, channels, pooled_width), np.float32)
    plane_places = np.empty((size, pooled_height, channels, pooled_width), np.int32)
    best = np.empty((channels, pooled_width), np.float32)
    best_place = np.empty((channels, pooled_width), np.int32)
    done = 0
    for p in range(low, high):
        begin = max(p * stride - before, 0)
        end = min(p * stride - before + size, depth)
        for d in range(max(done, begin), end):
            into = (plane_values[d % size], plane_places[d % size])
            _convolve_and_pool_plane(
                x, kernel, bias, slope, bounds, d, rows, geometry, tolerance, into[0], into[1]
            )
        done = max(done, end)
        for h in range(pooled_height):
            best[:] = plane_values[begin % size, h]
            best_place[:] = plane_places[begin % size, h]
            for d in range(begin + 1, end):
                for c in range(channels):
                    news, new_places = plane_values[d % size, h, c], plane_places[d % size, h, c]
                    _keep_larger(best[c], best_place[c], news, new_places, tolerance)
            for w in range(pooled_width):
                for c in range(channels):
                    values[p, h, w, c] = best[c, w]
                    places[p, h, w, c] = best_place[c, w]


@compiled
def _pool_row_at(z, bias, slope, d, h, begin, end, tolerance, values, places):  # type: ignore[no-untyped-def]
    """Pool rectified z (d, h, w, channels) over w in [begin, end) into `values` (channels,)."""
    base = (d * z.shape[1] + h) * z.shape[2]
    for w in range(begin, end):
        row = z[d, h, w]
        for c in range(values.size):
            y = row[c] + bias[c]
            y = max(y, ZERO) + slope * min(y, ZERO)
            larger = w == begin or y > values[c] + tolerance * abs(values[c])
            values[c] = y if larger else values[c]
            places[c] = base + w if larger else places[c]


@compiled
def pool(z, bias, slope, geometry, tolerance, low, high, values, places):  # type: ignore[no-untyped-def]
    """Add a bias to z (d, h, w, channels), rectify and max-pool: slices [low, high) of `values`, `places`."""
    (depth, stride_d, before_d), (height, stride_h, before_h), (width, stride_w, before_w) = geometry
    row, row_place = np.empty_like(values[0, 0, 0]), np.empty_like(places[0, 0, 0])
    plane, plane_place = np.empty_like(row), np.empty_like(row_place)
    for p in range(low, high):
        first_d, end_d = max(p * stride_d - before_d, 0), min(p * stride_d - before_d + depth, z.shape[0])
        for q in range(values.shape[1]):
            first_h, end_h = (
                max(q * stride_h - before_h, 0),
                min(q * stride_h - before_h + height, z.shape[1]),
            )
            for r in range(values.shape[2]):
                begin, end = max(r * stride_w - before_w, 0), min(r * stride_w - before_w + width, z.shape[2])
                best, place = values[p, q, r], places[p, q, r]
                for d in range(first_d, end_d):
                    _pool_row_at(z, bias, slope, d, first_h, begin, end, tolerance, plane, plane_place)
                    for h in range(first_h + 1, end_h):
                        _pool_row_at(z, bias, slope, d, h, begin, end, tolerance, row, row_place)
                        _keep_larger(plane, plane_place, row, row_place, tolerance)
                    if d == first_d:
                        best[:] = plane
                        place[:] = plane_place
                    else:
                        _keep_larger(best, place, plane, plane_place, tolerance)


@compiled
def count_relevant(relevance):  # type: ignore[no-untyped-def]
    """Return how many values are not zero."""
    count = 0
    for value in relevance.flat:
        if value != 0:
            count += 1
    return count


@compiled
def list_relevant(relevance, places, shape, strides, starts, channels, values):  # type: ignore[no-untyped-def]
    """List the values of `relevance` (n, channels) that are not zero, and where their patches start.

    Parameters
    ----------
    relevance, places : arrays (n, channels)
        Relevance of windows, and the flat indices of their winners into a volume of `shape`.
    shape : tuple of int
        Shape of the convolution's volume (d, h, w).
    strides : tuple of int
        Distance of neighbours along each axis in the padded input, in floats.
    starts, channels, values : arrays
        What is filled.
    """
    index = 0
    for n in range(relevance.shape[0]):
        for c in range(relevance.shape[1]):
            value = relevance[n, c]
            if value != 0:
                place = places[n, c]
                w = place % shape[2]
                h = (place // shape[2]) % shape[1]
                d = place // (shape[2] * shape[1])
                starts[index] = d * strides[0] + h * strides[1] + w * strides[2]
                channels[index] = c
                values[index] = value
                index += 1


@compiled
def gather(x, rows, kernel, starts, channels, z):  # type: ignore[no-untyped-def]
    """Add to each z the product of its patch of `x` with its channel's kernel.

    Parameters
    ----------
    x : array (m,)
        Padded input, flat.
    rows : array (r,)
        Where the rows of a patch begin, relative to its start.
    kernel : array (channels, r, run)
        Taps of each row of a patch: kw times the channels in.
    starts, channels, z : arrays (n,)
        For each winner its patch, its channel, and the sum.
    """
    run = kernel.shape[2]
    for i in range(z.size):
        weights = kernel[channels[i]]
        total = ZERO
        for r in range(rows.size):
            at = starts[i] + rows[r]
            if run == 3:
                total += x[at] * weights[r, 0] + x[at + 1] * weights[r, 1] + x[at + 2] * weights[r, 2]
            else:
                patch, taps = x[at : at + run], weights[r]
                part = ZERO
                for e in range(run):
                    part += patch[e] * taps[e]
                total += part
        z[i] += total


@compiled
def scatter(s, rows, kernel, starts, channels, x):  # type: ignore[no-untyped-def]
    """Add each s times its channel's kernel to its patch of `x`: the transpose of `gather`."""
    run = kernel.shape[2]
    for i in range(s.size):
        weights = kernel[channels[i]]
        value = s[i]
        for r in range(rows.size):
            at = starts[i] + rows[r]
            if run == 3:
                x[at] += value * weights[r, 0]
                x[at + 1] += value * weights[r, 1]
                x[at + 2] += value * weights[r, 2]
            else:
                patch, taps = x[at : at + run], weights[r]
                for e in range(run):
                    patch[e] += value * taps[e]
