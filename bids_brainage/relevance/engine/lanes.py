"""Lanes: a few float32 numbers that compiled loops work on at a time.

Before the compiler makes vector instructions of a loop it must prove much about it, and for short loops the
checks that it leaves in take longer than the sums. These functions say what is meant instead: `load` takes as
many numbers as lanes are wide, `plus` adds them all at once, `store` puts them back. There are two
implementations of them, and the loops are written once:

- `vector_lanes`, vector instructions of 4, 8 or 16 numbers;
- `plain_lanes`, one number at a time in plain numba, if the variable BIDS_BRAINAGE_PLAIN_LOOPS is set to
  anything but 0: several times as slow, equal within rounding, and without a word to the compiler.
"""

from __future__ import annotations

import os

import numpy as np

#: Environment variable that takes the plain lanes.
VARIABLE = "BIDS_BRAINAGE_PLAIN_LOOPS"
ZERO = np.float32(0)

if os.environ.get(VARIABLE, "0") in ("", "0"):
    from bids_brainage.relevance.engine import vector_lanes as lanes
else:
    from bids_brainage.relevance.engine import plain_lanes as lanes  # type: ignore[no-redef]

WIDTHS, WIDE, NARROW, CONVOLVE = lanes.WIDTHS, lanes.WIDE, lanes.NARROW, lanes.CONVOLVE
marker = lanes.marker
filled, load, repeated, store = lanes.filled, lanes.load, lanes.repeated, lanes.store
plus, negated, multiply_add = lanes.plus, lanes.negated, lanes.multiply_add
chosen, total = lanes.chosen, lanes.total
