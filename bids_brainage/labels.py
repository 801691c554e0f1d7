"""What a label of BIDS may be."""

from __future__ import annotations

import re

_LABEL = re.compile(r"[A-Za-z0-9+]+")


def is_label(text: str) -> bool:
    """Whether `text` can be a label, of ``sub-``, ``ses-`` or another entity: A-Z, a-z, 0-9 and ``+``."""
    return _LABEL.fullmatch(text) is not None
