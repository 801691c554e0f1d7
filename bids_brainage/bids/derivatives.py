"""What others have already prepared: sMRIPrep's and fMRIPrep's derivatives, FreeSurfer's subjects."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources
from pathlib import Path, PurePath
from typing import Any

import yaml

from bids_brainage import messages
from bids_brainage.bids.choice import Image, choose
from bids_brainage.bids.dataset import makers, read_json
from bids_brainage.bids.naming import Entities, is_regular, name_entities, output_folder, session_name
from bids_brainage.bids.queries import default_queries
from bids_brainage.errors import InputError

_DIRECTIONS = ("t1w_to_template", "template_to_t1w")
_IMAGE = (".nii", ".nii.gz")


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
    others : tuple of str
        Names of T1w images of other kinds that are prepared, too, but not used.
    """

    source: str
    t1w: Path
    brain_mask: Path
    flair: Path | None = None
    flair_in_t1w_space: bool = False
    t1w_to_template: Path | None = None
    template_to_t1w: Path | None = None
    software: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

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
        If one is not a folder, or holds no participants.
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
        for source, root in self.derivatives.items():
            prepared = _Prepared(root, participant, session)
            if prepared.masks:
                return prepared.inputs(source, self._software[source])
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

    def has_single_sessions(self, participant: str) -> bool:
        """Whether sessions of a participant were prepared by themselves.

        What there is of the participant as a whole is then no session's: FreeSurfer's is a mean of them.
        """
        name = session_name(participant, None)
        if any(subject.startswith(f"{name}_ses-") for subject in self._subjects):
            return True
        return any(
            _Prepared(root, participant, folder[4:]).masks
            for root in self.derivatives.values()
            for folder in _names(root / name)
            if folder.startswith("ses-")
        )

    @property
    def has_subjects(self) -> bool:
        """Whether FreeSurfer's subjects are asked for."""
        return bool(self._subjects)

    @property
    def are_asked_for(self) -> bool:
        """Whether images that others have prepared are asked for."""
        return bool(self.derivatives or self._subjects)

    def lack(self, participant: str, session: str | None) -> str:
        """Return what is not there of a session for which neither images nor a brain are found."""
        name = session_name(participant, session)
        lacks = []
        for source, root in self.derivatives.items():
            t1w = next((path.name for path, _ in _Prepared(root, participant, session).t1w), None)
            sentence = messages.NO_PREPARED_MASK if t1w else messages.NO_PREPARED_T1W
            lacks.append(sentence.format(source=source, name=name, t1w=t1w))
        return " and ".join([*lacks, *([self.lack_of_brain(name)] if self._subjects else [])])

    @staticmethod
    def lack_of_brain(name: str) -> str:
        """Return that FreeSurfer has not finished the session `name`."""
        return messages.NO_FREESURFER_BRAIN.format(name=name, brain=_patterns()["freesurfer"]["brain"])


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
    names = _names(subjects_dir)
    if not any(name.startswith("sub-") and (subjects_dir / name).is_dir() for name in names):
        reason = messages.HOLDS_NO_PARTICIPANT
        raise InputError(messages.NO_SUBJECTS_DIR.format(path=subjects_dir, reason=reason))
    folders = defaultdict(list)
    for entry in sorted(names, key=lambda name: (".long." not in name, name)):
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


class _Prepared:
    """What lies in a derivatives dataset's folder of one session.

    Attributes
    ----------
    t1w : list of Image
        T1w images in their own space.
    masks : dict
        The brain mask of each of these that has one, by the T1w image's path.
    """

    def __init__(self, root: Path, participant: str, session: str | None) -> None:
        folder = output_folder(root, participant, session)
        entities = {name: name_entities(PurePath(name)) for name in sorted(_names(folder))}
        self._files: list[Image] = [
            (folder / name, own)
            for name, own in entities.items()
            if (own.get("sub"), own.get("ses")) == (participant, session) and is_regular(PurePath(name), own)
        ]
        self._session = _patterns()["of_session"]
        self._beside = _patterns()["of_t1w"]
        t1w = _matching(self._files, self._session["t1w"])
        self.t1w = [(path, own) for path, own in t1w if own.get("part") in (None, "mag")]
        found = {path: self._of(own, "brain_mask") for path, own in self.t1w}
        self.masks = {path: mask for path, mask in found.items() if mask is not None}

    def inputs(self, source: str, software: tuple[str, ...]) -> PreprocessedInputs:
        """Choose one T1w image that has a mask, and what belongs to it."""
        ready = [image for image in self.t1w if image[0] in self.masks]
        choice = choose(ready, default_queries()["T1w"]["prefer"])
        t1w = choice.paths[0]
        entities = name_entities(t1w)
        transforms = {name: self._of(entities, name) for name in _DIRECTIONS}
        if not all(transforms.values()):
            transforms = dict.fromkeys(_DIRECTIONS)
        aligned = _fewest(_matching(self._files, self._session["flair_in_t1w_space"]))
        return PreprocessedInputs(
            source,
            t1w,
            self.masks[t1w],
            flair=aligned or _fewest(_matching(self._files, self._session["flair"])),
            flair_in_t1w_space=aligned is not None,
            software=software,
            others=(*(path.name for path in choice.paths[1:]), *choice.others),
            **transforms,
        )

    def _of(self, t1w: Entities, what: str) -> Path | None:
        """Return the file that belongs to a T1w image: with the same entities of the raw image."""
        raw = {name: t1w.get(name) for name in _patterns()["raw_entities"]}
        return _fewest(_matching(self._files, self._beside[what] | raw))


def _matching(files: Iterable[Image], wanted: Mapping[str, Any]) -> Iterator[Image]:
    """Give the files whose names say what is wanted and, beside it, nothing but the raw image's entities."""
    known = {"sub", "ses", "suffix", "extension", *_patterns()["raw_entities"], *wanted}
    for path, entities in files:
        fits = all(entities.get(name) == value for name, value in wanted.items() if name != "extension")
        extensions = (wanted["extension"],) if "extension" in wanted else _IMAGE
        if fits and entities.keys() <= known and entities["extension"] in extensions:
            yield path, entities


def _fewest(files: Iterable[Image]) -> Path | None:
    """Return the file whose name has the fewest entities, if there is any."""
    ranked = sorted(files, key=lambda file: (len(file[1]), not file[0].name.endswith(".gz"), file[0].name))
    return ranked[0][0] if ranked else None
