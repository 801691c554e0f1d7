"""Compiled loops: max pooling with winners, and convolutions at winners alone.

Arrays are single volumes in C order, channels last, rows flat: (d, h, w * channels). Every function lets go
of Python's lock, so that threads can share the work. What each loop means stands in `winners`, which calls
them, and `pooling`, whose order of winners they keep: along the width, then the height, then the depth.

Slices instead of sums of indices in the innermost loops are for the compiler: only then does it know that no
index is negative, and uses vector instructions.

A winner's *code* is its place in its window; see `windows`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np

from bids_brainage.relevance.lanes import chosen, filled, load, multiply_add, negated, plus, repeated, store
from bids_brainage.relevance.lanes import total as total_of_lanes
from bids_brainage.relevance.windows import CODE_BITS

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
def _row_bounds(x, sights, counts):  # type: ignore[no-untyped-def]
    """Return where the rows that some windows see begin and end to be anything but zero."""
    lows, highs = np.full(x.shape[:2], x.shape[2]), np.zeros(x.shape[:2], np.int64)
    (d0, d1, d_step), (h0, h1, h_step) = sights
    for d in range(max(d0, 0), min(d1 + (counts[0] - 1) * d_step, x.shape[0])):
        for h in range(max(h0, 0), min(h1 + (counts[1] - 1) * h_step, x.shape[1])):
            row = x[d, h]
            low, high = 0, row.size
            while low < high and row[low] == 0:
                low += 1
            while high > low and row[high - 1] == 0:
                high -= 1
            if low < high:
                lows[d, h], highs[d, h] = low, high
    return lows, highs


@compiled
def find_spans(x, channels, sights, among, spans):  # type: ignore[no-untyped-def]
    """Find the windows that see anything but zeros in `x` (d, h, w * channels).

    Parameters
    ----------
    sights : tuple of three (begin, end, step)
        Which voxels the first window sees along each axis, and how far on the next one stands.
    among : tuple of (int, int)
        Windows along the width that are asked about.
    spans : array (d', h', 2)
        What is filled: see `windows.Layout.spans`.
    """
    lows, highs = _row_bounds(x, sights[:2], spans.shape)
    (d0, d1, d_step), (h0, h1, h_step), (w0, w1, w_step) = sights
    for p in range(spans.shape[0]):
        for q in range(spans.shape[1]):
            low, high = x.shape[2], 0
            for d in range(max(d0 + p * d_step, 0), min(d1 + p * d_step, x.shape[0])):
                for h in range(max(h0 + q * h_step, 0), min(h1 + q * h_step, x.shape[1])):
                    low, high = min(low, lows[d, h]), max(high, highs[d, h])
            first = max((low // channels - w1) // w_step + 1 + among[0], among[0])
            end = min(((high - 1) // channels - w0) // w_step + 1 + among[0], among[1])
            spans[p, q, 0], spans[p, q, 1] = (first, end) if low < high and first < end else (0, 0)


def _compile_pool(width):  # type: ignore[no-untyped-def]
    """Compile `pool` for channels in vectors of `width`. Codes are floats until the end, which is exact."""

    @compiled
    def activated(z, at, bias, slope):  # type: ignore[no-untyped-def]
        zero = filled(ZERO, width)
        y = plus(load(z, at, width), bias)
        return multiply_add(slope, chosen(y, zero, zero, y), chosen(y, zero, y, zero))

    @compiled
    def barely_larger(x, tolerance):  # type: ignore[no-untyped-def]
        return multiply_add(tolerance, chosen(x, filled(ZERO, width), x, negated(x)), x)

    @compiled
    def pool_row(z, at, bias, slope, axis, tolerance, values, codes):  # type: ignore[no-untyped-def]
        """Pool the row of the convolution that begins at `at` over the width."""
        size, step, begin, end, count, skipped = axis
        channels = bias.size
        for group in range(0, channels, width):
            own_bias = load(bias, group, width)
            for p in range(count):
                first, last = max(p * step, begin), min(p * step + size, end)
                place = at + (first - skipped) * channels + group
                best = activated(z, place, own_bias, slope)
                code = filled(np.float32(first - p * step), width)
                for e in range(first + 1, last):
                    place += channels
                    new = activated(z, place, own_bias, slope)
                    bar = barely_larger(best, tolerance)
                    code = chosen(new, bar, filled(np.float32(e - p * step), width), code)
                    best = chosen(new, bar, new, best)
                store(values, p * channels + group, best)
                store(codes, p * channels + group, code)

    @compiled
    def keep_larger(rows, row_codes, low, high, origin, unit, tolerance, values, codes):  # type: ignore[no-untyped-def]
        """Keep the largest of rows [low, high), which stand in turn in `rows`, and their codes."""
        size, length = rows.shape
        flat, flat_codes = rows.reshape(-1), row_codes.reshape(-1)
        for i in range(0, length, width):
            at = (low % size) * length + i
            best = load(flat, at, width)
            code = plus(load(flat_codes, at, width), filled(np.float32((low - origin) * unit), width))
            for e in range(low + 1, high):
                at = (e % size) * length + i
                new = load(flat, at, width)
                new_code = plus(load(flat_codes, at, width), filled(np.float32((e - origin) * unit), width))
                bar = barely_larger(best, tolerance)
                code = chosen(new, bar, new_code, code)
                best = chosen(new, bar, new, best)
            store(values, i, best)
            store(codes, i, code)

    @compiled
    def pool_plane(z, at, step_of_rows, bias, slope, axes, tolerance, rows, row_codes, values, codes):  # type: ignore[no-untyped-def]
        """Pool the plane of the convolution that begins at `at` over width and height."""
        size, step, begin, end, count, skipped = axes[1]
        done = 0
        for q in range(count):
            low, high = max(q * step, begin), min(q * step + size, end)
            for h in range(max(low, done), high):
                row = at + (h - skipped) * step_of_rows
                pool_row(z, row, bias, slope, axes[2], tolerance, rows[h % size], row_codes[h % size])
            done = max(done, high)
            origin, unit = q * step, 1 << CODE_BITS
            keep_larger(rows, row_codes, low, high, origin, unit, tolerance, values[q], codes[q])

    @compiled
    def convolve_row(x, at, steps, kernel, out, into, count):  # type: ignore[no-untyped-def]
        """Write `count` places of a convolution of one channel; up to seven more are touched."""
        depth, height, taps, channels = kernel.shape
        flat = kernel.reshape(-1)
        zero = filled(ZERO, width)
        for group in range(0, channels, width):
            for w in range(0, count, 8):
                y0, y1, y2, y3, y4, y5, y6, y7 = zero, zero, zero, zero, zero, zero, zero, zero
                k = group
                for a in range(depth):
                    for b in range(height):
                        begin = at + a * steps[0] + b * steps[1] + w
                        for e in range(begin, begin + taps):
                            tap = load(flat, k, width)
                            y0 = multiply_add(tap, repeated(x, e, width), y0)
                            y1 = multiply_add(tap, repeated(x, e + 1, width), y1)
                            y2 = multiply_add(tap, repeated(x, e + 2, width), y2)
                            y3 = multiply_add(tap, repeated(x, e + 3, width), y3)
                            y4 = multiply_add(tap, repeated(x, e + 4, width), y4)
                            y5 = multiply_add(tap, repeated(x, e + 5, width), y5)
                            y6 = multiply_add(tap, repeated(x, e + 6, width), y6)
                            y7 = multiply_add(tap, repeated(x, e + 7, width), y7)
                            k += channels
                place = into + w * channels + group
                store(out, place, y0)
                store(out, place + channels, y1)
                store(out, place + 2 * channels, y2)
                store(out, place + 3 * channels, y3)
                store(out, place + 4 * channels, y4)
                store(out, place + 5 * channels, y5)
                store(out, place + 6 * channels, y6)
                store(out, place + 7 * channels, y7)

    @compiled
    def convolve_plane(x, at, steps, kernel, axes, out):  # type: ignore[no-untyped-def]
        """Write the plane of a convolution of one channel whose first patch begins at `at` in `x`."""
        places = axes[2][3] - axes[2][5]
        for h in range(axes[1][3] - axes[1][5]):
            convolve_row(x, at + h * steps[1], steps, kernel, out, h * places * kernel.shape[3], places)

    @compiled
    def pool(z, steps, kernel, bias, slope, axes, tolerance, starts, values, codes):  # type: ignore[no-untyped-def]
        size, step, begin, end, count, skipped = axes[0]
        slope, tolerance = filled(slope, width), filled(tolerance, width)
        height, length = axes[1][4], axes[2][4] * bias.size
        rows = np.empty((axes[1][0], length), np.float32), np.empty((axes[1][0], length), np.float32)
        planes = np.empty((size, height, length), np.float32)
        plane_codes = np.empty((size, height, length), np.float32)
        code = np.empty(height * length, np.float32)
        best = np.empty(height * length, np.float32)
        row = (axes[2][3] - axes[2][5]) * bias.size
        convolved = np.empty(
            (axes[1][3] - axes[1][5]) * row + 8 * bias.size if kernel.size else 0, np.float32
        )
        done = 0
        for p in range(count):
            low, high = max(p * step, begin), min(p * step + size, end)
            for d in range(max(low, done), high):
                at, into, into_codes = (d - skipped) * steps[0], planes[d % size], plane_codes[d % size]
                source, step_of_rows = z, steps[1]
                if kernel.size:
                    convolve_plane(z, at, steps, kernel, axes, convolved)
                    source, at, step_of_rows = convolved, 0, row
                pool_plane(
                    source, at, step_of_rows, bias, slope, axes, tolerance, rows[0], rows[1], into, into_codes
                )
            done = max(done, high)
            flat, flat_codes = planes.reshape(size, -1), plane_codes.reshape(size, -1)
            origin, unit = p * step, 1 << (2 * CODE_BITS)
            keep_larger(flat, flat_codes, low, high, origin, unit, tolerance, best, code)
            left = starts[2] * bias.size
            for q in range(height):
                some = slice(q * length, (q + 1) * length)
                kept = codes[starts[0] + p, starts[1] + q, left : left + length]
                values[starts[0] + p, starts[1] + q, left : left + length] = best[some]
                some_codes = code[some]
                for i in range(length):
                    kept[i] = np.int16(some_codes[i])

    return pool


#: By the width of the vectors.
POOLS = {width: _compile_pool(width) for width in (1, 2, 4, 8, 16)}


def pool(z, kernel, bias, slope, axes, tolerance, starts, values, codes):  # type: ignore[no-untyped-def]
    """Add a bias to a convolution, rectify and max-pool a box of windows.

    Parameters
    ----------
    z : array (d, h, w * channels)
        The convolution without bias; or, if there is a kernel, the padded image of one channel, with room for
        eight numbers behind it.
    kernel : array (kd, kh, kw, channels)
        Of a convolution of one channel that is still to be done; empty if it is done.
    bias : array (channels,)
    slope : float32
        Negative slope of the leaky ReLU; 0 for ReLU, 1 for none.
    axes : tuple of three tuples
        See `windows.Axis.as_tuple`.
    tolerance : float32
        See `pooling`.
    starts : tuple of three int
        First window of the box along each axis.
    values, codes : arrays (all d', all h', all w' * channels)
        Largest values and the codes of the winners.
    """
    width = next(width for width in reversed(POOLS) if bias.size % width == 0)
    steps = (z.shape[1] * z.shape[2], z.shape[2])
    POOLS[width](z.reshape(-1), steps, kernel, bias, slope, axes, tolerance, starts, values, codes)


@compiled
def join(relevance, codes, distance, step, out):  # type: ignore[no-untyped-def]
    """Move the relevance of windows to the next window along one axis where that has the same winner.

    Parameters
    ----------
    relevance, codes, out : arrays (rows, n)
        What windows have, the codes of their winners, and what they have then. Rows lie across the axis.
    distance : int
        Of neighbouring windows.
    step : int
        By how much the codes of neighbouring windows differ for the same place.
    """
    for row in range(relevance.shape[0]):
        own, code, into = relevance[row], codes[row], out[row]
        n = own.size - distance
        into[n:] = own[n:]
        next_code, next_into = code[distance:], into[distance:]
        for i in range(n):
            into[i] = ZERO if code[i] - next_code[i] == step else own[i]
        for i in range(n):
            next_into[i] += own[i] if code[i] - next_code[i] == step else ZERO


@compiled
def _starts_of_codes(places):  # type: ignore[no-untyped-def]
    """Return for each code how far its place lies from the window's first, in numbers."""
    starts = np.empty(1 << 3 * CODE_BITS, np.int32)
    mask = (1 << CODE_BITS) - 1
    for code in range(starts.size):
        deep, high, wide = code >> 2 * CODE_BITS, code >> CODE_BITS & mask, code & mask
        starts[code] = deep * places[0] + high * places[1] + wide * places[2]
    return starts


@compiled
def list_winners(relevance, codes, spans, windows, places, starts, channels, values):  # type: ignore[no-untyped-def]
    """List the values of `relevance` that are not zero, and where their patches start.

    Parameters
    ----------
    relevance, codes : arrays (d, h, w, channels)
        Relevance of windows, and the codes of their winners.
    spans : array (d, h, 2)
        Which windows count along the width: from, to.
    windows, places : tuple of int
        Distance of neighbouring windows, and of neighbouring places, along each axis in the padded input.
    starts, channels, values : arrays
        What is filled.

    Returns
    -------
    int
        How many were listed.
    """
    index = np.uint64(0)
    of_codes = _starts_of_codes(places)
    for p in range(relevance.shape[0]):
        for q in range(relevance.shape[1]):
            for r in range(spans[p, q, 0], spans[p, q, 1]):
                at = np.int32(p * windows[0] + q * windows[1] + r * windows[2])
                some, some_codes = relevance[p, q, r], codes[p, q, r]
                for c in range(np.uint64(some.size)):
                    # Written always and overwritten by the next if it does not count: quicker than to ask.
                    starts[index] = at + of_codes[np.uint16(some_codes[c])]
                    channels[index], values[index] = c, some[c]
                    index += np.uint64(some[c] != 0)
    return index


@compiled
def total(x):  # type: ignore[no-untyped-def]
    """Sum in double precision."""
    result = 0.0
    for i in range(x.size):
        result += x[i]
    return result


@compiled
def total_of(x, box):  # type: ignore[no-untyped-def]
    """Sum of a box of `x` (d, h, w), in double precision."""
    result = 0.0
    for d in range(box[0][0], box[0][1]):
        for h in range(box[1][0], box[1][1]):
            result += total(x[d, h, box[2][0] : box[2][1]])
    return result


@compiled
def add_product(x, y, begins, out, box):  # type: ignore[no-untyped-def]
    """Add x times y to a box of `out`; returns the sum of what was added.

    Parameters
    ----------
    x, y : arrays (d, h, w)
        Factors.
    begins : tuple of three int
        What of `x` and `y` belongs to the begin of the box.
    out : array (d', h', w')
        What is added to.
    box : tuple of three (int, int)
        From and to along each axis.
    """
    result = 0.0
    begin = box[2][0]
    n = box[2][1] - begin
    for d in range(box[0][1] - box[0][0]):
        for h in range(box[1][1] - box[1][0]):
            row = x[d + begins[0], h + begins[1], begins[2] : begins[2] + n]
            other = y[d + begins[0], h + begins[1], begins[2] : begins[2] + n]
            into = out[d + box[0][0], h + box[1][0], begin : begin + n]
            row_total = 0.0
            for w in range(n):
                product = row[w] * other[w]
                into[w] += product
                row_total += product
            result += row_total
    return result


@compiled
def add_scaled(x, factor, out):  # type: ignore[no-untyped-def]
    """Add x times a factor to `out`."""
    for i in range(x.size):
        out[i] += x[i] * factor


def _compile_products(width):  # type: ignore[no-untyped-def]
    """Compile `gather` and `scatter` for vectors of `width` numbers, three at a time."""

    @compiled
    def gather(x, offsets, kernel, starts, channels, z):  # type: ignore[no-untyped-def]
        size = offsets.size
        for i in range(np.uint64(z.size)):
            start, at = np.intp(starts[i]), np.intp(channels[i]) * size * width
            first, second, third = filled(ZERO, width), filled(ZERO, width), filled(ZERO, width)
            for j in range(np.uint64(0), np.uint64(size), np.uint64(3)):
                one, two = start + offsets[j], start + offsets[j + np.uint64(1)]
                three = start + offsets[j + np.uint64(2)]
                first = multiply_add(load(x, one, width), load(kernel, at, width), first)
                second = multiply_add(load(x, two, width), load(kernel, at + width, width), second)
                third = multiply_add(load(x, three, width), load(kernel, at + 2 * width, width), third)
                at += 3 * width
            z[i] = total_of_lanes(first) + total_of_lanes(second) + total_of_lanes(third)

    @compiled
    def scatter(s, offsets, kernel, starts, channels, x):  # type: ignore[no-untyped-def]
        size = offsets.size
        for i in range(np.uint64(s.size)):
            start, at = np.intp(starts[i]), np.intp(channels[i]) * size * width
            value = filled(s[i], width)
            for j in range(np.uint64(size)):
                place = start + offsets[j]
                store(x, place, multiply_add(value, load(kernel, at, width), load(x, place, width)))
                at += width

    return gather, scatter


#: By the width of the vectors.
PRODUCTS = {width: _compile_products(width) for width in (4, 16)}


def gather(x, offsets, kernel, starts, channels, z):  # type: ignore[no-untyped-def]
    """Set each z to the product of its patch of `x` with its channel's kernel.

    Parameters
    ----------
    x : array (m,)
        Padded input, flat, with room for one more vector behind it.
    offsets : array (v,)
        Where the vectors of a patch begin, relative to its start; v is a multiple of three.
    kernel : array (channels, v, 4 or 16)
        What each number of a patch's vectors is multiplied by.
    starts, channels, z : arrays (n,)
        For each winner its patch, its channel, and the product.
    """
    PRODUCTS[kernel.shape[2]][0](x, offsets, kernel.reshape(-1), starts, channels, z)


def scatter(s, offsets, kernel, starts, channels, x):  # type: ignore[no-untyped-def]
    """Add each s times its channel's kernel to its patch of `x`: the transpose of `gather`."""
    PRODUCTS[kernel.shape[2]][1](s, offsets, kernel.reshape(-1), starts, channels, x)
