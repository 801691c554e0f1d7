"""Where others' preparations are looked for: sMRIPrep's and fMRIPrep's derivatives, FreeSurfer's subjects."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from pathlib import Path

from bids_brainage import messages
from bids_brainage.bids.dataset import makers, read_json
from bids_brainage.bids.listing import names_in
from bids_brainage.bids.naming import prepared_patterns, session_name
from bids_brainage.bids.prepared import PreparedSession, PreprocessedInputs
from bids_brainage.bids.wanted import Verdict, Wanted
from bids_brainage.errors import InputError
from bids_brainage.terms import INJECTOR


class Origin(StrEnum):
    """Who prepared an image, whatever its dataset is called."""

    RAW = "raw"
    PREPROCESSED = "preprocessed"
    FREESURFER = "freesurfer"


class Preparations:
    """Look up what others prepared of a session.

    SUBJECTS_DIR is listed once, not for each participant.

    Parameters
    ----------
    derivatives : mapping of str to Path
        Datasets of ``-d NAME=PATH``; the first that has both T1w and brain mask of a session wins.
    subjects_dir : Path or None
        FreeSurfer's SUBJECTS_DIR.
    wanted : Wanted
        Judges what was prepared by what it was made of.
    as_they_are : collection of str
        Sources of FreeSurfer's images that models take in as they are.

    Raises
    ------
    InputError
        If one is not a folder, or holds no participants.
    """

    def __init__(
        self,
        derivatives: Mapping[str, Path],
        subjects_dir: Path | None,
        wanted: Wanted,
        as_they_are: Collection[str] = (),
    ) -> None:
        _check_derivatives(derivatives)
        self.derivatives = derivatives
        self._software = {name: _software(root) for name, root in derivatives.items()}
        self._subjects = _subject_folders(subjects_dir)
        self._wanted = wanted
        known = prepared_patterns()["freesurfer"]["as_they_are"]
        self._as_they_are = {source: known[source] for source in sorted(as_they_are)}

    def images(self, participant: str, session: str | None) -> PreprocessedInputs | None:
        """Find preprocessed T1w and brain mask, and FLAIR and transforms if there are any.

        Without a session, what sMRIPrep made of all the participant's sessions together is looked for.
        """
        for source, root in self.derivatives.items():
            session_files = PreparedSession(root, participant, session)
            if session_files.masks:
                inputs = session_files.inputs(self._wanted, source, self._software[source])
                if inputs is not None:
                    return inputs
        return None

    def freesurfer_brain(self, participant: str, session: str | None) -> Path | None:
        """Find brain.finalsurfs.mgz in ``sub-XX`` or, of a session, in ``sub-XX_ses-Y``.

        Where ``recon-all`` went no further than what a model takes in (brainmask.mgz), that stands for it.
        FreeSurfer's longitudinal names (``sub-XX_ses-Y.long.sub-XX``) are preferred to the cross-sectional
        one.
        """
        brain = self._brain(participant, session)
        return brain if brain and self._judge_brain(participant, session).is_wanted else None

    def freesurfer_images(self, brain: Path) -> dict[tuple[str, str], Path]:
        """By modality and source, the images that models take in as they are, beside FreeSurfer's brain."""
        folder = brain.parents[1]
        found = {("T1w", source): folder / place for source, place in self._as_they_are.items()}
        return {key: path for key, path in found.items() if os.path.lexists(path)}

    def brain_doubt(self, participant: str, session: str | None) -> str | None:
        """Return what is open about the raw images of FreeSurfer's brain, as the end of a sentence."""
        return self._judge_brain(participant, session).doubt

    def _brain(self, participant: str, session: str | None) -> Path | None:
        for folder in self._subjects.get(session_name(participant, session), ()):
            for place in self._brains:
                if os.path.lexists(folder / place):
                    return folder / place
        return None

    @property
    def _brains(self) -> tuple[str, ...]:
        """Where FreeSurfer's brain may be, in its folder of a person."""
        return (prepared_patterns()["freesurfer"]["brain"], *self._as_they_are.values())

    def _judge_brain(self, participant: str, session: str | None) -> Verdict:
        return self._wanted.judge("T1w", {"sub": participant} | ({"ses": session} if session else {}))

    def has_single_sessions(self, participant: str) -> bool:
        """Whether sessions of a participant were prepared by themselves.

        What there is of the participant as a whole is then no session's: FreeSurfer's is a mean of them.
        """
        name = session_name(participant, None)
        if any(subject.startswith(f"{name}_ses-") for subject in self._subjects):
            return True
        return any(
            PreparedSession(root, participant, folder[4:]).masks
            for root in self.derivatives.values()
            for folder in names_in(root / name)
            if folder.startswith("ses-")
        )

    @property
    def are_asked_for(self) -> bool:
        """Whether images that others have prepared are asked for."""
        return bool(self.derivatives or self._subjects)

    def lack(
        self, participant: str, session: str | None, before: str | None = None, apart: Collection[str] = ()
    ) -> str:
        """Return what is not there of a session for which neither images nor a brain are found.

        With `before`, what is not there in FreeSurfer's subjects and the datasets that come before that one;
        nothing is said of the datasets `apart`.
        """
        # As a whole, the participant stands for the session unless sessions were prepared by themselves.
        both = [session, *([None] if session and not self.has_single_sessions(participant) else [])]
        lacks = [self._lack_of_brain(participant, both)] if self._subjects else []
        for source, root in self.derivatives.items():
            if source == before:
                break
            if source in apart:
                continue
            looked_at = [PreparedSession(root, participant, name) for name in both]
            told = next((prepared for prepared in looked_at if prepared.t1w), looked_at[0])
            lacks.append(told.lack(self._wanted, source))
        return " and ".join(lacks)

    def _lack_of_brain(self, participant: str, sessions: Sequence[str | None]) -> str:
        found = [session for session in sessions if self._brain(participant, session)]
        sentence = messages.FREESURFER_LEFT_OUT if found else messages.NO_FREESURFER_BRAIN
        name = session_name(participant, (found or sessions)[0])
        return sentence.format(name=name, brain=" or ".join(self._brains))


