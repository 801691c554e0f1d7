"""How winners are coded: by their place in their window, with five bits per axis."""

from __future__ import annotations

#: Winners are coded by their place in the window, five bits per axis.
CODE_BITS = 5
LARGEST_WINDOW = 2**CODE_BITS // 2
