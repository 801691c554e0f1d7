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
def _filled_range(bounds, d, h, shape, width):  # type: ignore[no-untyped-def]
    """Return between which w the patches of (d, h) hold anything but zeros; (width, width) if nowhere."""
    first, last = bounds
    low, high = width, 0
    for a in range(shape[1]):
        for b in range(shape[2]):
            if first[d + a, h + b] < last[d + a, h + b]:
                low = min(low, first[d + a, h + b] - shape[3] + 1)
                high = max(high, last[d + a, h + b])
    low, high = max(low, 0), min(high, width)
    return (low, high) if low < high else (width, width)


@compiled
def _convolve_row(x, kernel, bias, slope, d, h, low, high, row):  # type: ignore[no-untyped-def]
    """Write the rectified convolution at (d, h), w in [low, high), into `row` (channels, w)."""
    channels, depth, height, width = kernel.shape
    for c in range(channels):
        out = row[c, low:high]
        out[:] = bias[c]
        for a in range(depth):
            for b in range(height):
                _add_taps(out, x[d + a, h + b, low : high + width - 1], kernel[c, a, b])
        for w in range(out.size):
            out[w] = max(out[w], ZERO) + slope * min(out[w], ZERO)


@compiled
def _pool_width(row, base, geometry, tolerance, values, places):  # type: ignore[no-untyped-def]
    """Pool `row` (w,), whose first place is `base`, into `values` and `places` (w',)."""
    size, stride, before = geometry
    for p in range(values.size):
        at = max(p * stride - before, 0)
        values[p], places[p] = row[at], base + at
    for e in range(1, size):
        begin = max(
            -((e - before - 1) // stride), 0
        )  # windows whose voxel e is not the first, and in the row
        end = min((row.size - 1 - e + before) // stride + 1, values.size)
        if end <= begin:
            continue
        shift = begin * stride + e - before
        candidates, best, place = row[shift:], values[begin:end], places[begin:end]
        if stride == 2:
            for p in range(end - begin):
                value = candidates[2 * p]
                larger = value > best[p] + tolerance * abs(best[p])
                best[p] = value if larger else best[p]
                place[p] = base + shift + 2 * p if larger else place[p]
        else:
            for p in range(end - begin):
                value = candidates[stride * p]
                larger = value > best[p] + tolerance * abs(best[p])
                best[p] = value if larger else best[p]
                place[p] = base + shift + stride * p if larger else place[p]


@compiled
def _keep_larger(values, places, new_values, new_places, tolerance):  # type: ignore[no-untyped-def]
    """Put the larger of two rows of values, with its place, into the first; the first wins ties."""
    for i in range(values.size):
        larger = new_values[i] > values[i] + tolerance * abs(values[i])
        values[i] = new_values[i] if larger else values[i]
        places[i] = new_places[i] if larger else places[i]


@compiled
def _convolve_and_pool_row(  # type: ignore[no-untyped-def]
    x, kernel, bias, slope, bounds, d, h, row, geometry, tolerance, values, places
):
    """Write the convolution at (d, h), pooled over the width, into `values` and `places` (channels, w').

    Places whose patch holds nothing but zeros are written as -1 - place: they can have no relevance of x.
    """
    height, width = x.shape[1] - kernel.shape[2] + 1, row.shape[1]
    base = (d * height + h) * width
    low, high = _filled_range(bounds, d, h, kernel.shape, width)
    if low < high:
        _convolve_row(x, kernel, bias, slope, d, h, low, high, row)
    for c in range(row.shape[0]):
        empty = max(bias[c], ZERO) + slope * min(bias[c], ZERO)
        row[c, :low] = empty
        row[c, high:] = empty
        _pool_width(row[c], base, geometry, tolerance, values[c], places[c])
        place = places[c]
        for p in range(place.size):
            inside = (place[p] >= base + low) & (place[p] < base + high)
            place[p] = place[p] if inside else -1 - place[p]


@compiled
def _convolve_and_pool_plane(  # type: ignore[no-untyped-def]
    x, kernel, bias, slope, bounds, d, rows, geometry, tolerance, values, places
):
    """Write the convolution at depth `d`, pooled over width and height, into `values` (h', channels, w')."""
    size, stride, before = geometry[1]
    conv_row, ring_values, ring_places = rows
    height = x.shape[1] - kernel.shape[2] + 1
    done = 0
    for p in range(values.shape[0]):
        begin = max(p * stride - before, 0)
        end = min(p * stride - before + size, height)
        for h in range(max(done, begin), end):
            into_values, into_places = ring_values[h % size], ring_places[h % size]
            _convolve_and_pool_row(
                x,
                kernel,
                bias,
                slope,
                bounds,
                d,
                h,
                conv_row,
                geometry[2],
                tolerance,
                into_values,
                into_places,
            )
        done = max(done, end)
        values[p] = ring_values[begin % size]
        places[p] = ring_places[begin % size]
        best, place = values[p].ravel(), places[p].ravel()
        for h in range(begin + 1, end):
            here = h % size
            _keep_larger(best, place, ring_values[here].ravel(), ring_places[here].ravel(), tolerance)


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
        Largest values, and the winners' flat indices into the volume of the convolution; see
        `_convolve_and_pool_row` for those where x is zero.
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
                news, new_places = plane_values[d % size, h].ravel(), plane_places[d % size, h].ravel()
                _keep_larger(best.ravel(), best_place.ravel(), news, new_places, tolerance)
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
def list_relevant(  # type: ignore[no-untyped-def]
    relevance, places, skip_empty, shape, strides, starts, channels, values
):
    """List the values of `relevance` (n, channels) that are not zero, and where their patches start.

    Parameters
    ----------
    relevance, places : arrays (n, channels)
        Relevance of windows, and the flat indices of their winners into a volume of `shape`.
    skip_empty : bool
        Leave out places marked as having nothing but zeros in their patch.
    shape : tuple of int
        Shape of the convolution's volume (d, h, w).
    strides : tuple of int
        Distance of neighbours along each axis in the padded input, in floats.
    starts, channels, values : arrays
        What is filled.

    Returns
    -------
    tuple of (int, float)
        How many were listed, and the sum of the relevance left out.
    """
    index, left_out = 0, 0.0
    for n in range(relevance.shape[0]):
        for c in range(relevance.shape[1]):
            value = relevance[n, c]
            place = places[n, c]
            if value != 0 and place < 0:
                if skip_empty:
                    left_out += value
                    continue
                place = -1 - place
            if value != 0:
                w = place % shape[2]
                h = (place // shape[2]) % shape[1]
                d = place // (shape[2] * shape[1])
                starts[index] = d * strides[0] + h * strides[1] + w * strides[2]
                channels[index] = c
                values[index] = value
                index += 1
    return index, left_out


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


@compiled
def multiply_rows(part, spread, before, low, high, out):  # type: ignore[no-untyped-def]
    """Add part times spread to the slices [low, high) of `out`; return the sum of what was added.

    `part` and `out` are (d, h, w * channels), `spread` is padded by `before` along each axis.
    """
    total = 0.0
    for d in range(low, high):
        for h in range(part.shape[1]):
            x, into = part[d, h], out[d, h]
            s = spread[d + before[0], h + before[1], before[2] :]
            row_total = 0.0
            for w in range(x.size):
                share = x[w] * s[w]
                into[w] += share
                row_total += share
            total += row_total
    return total
