"""Sequences that cannot be used are left out by name; the person is estimated from the others."""

from __future__ import annotations

from collections.abc import Iterable

from bids_brainage.bids.selection import SessionInputs
from bids_brainage.config import RunConfig
from bids_brainage.records.reading import SessionPlace
from bids_brainage.records.session import FIRST, LINEAR, TEMPLATE, source_of
from bids_brainage.records.writing import publish
from bids_brainage.workflows.completion import SessionState
from bids_brainage.workflows.crashes import Crash


def unusable_sequences(crashes: Iterable[Crash]) -> dict[str, str]:
    """The sequences whose images were refused, with the reason; none if anything else failed as well.

    Only what was found out about an image counts. A full disk, a killed worker or an image that cannot be
    read at the moment may be otherwise the next time.
    """
    found: dict[str, str] = {}
    for crash in crashes:
        # Without an image that was given, or FreeSurfer's own, the person's estimate would be another.
        needed = crash.stage in (None, FIRST, TEMPLATE, *LINEAR) or source_of(crash.stage) not in (
            None,
            "native",
        )
        if needed or crash.kind != "ImageError":
            return {}
        found.setdefault(str(crash.stage), crash.sentence)
    return found


def leave_out(
    session: SessionInputs, state: SessionState, config: RunConfig, modality: str, reason: str
) -> None:
    """Note in the session's record that a sequence is left out; with other images it is tried again."""
    publish(
        SessionPlace.of(config.output_dir, session.participant, session.session),
        ("preprocessing", modality),
        state.preprocessing[modality],
        [],
        inputs=state.inputs[modality],
        left_out=reason,
    )
