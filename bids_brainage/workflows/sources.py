"""Which files stand for each modality of a session."""

from __future__ import annotations

from pathlib import Path

from bids_brainage.bids.selection import SessionInputs


def sequence_files(session: SessionInputs) -> dict[str, tuple[Path, ...]]:
    """Choose the files that stand for each modality, whoever prepared them.

    FreeSurfer's brain or fMRIPrep's T1w go before the raw T1w, the raw FLAIR before fMRIPrep's.
    """
    files = dict(session.images)
    if session.derivative is not None:
        files["T1w"] = (session.derivative.t1w,)
        if session.derivative.flair is not None:
            files.setdefault("FLAIR", (session.derivative.flair,))
    if session.freesurfer_brain is not None:
        files["T1w"] = (session.freesurfer_brain,)
    return files
