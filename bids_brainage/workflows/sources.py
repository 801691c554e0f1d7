"""Which files are used for each modality of a session."""

from __future__ import annotations

from pathlib import Path

from bids_brainage.bids.selection import SessionInputs


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
