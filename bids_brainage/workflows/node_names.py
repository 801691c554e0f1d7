"""What the parts of a node's name say: the stage of preprocessing that it belongs to."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from bids_brainage.records.session import FIRST, TEMPLATE
from bids_brainage.terms import MODALITIES

#: What the workflow is called that prepares a session's images.
PREPROCESSING = "preprocessing_wf"
# What the workflow of each modality is called.
_STAGES = {"anatomical_wf": FIRST, "template_wf": TEMPLATE} | {
    f"{name.lower()}_wf": name for name in MODALITIES if name != FIRST
}


def stage_of(parts: Iterable[str]) -> str | None:
    """The stage of preprocessing that a node with these parts of its name belongs to, if any."""
    return next((_STAGES[part] for part in parts if part in _STAGES), None)


def full_name(name: str, folder: Path) -> str:
    """The full name of a node; those of a MapNode have none, but a folder inside of the MapNode's."""
    parts = folder.parts
    if "." in name or "mapflow" not in parts or PREPROCESSING not in parts:
        return name
    # What is before the person's workflow is the work folder, whose parts may be called as people are.
    first = len(parts) - parts[::-1].index(PREPROCESSING) - 2
    return ".".join((*parts[first:], name))
