"""Compiled loops of the way forward: convolution, activation and max pooling in one.

Arrays are single volumes in C order, channels last, rows flat: (d, h, w * channels). Winners are kept as
codes, their places in their windows (see `codes`), in floats until the end, which is exact. Of equal values
the first wins: along the width, then the height, then the depth (see `peers.pooling`).
"""

from __future__ import annotations

import numpy as np

from bids_brainage.compiling import compiled, inner
from bids_brainage.relevance.engine.codes import CODE_BITS
from bids_brainage.relevance.engine.lanes import (
    WIDTHS,
    ZERO,
    chosen,
    filled,
    load,
    marker,
    multiply_add,
    negated,
    plus,
    repeated,
    store,
)


@inner
def _activated(z, at, bias, slope, width):  # type: ignore[no-untyped-def]
    """Return the activation of a vector of the convolution."""
    zero = filled(ZERO, width)
    y = plus(load(z, at, width), bias)
    return multiply_add(slope, chosen(y, zero, zero, y), chosen(y, zero, y, zero))


@inner
def _barely_larger(x, tolerance, width):  # type: ignore[no-untyped-def]
    """Return the value that a later one must exceed to win against `x`."""
    return multiply_add(tolerance, chosen(x, filled(ZERO, width), x, negated(x)), x)


@inner
def _pool_row(z, at, bias, slope, axis, tolerance, values, codes, width):  # type: ignore[no-untyped-def]
    """Pool the row of the convolution that begins at `at` over the width."""
    size, step, begin, end, count = axis
    channels = bias.size
    for group in range(0, channels, len(width)):
        own_bias = load(bias, group, width)
        for p in range(count):
            first, last = max(p * step, begin), min(p * step + size, end)
            place = at + first * channels + group
            best = _activated(z, place, own_bias, slope, width)
            code = filled(np.float32(first - p * step), width)
            for e in range(first + 1, last):
                place += channels
                new = _activated(z, place, own_bias, slope, width)
                bar = _barely_larger(best, tolerance, width)
                code = chosen(new, bar, filled(np.float32(e - p * step), width), code)
                best = chosen(new, bar, new, best)
            store(values, p * channels + group, best)
            store(codes, p * channels + group, code)


@inner
def _keep_larger(rows, row_codes, low, high, origin, unit, tolerance, values, codes, width):  # type: ignore[no-untyped-def]
    """Keep the largest of rows [low, high), which stand in turn in `rows`, and their codes."""
    size, length = rows.shape
    flat, flat_codes = rows.reshape(-1), row_codes.reshape(-1)
    for i in range(0, length, len(width)):
        at = (low % size) * length + i
        best = load(flat, at, width)
        code = plus(load(flat_codes, at, width), filled(np.float32((low - origin) * unit), width))
        for e in range(low + 1, high):
            at = (e % size) * length + i
            new = load(flat, at, width)
            new_code = plus(load(flat_codes, at, width), filled(np.float32((e - origin) * unit), width))
            bar = _barely_larger(best, tolerance, width)
            code = chosen(new, bar, new_code, code)
            best = chosen(new, bar, new, best)
        store(values, i, best)
        store(codes, i, code)


@inner
def _pool_plane(z, at, step_of_rows, bias, slope, axes, tolerance, rows, row_codes, values, codes, width):  # type: ignore[no-untyped-def]
    """Pool the plane of the convolution that begins at `at` over width and height."""
    size, step, begin, end, count = axes[1]
    done = 0
    for q in range(count):
        low, high = max(q * step, begin), min(q * step + size, end)
        for h in range(max(low, done), high):
            row = at + h * step_of_rows
            _pool_row(z, row, bias, slope, axes[2], tolerance, rows[h % size], row_codes[h % size], width)
        done = max(done, high)
        origin, unit = q * step, 1 << CODE_BITS
        _keep_larger(rows, row_codes, low, high, origin, unit, tolerance, values[q], codes[q], width)