def _check_derivatives(derivatives: Mapping[str, Path]) -> None:
    for dataset, path in derivatives.items():
        if not path.is_dir():
            reason = messages.IS_NO_FOLDER
        elif not any(name.startswith("sub-") and (path / name).is_dir() for name in names_in(path)):
            reason = messages.HOLDS_NO_PARTICIPANT
        elif INJECTOR in _software(path):
            raise InputError(messages.DERIVATIVES_ALTERED.format(name=dataset, path=path))
        else:
            continue
        raise InputError(messages.NO_DERIVATIVES.format(name=dataset, path=path, reason=reason))


def _software(root: Path) -> tuple[str, ...]:
    try:
        return tuple(makers(read_json(root / "dataset_description.json")))
    except InputError:
        return ()


def _subject_folders(subjects_dir: Path | None) -> dict[str, list[Path]]:
    """Return FreeSurfer's folders by ``sub-XX[_ses-Y]``, longitudinal ones first."""
    if subjects_dir is None:
        return {}
    if not subjects_dir.is_dir():
        raise InputError(messages.NO_SUBJECTS_DIR.format(path=subjects_dir, reason=messages.IS_NO_FOLDER))
    names = names_in(subjects_dir)
    if not any(name.startswith("sub-") and (subjects_dir / name).is_dir() for name in names):
        reason = messages.HOLDS_NO_PARTICIPANT
        raise InputError(messages.NO_SUBJECTS_DIR.format(path=subjects_dir, reason=reason))
    folders = defaultdict(list)
    for entry in sorted(names, key=lambda name: (".long." not in name, name)):
        folders[entry.partition(".long.")[0]].append(subjects_dir / entry)
    return folders
