"""Compiled loops of the way back: what windows see, their winners, and convolutions only at winners.

Arrays are single volumes in C order, channels last, rows flat: (d, h, w * channels). Every function
releases Python's lock, so that threads can share the work. `backward`, which calls the loops, explains their
meaning. A winner's *code* is its place in its window; see `codes`.

Slices instead of sums of indices in the innermost loops help the compiler: only then does it know that no
index is negative, and uses vector instructions. Where that is not enough, `lanes` is explicit.
"""

from __future__ import annotations

import numpy as np

from bids_brainage.compiling import compiled
from bids_brainage.relevance.engine.codes import CODE_BITS
from bids_brainage.relevance.engine.lanes import ZERO, filled, load, marker, multiply_add, store
from bids_brainage.relevance.engine.lanes import total as total_of_lanes
from bids_brainage.relevance.sums import total


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
                    # Always written; the next one overwrites it if it does not count: faster than a test.
                    starts[index] = at + of_codes[np.uint16(some_codes[c])]
                    channels[index], values[index] = c, some[c]
                    index += np.uint64(some[c] != 0)
    return index


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


@compiled
def _gather(x, offsets, kernel, starts, channels, z, width):  # type: ignore[no-untyped-def]
    size, wide = offsets.size, len(width)
    for i in range(np.uint64(z.size)):
        start, at = np.intp(starts[i]), np.intp(channels[i]) * size * wide
        first, second, third = filled(ZERO, width), filled(ZERO, width), filled(ZERO, width)
        for j in range(np.uint64(0), np.uint64(size), np.uint64(3)):
            one, two = start + offsets[j], start + offsets[j + np.uint64(1)]
            three = start + offsets[j + np.uint64(2)]
            first = multiply_add(load(x, one, width), load(kernel, at, width), first)
            second = multiply_add(load(x, two, width), load(kernel, at + wide, width), second)
            third = multiply_add(load(x, three, width), load(kernel, at + 2 * wide, width), third)
            at += 3 * wide
        z[i] = total_of_lanes(first) + total_of_lanes(second) + total_of_lanes(third)


@compiled
def _scatter(s, offsets, kernel, starts, channels, x, width):  # type: ignore[no-untyped-def]
    size, wide = offsets.size, len(width)
    for i in range(np.uint64(s.size)):
        start, at = np.intp(starts[i]), np.intp(channels[i]) * size * wide
        value = filled(s[i], width)
        for j in range(np.uint64(size)):
            place = start + offsets[j]
            store(x, place, multiply_add(value, load(kernel, at, width), load(x, place, width)))
            at += wide


def gather(x, offsets, kernel, starts, channels, z):  # type: ignore[no-untyped-def]
    """Set each z to the product of its patch of `x` with its channel's kernel.

    Parameters
    ----------
    x : array (m,)
        Padded input, flat, with room for one more vector behind it.
    offsets : array (v,)
        Where the vectors of a patch begin, relative to its start; v is a multiple of three.
    kernel : array (channels, v, width of a vector)
        What each number of a patch's vectors is multiplied by.
    starts, channels, z : arrays (n,)
        For each winner its patch, its channel, and the product.
    """
    _gather(x, offsets, kernel.reshape(-1), starts, channels, z, marker(kernel.shape[2]))


def scatter(s, offsets, kernel, starts, channels, x):  # type: ignore[no-untyped-def]
    """Add each s times its channel's kernel to its patch of `x`: the transpose of `gather`."""
    _scatter(s, offsets, kernel.reshape(-1), starts, channels, x, marker(kernel.shape[2]))
