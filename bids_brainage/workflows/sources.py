"""What sessions start from: files by modality, who has all of them, and what tables say of the target."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bids_brainage import messages
from bids_brainage.bids.selection import Selection, SessionInputs
from bids_brainage.config import RunConfig
from bids_brainage.errors import InputError

if TYPE_CHECKING:
    from bids_brainage.models.bundles.bundle import Bundle

LOGGER = logging.getLogger(__name__)


def sequence_files(session: SessionInputs) -> dict[str, tuple[Path, ...]]:
    """Choose the files for each modality, whoever prepared them.

    FreeSurfer's brain or fMRIPrep's T1w take precedence over the raw T1w, the raw FLAIR over fMRIPrep's.
    """
    files = dict(session.images)
    if session.derivative is not None:
        files["T1w"] = (session.derivative.t1w,)
        if session.derivative.flair is not None:
            files.setdefault("FLAIR", (session.derivative.flair,))
    if session.freesurfer_brain is not None:
        files["T1w"] = (session.freesurfer_brain,)
    return files


def with_all_modalities(selection: Selection, config: RunConfig) -> Selection:
    """The selection where, under --require-all-modalities, who lacks one has failed by name.

    Raises
    ------
    InputError
        If nobody is left.
    """
    if not config.require_all_modalities:
        return selection
    lacking = {
        session.name: [name for name in config.modalities if name not in sequence_files(session)]
        for session in selection.sessions
    }
    failed = {
        name: messages.MODALITY_REQUIRED.format(name=name, modalities=" and ".join(missing))
        for name, missing in lacking.items()
        if missing
    }
    whole = tuple(session for session in selection.sessions if session.name not in failed)
    together = {**selection.failed, **failed}
    if not whole:
        first = next(iter(failed.values()))
        raise InputError(messages.NOTHING_LEFT.format(count=len(together), first=first))
    return replace(selection, sessions=whole, failed=together)


def with_groups(
    sessions: Sequence[SessionInputs], config: RunConfig, bundles: Sequence[Bundle]
) -> list[SessionInputs]:
    """The sessions with what the tables say of the columns by which the bundles' norms tell people apart."""
    norms = [own for bundle in bundles for own in bundle.region_norms]
    columns = sorted({column for own in norms for column in own.facts.levels})
    if not columns or config.no_relevance or "dba" not in config.explain:
        return list(sessions)
    from bids_brainage.bids.participants import ParticipantsTable

    table = ParticipantsTable(config.bids_dir / "participants.tsv")
    return [
        replace(
            session,
            groups={column: table.group(session.participant, session.session, column) for column in columns},
        )
        for session in sessions
    ]


def with_measured(
    sessions: Sequence[SessionInputs], config: RunConfig, bundle: Bundle
) -> list[SessionInputs]:
    """The sessions with what the tables say of the bundle's target, if that is not age."""
    if bundle.estimates_age:
        return list(sessions)
    from bids_brainage.bids.participants import ParticipantsTable

    table, column = ParticipantsTable(config.bids_dir / "participants.tsv"), bundle.record.target
    found = []
    for session in sessions:
        value = table.number(session.participant, session.session, column)
        warnings = session.warnings
        if value is None:
            sentence = messages.NO_MEASURED_VALUE.format(path=table.path, name=session.name, column=column)
            LOGGER.warning("%s", sentence)
            warnings = (*warnings, sentence)
        found.append(replace(session, measured=value, warnings=warnings))
    return found
