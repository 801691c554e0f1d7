"""Compiled loops that find the windows that see anything but zeros."""

from __future__ import annotations

import numpy as np

from bids_brainage.compiling import compiled


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
