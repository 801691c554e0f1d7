"""What others have already prepared: sMRIPrep's and fMRIPrep's derivatives, FreeSurfer's subjects."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from bids_brainage import messages
from bids_brainage.bids.dataset import makers, read_json
from bids_brainage.bids.naming import output_folder, session_name
from bids_brainage.errors import InputError

_DIRECTIONS = ("t1w_to_template", "template_to_t1w")


class Origin(StrEnum):
    """Who prepared an image, whatever its dataset is called."""

    RAW = "raw"
    PREPROCESSED = "preprocessed"
    FREESURFER = "freesurfer"


@dataclass(frozen=True)
class PreprocessedInputs:
    """Images that sMRIPrep or fMRIPrep prepared for one session.

    Attributes
    ----------
    source : str
        The name given by ``-d NAME=PATH``: a label for sentences and links, without any other effect.
    t1w : Path
        The preprocessed T1w, skull on.
    brain_mask : Path
        Its brain mask.
    flair : Path or None
        A preprocessed FLAIR, if there is one.
    flair_in_t1w_space : bool
        Whether that FLAIR lies in this T1w's space (``space-T1w``) already.
    t1w_to_template, template_to_t1w : Path or None
        Transforms of images between this T1w and MNI152NLin6Asym: both, or neither.
    software : tuple of str
        Names of the programs that made the dataset, as its dataset_description.json has them.
    """

    source: str
    t1w: Path
    brain_mask: Path
    flair: Path | None = None
    flair_in_t1w_space: bool = False
    t1w_to_template: Path | None = None
    template_to_t1w: Path | None = None
    software: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[Path, ...]:
        """All of its files."""
        files = (self.t1w, self.brain_mask, self.flair, self.t1w_to_template, self.template_to_t1w)
        return tuple(path for path in files if path is not None)


class Preparations:
    """Look up what others prepared of a session.

    SUBJECTS_DIR is listed once, not for each participant.

    Parameters
    ----------
    derivatives : mapping of str to Path
        Datasets of ``-d NAME=PATH``; the first that has both T1w and brain mask of a session wins.
    subjects_dir : Path or None
        FreeSurfer's SUBJECTS_DIR.

    Raises
    ------
    InputError
        If one is not a folder, or a dataset holds no participants.
    """

    def __init__(self, derivatives: Mapping[str, Path], subjects_dir: Path | None) -> None:
        _check_derivatives(derivatives)
        self.derivatives = derivatives
        self._software = {name: _software(root) for name, root in derivatives.items()}
        self._subjects = _subject_folders(subjects_dir)

    def images(self, participant: str, session: str | None) -> PreprocessedInputs | None:
        """Find preprocessed T1w and brain mask, and FLAIR and transforms if there are any.

        Without a session, what sMRIPrep made of all the participant's sessions together is looked for.
        """
        name = session_name(participant, session)
        for source, root in self.derivatives.items():
            folder = output_folder(root, participant, session)
            found = _found(_names(folder), name)
            if found.keys() >= {"t1w", "brain_mask"}:
                paths = {what: folder / file for what, file in found.items()}
                flair = paths.pop("flair_in_t1w_space", None)
                if flair is not None:
                    paths["flair"] = flair
                return PreprocessedInputs(
                    source, flair_in_t1w_space=flair is not None, software=self._software[source], **paths
                )
        return None

    def freesurfer_brain(self, participant: str, session: str | None) -> Path | None:
        """Find brain.finalsurfs.mgz in ``sub-XX`` or, of a session, in ``sub-XX_ses-Y``.

        FreeSurfer's longitudinal names (``sub-XX_ses-Y.long.sub-XX``) are preferred to the cross-sectional
        one.
        """
        for folder in self._subjects.get(session_name(participant, session), ()):
            brain = folder / _patterns()["freesurfer"]["brain"]
            if os.path.lexists(brain):
                return brain
        return None


@cache
def _patterns() -> dict[str, Any]:
    text = resources.files("bids_brainage").joinpath("data/derivatives.yaml").read_text(encoding="utf-8")
    patterns: dict[str, Any] = yaml.safe_load(text)
    return patterns


def _check_derivatives(derivatives: Mapping[str, Path]) -> None:
    for dataset, path in derivatives.items():
        if not path.is_dir():
            reason = messages.IS_NO_FOLDER
        elif not any(name.startswith("sub-") and (path / name).is_dir() for name in _names(path)):
            reason = messages.HOLDS_NO_PARTICIPANT
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
    folders = defaultdict(list)
    for entry in sorted(_names(subjects_dir), key=lambda name: (".long." not in name, name)):
        folders[entry.partition(".long.")[0]].append(subjects_dir / entry)
    return folders


def _names(folder: Path) -> list[str]:
    """List a folder; a missing one has no entries."""
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise InputError(messages.NOT_READABLE.format(path=folder, reason=error.strerror)) from error


def _found(names: Iterable[str], name: str) -> dict[str, str]:
    """Choose among file names of a folder those of the session `name`, by what they are."""
    own = [file for file in names if file.startswith(f"{name}_")]
    found = {
        what: file for what, rest in _patterns()["of_session"].items() if (file := _first(own, name, rest))
    }
    for start in (found["t1w"].partition("_desc-preproc")[0], name) if "t1w" in found else ():
        beside = {what: _first(own, start, rest) for what, rest in _patterns()["of_t1w"].items()}
        if not all(beside[direction] for direction in _DIRECTIONS):
            beside |= dict.fromkeys(_DIRECTIONS, "")
        found = {what: file for what, file in beside.items() if file} | found
    return found


def _first(names: Iterable[str], prefix: str, rest: str) -> str:
    """Return the name with the fewest entities that is `prefix` and then matches `rest`; "" if none does."""
    pattern = re.compile(rest)
    matches = [file for file in names if file.startswith(prefix) and pattern.fullmatch(file, len(prefix))]
    return min(matches, key=lambda file: (file.count("_"), not file.endswith(".gz"), file), default="")