@compiled
def _convolve_row(x, at, steps, kernel, out, into, count, width):  # type: ignore[no-untyped-def]
    """Write `count` places of a convolution from `into` on; up to seven more are touched."""
    depth, height, run, channels = kernel.shape
    step, flat, zero = steps[2], kernel.reshape(-1), filled(ZERO, width)
    for group in range(0, channels, len(width)):
        for w in range(0, count, 8):
            y0, y1, y2, y3, y4, y5, y6, y7 = zero, zero, zero, zero, zero, zero, zero, zero
            k = group
            for a in range(depth):
                for b in range(height):
                    begin = at + a * steps[0] + b * steps[1] + w * step
                    for e in range(begin, begin + run):
                        tap = load(flat, k, width)
                        y0 = multiply_add(tap, repeated(x, e, width), y0)
                        y1 = multiply_add(tap, repeated(x, e + step, width), y1)
                        y2 = multiply_add(tap, repeated(x, e + 2 * step, width), y2)
                        y3 = multiply_add(tap, repeated(x, e + 3 * step, width), y3)
                        y4 = multiply_add(tap, repeated(x, e + 4 * step, width), y4)
                        y5 = multiply_add(tap, repeated(x, e + 5 * step, width), y5)
                        y6 = multiply_add(tap, repeated(x, e + 6 * step, width), y6)
                        y7 = multiply_add(tap, repeated(x, e + 7 * step, width), y7)
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
def _convolve_plane(x, at, steps, kernel, axes, out, width):  # type: ignore[no-untyped-def]
    """Write the plane of a convolution whose first patch begins at `at` in `x`."""
    places = axes[2][3]
    for h in range(axes[1][3]):
        _convolve_row(x, at + h * steps[1], steps, kernel, out, h * places * kernel.shape[3], places, width)


@compiled
def _pool(z, steps, kernel, bias, slope, axes, tolerance, starts, values, codes, width):  # type: ignore[no-untyped-def]
    size, step, begin, end, count = axes[0]
    slope, tolerance = filled(slope, width), filled(tolerance, width)
    height, length = axes[1][4], axes[2][4] * bias.size
    rows = np.empty((axes[1][0], length), np.float32), np.empty((axes[1][0], length), np.float32)
    planes = np.empty((size, height, length), np.float32)
    plane_codes = np.empty((size, height, length), np.float32)
    code = np.empty(height * length, np.float32)
    best = np.empty(height * length, np.float32)
    row = axes[2][3] * bias.size
    convolved = np.empty(axes[1][3] * row + 8 * bias.size if kernel.size else 0, np.float32)
    done = 0
    for p in range(count):
        low, high = max(p * step, begin), min(p * step + size, end)
        for d in range(max(low, done), high):
            at, into, into_codes = d * steps[0], planes[d % size], plane_codes[d % size]
            source, step_of_rows = z, steps[1]
            if kernel.size:
                _convolve_plane(z, at, steps, kernel, axes, convolved, width)
                source, at, step_of_rows = convolved, 0, row
            _pool_plane(
                source,
                at,
                step_of_rows,
                bias,
                slope,
                axes,
                tolerance,
                rows[0],
                rows[1],
                into,
                into_codes,
                width,
            )
        done = max(done, high)
        flat, flat_codes = planes.reshape(size, -1), plane_codes.reshape(size, -1)
        origin, unit = p * step, 1 << (2 * CODE_BITS)
        _keep_larger(flat, flat_codes, low, high, origin, unit, tolerance, best, code, width)
        left = starts[2] * bias.size
        for q in range(height):
            some = slice(q * length, (q + 1) * length)
            kept = codes[starts[0] + p, starts[1] + q, left : left + length]
            values[starts[0] + p, starts[1] + q, left : left + length] = best[some]
            some_codes = code[some]
            for i in range(length):
                kept[i] = np.int16(some_codes[i])


def pool(z, channels_in, kernel, bias, slope, axes, tolerance, starts, values, codes):  # type: ignore[no-untyped-def]
    """Add a bias to a convolution, rectify and max-pool a box of windows.

    Parameters
    ----------
    z : array (d, h, w * channels)
        The convolution without bias, at all places of the windows; or, if there is a kernel, the voxels that
        they see, with room for eight more behind them.
    channels_in : int
        How far neighbouring voxels are from each other.
    kernel : array (kd, kh, kw * channels in, channels)
        Of a convolution that is still to be computed; empty if it is done.
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
    width = next(width for width in WIDTHS if bias.size % width == 0)
    steps = (z.shape[1] * z.shape[2], z.shape[2], channels_in)
    _pool(z.reshape(-1), steps, kernel, bias, slope, axes, tolerance, starts, values, codes, marker(width))
