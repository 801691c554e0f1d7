"""What a label of BIDS may be, and how labels become names of nodes."""

from __future__ import annotations

import re

_LABEL = re.compile(r"[A-Za-z0-9+]+")
# A node is named by letters, digits, _ and - alone; labels hold neither - nor _, so names stay apart.
_NODE = str.maketrans({"-": "_", "+": "-"})


def is_label(text: str) -> bool:
    """Whether `text` can be a label, of ``sub-``, ``ses-`` or another entity: A-Z, a-z, 0-9 and ``+``."""
    return _LABEL.fullmatch(text) is not None


def node_name(name: str) -> str:
    """Return how a node or workflow is called that belongs to ``sub-<label>[_ses-<label>]``.

    Different names of valid labels give different nodes: ``sub-1+a_ses-2`` becomes ``sub_1-a_ses_2``.
    """
    return name.translate(_NODE)
