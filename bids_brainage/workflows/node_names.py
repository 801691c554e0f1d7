"""What the parts of a node's name say: the stage of preprocessing that it belongs to."""

from __future__ import annotations

import re
from collections.abc import Iterable

from bids_brainage.records.session import FIRST, LINEAR, SOURCES, TEMPLATE, source_stage
from bids_brainage.terms import SEQUENCES


def workflow_of(stage: str) -> str:
    """What the workflow of a stage of preprocessing is called."""
    named = {FIRST: "anatomical", TEMPLATE: "template"}
    return re.sub(r"\W", "_", named.get(stage, stage).lower()) + "_wf"


_AS_THEY_ARE = [source_stage(modality, source) for modality in SEQUENCES for source in SOURCES]
_STAGES = {workflow_of(stage): stage for stage in (*SEQUENCES, TEMPLATE, *LINEAR, *_AS_THEY_ARE)}


def stage_of(parts: Iterable[str]) -> str | None:
    """The stage of preprocessing that a node with these parts of its name belongs to, if any."""
    return next((_STAGES[part] for part in parts if part in _STAGES), None)
