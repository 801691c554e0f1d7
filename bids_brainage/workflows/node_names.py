"""What the parts of a node's name say: the stage of preprocessing that it belongs to."""

from __future__ import annotations

from collections.abc import Iterable

from bids_brainage.records.session import FIRST, LINEAR, TEMPLATE
from bids_brainage.terms import MODALITIES

# What the workflow of each modality is called.
_STAGES = {"anatomical_wf": FIRST, "template_wf": TEMPLATE} | {
    f"{name.lower()}_wf": name for name in (*LINEAR, *MODALITIES) if name != FIRST
}


def stage_of(parts: Iterable[str]) -> str | None:
    """The stage of preprocessing that a node with these parts of its name belongs to, if any."""
    return next((_STAGES[part] for part in parts if part in _STAGES), None)
