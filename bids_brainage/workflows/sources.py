"""Which files are used for each modality of a session, and who has all of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bids_brainage import messages
from bids_brainage.bids.selection import Selection, SessionInputs
from bids_brainage.config import RunConfig
from bids_brainage.errors import InputError


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
