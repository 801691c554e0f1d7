"""What others have prepared already: sMRIPrep's and fMRIPrep's derivatives, FreeSurfer's subjects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from glob import escape
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from bids_brainage import messages
from bids_brainage.bids.naming import output_folder, session_name
from bids_brainage.errors import InputError


@dataclass(frozen=True)
class PreprocessedInputs:
    """Images that sMRIPrep or fMRIPrep prepared for one session.

    Attributes
    ----------
    source : str
        The name given by ``-d NAME=PATH``.
    t1w : Path
        The preprocessed T1w, skull on.
    brain_mask : Path
        Its brain mask.
    flair : Path or None
        A preprocessed FLAIR, if there is one.
    flair_in_t1w_space : bool
        Whether that FLAIR lies in the T1w's grid (``space-T1w``) already.
    t1w_to_template : Path or None
        Transform from T1w to MNI152NLin6Asym, if there is one.
    """

    source: str
    t1w: Path
    brain_mask: Path
    flair: Path | None = None
    flair_in_t1w_space: bool = False
    t1w_to_template: Path | None = None


@cache
def _patterns() -> dict[str, Any]:
    text = resources.files("bids_brainage").joinpath("data/derivatives.yaml").read_text(encoding="utf-8")
    patterns: dict[str, Any] = yaml.safe_load(text)
    return patterns


def check_derivatives(derivatives: Mapping[str, Path]) -> None:
    """Raise InputError unless each folder of ``-d`` is one and holds participants."""
    for name, path in derivatives.items():
        if not path.is_dir():
            reason = messages.IS_NO_FOLDER
        elif not any(path.glob("sub-*/")):
            reason = messages.HOLDS_NO_PARTICIPANT
        else:
            continue
        raise InputError(messages.NO_DERIVATIVES.format(name=name, path=path, reason=reason))


def check_subjects_dir(path: Path | None) -> None:
    """Raise InputError unless `path` is a folder (or not asked for)."""
    if path is not None and not path.is_dir():
        raise InputError(messages.NO_SUBJECTS_DIR.format(path=path, reason=messages.IS_NO_FOLDER))


def find_preprocessed(
    derivatives: Mapping[str, Path], participant: str, session: str | None
) -> PreprocessedInputs | None:
    """Find preprocessed T1w and brain mask; the first dataset of ``-d`` that has both wins.

    Without a session, what sMRIPrep made of all the participant's sessions together is looked for.
    """
    for source, root in derivatives.items():
        folder, name = output_folder(root, participant, session), session_name(participant, session)
        found = {what: _first(folder, what, name) for what in _patterns()["preprocessed"]}
        t1w, mask, flair = found["t1w"], found["brain_mask"], found["flair"]
        if t1w and mask:
            in_t1w = flair is not None and "_space-T1w_" in flair.name
            return PreprocessedInputs(source, t1w, mask, flair, in_t1w, found["t1w_to_template"])
    return None


def find_freesurfer_brain(subjects_dir: Path | None, participant: str, session: str | None) -> Path | None:
    """Find brain.finalsurfs.mgz in ``sub-XX`` or, of a session, in ``sub-XX_ses-Y``.

    FreeSurfer's longitudinal names (``sub-XX_ses-Y.long.sub-XX``) are preferred to the cross-sectional one.
    """
    if subjects_dir is None:
        return None
    name = session_name(participant, session)
    for folder in (*sorted(subjects_dir.glob(f"{escape(name)}.long.*")), subjects_dir / name):
        for pattern in _patterns()["freesurfer"]["brain"]:
            if (folder / pattern).is_file():
                return folder / pattern
    return None


def _first(folder: Path, what: str, name: str) -> Path | None:
    for pattern in _patterns()["preprocessed"][what]:
        matches = sorted(folder.glob(pattern.format(name=escape(name))))
        if matches:
            return matches[0]
    return None
