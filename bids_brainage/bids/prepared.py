"""What sMRIPrep or fMRIPrep prepared of one session, and which of it is used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import Any

from bids_brainage import messages
from bids_brainage.bids.choice import Choice, Image, choose
from bids_brainage.bids.listing import names_in
from bids_brainage.bids.naming import (
    Entities,
    is_regular,
    name_entities,
    output_folder,
    prepared_patterns,
    session_name,
)
from bids_brainage.bids.queries import default_queries
from bids_brainage.bids.wanted import Verdict, Wanted
from bids_brainage.quoting import one_line

_DIRECTIONS = ("t1w_to_template", "template_to_t1w")
_IMAGE = (".nii", ".nii.gz")


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
    choices : mapping of str to Choice
        Which T1w and FLAIR image was chosen, and which were not.
    doubts : mapping of str to str
        By modality, what the chosen image's name leaves open.
    flair_left_out : tuple of str
        Names of FLAIR images that the filter file or .bidsignore leaves out, if there are no others.
    """

    source: str
    t1w: Path
    brain_mask: Path
    flair: Path | None = None
    flair_in_t1w_space: bool = False
    t1w_to_template: Path | None = None
    template_to_t1w: Path | None = None
    software: tuple[str, ...] = ()
    choices: Mapping[str, Choice] = field(default_factory=dict)
    doubts: Mapping[str, str] = field(default_factory=dict)
    flair_left_out: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[Path, ...]:
        """All of its files."""
        files = (self.t1w, self.brain_mask, self.flair, self.t1w_to_template, self.template_to_t1w)
        return tuple(path for path in files if path is not None)

    def without_flair(self) -> PreprocessedInputs:
        """Return the same without its FLAIR, which nobody asks for."""
        choices = {modality: choice for modality, choice in self.choices.items() if modality != "FLAIR"}
        return replace(self, flair=None, flair_in_t1w_space=False, choices=choices, flair_left_out=())


class PreparedSession:
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
        entities = {name: name_entities(PurePath(name)) for name in sorted(names_in(folder))}
        self._files: list[Image] = [
            (folder / name, own)
            for name, own in entities.items()
            if (own.get("sub"), own.get("ses")) == (participant, session)
            and is_regular(PurePath(name), own)
            and own.get("part") in (None, "mag")
        ]
        self._name = session_name(participant, session)
        self._session = prepared_patterns()["of_session"]
        self.t1w = list(_matching(self._files, self._session["t1w"]))
        found = {path: self._of(own, "brain_mask") for path, own in self.t1w}
        self.masks = {path: mask for path, mask in found.items() if mask is not None}

    def inputs(self, wanted: Wanted, source: str, software: tuple[str, ...]) -> PreprocessedInputs | None:
        """Choose a T1w image that has a mask and is wanted, and what belongs to it; None if there is none."""
        verdicts = _judged(self.t1w, "T1w", wanted)
        ready = [(path, own) for path, own in self.t1w if path in self.masks and verdicts[path].is_wanted]
        if not ready:
            return None
        choices = {"T1w": _chosen(ready, "T1w", wanted)}
        t1w = choices["T1w"].paths[0]
        transforms = {name: self._of(name_entities(t1w), name) for name in _DIRECTIONS}
        if not all(transforms.values()):
            transforms = dict.fromkeys(_DIRECTIONS)
        native, aligned = self._flairs()
        flairs = [*(native | aligned).values()]
        verdicts |= _judged(flairs, "FLAIR", wanted)
        left = [image for image in flairs if verdicts[image[0]].is_wanted]
        if left:
            choices["FLAIR"] = _chosen(left, "FLAIR", wanted)
        used = {modality: choice.paths[0] for modality, choice in choices.items()}
        return PreprocessedInputs(
            source,
            t1w,
            self.masks[t1w],
            flair=used.get("FLAIR"),
            flair_in_t1w_space=used.get("FLAIR") in [path for path, _ in aligned.values()],
            software=software,
            choices=choices,
            doubts={name: doubt for name, path in used.items() if (doubt := verdicts[path].doubt)},
            flair_left_out=() if left else tuple(path.name for path, _ in flairs),
            **transforms,
        )

    def lack(self, wanted: Wanted, source: str) -> str:
        """Return what the dataset `source` lacks, for a session of which it has nothing that can be used."""
        names = {
            verdict.is_wanted: one_line(path.name)
            for path, verdict in reversed(_judged(self.t1w, "T1w", wanted).items())
        }
        sentence = messages.PREPARED_LEFT_OUT if names else messages.NO_PREPARED_T1W
        if True in names:
            sentence = messages.NO_PREPARED_MASK
        return sentence.format(source=source, name=self._name, t1w=names.get(True, names.get(False)))

    def _flairs(self) -> tuple[dict[str, Image], dict[str, Image]]:
        """Return FLAIR images in their own space and in that of T1w, by the entities of the raw ones."""
        native, aligned = (
            {str(_raw(own)): (path, own) for path, own in _matching(self._files, self._session[what])}
            for what in ("flair", "flair_in_t1w_space")
        )
        return native, aligned

    def _of(self, t1w: Entities, what: str) -> Path | None:
        """Return the file that belongs to a T1w image: with the same entities of the raw image."""
        return _fewest(_matching(self._files, prepared_patterns()["of_t1w"][what] | _raw(t1w)))


def _raw(entities: Entities) -> dict[str, str | None]:
    """Return what a name says of the raw image."""
    return {name: entities.get(name) for name in prepared_patterns()["raw_entities"]}


def _judged(images: Iterable[Image], modality: str, wanted: Wanted) -> dict[Path, Verdict]:
    return {path: wanted.judge(modality, entities) for path, entities in images}


def _chosen(images: list[Image], modality: str, wanted: Wanted) -> Choice:
    return choose(images, default_queries()[modality]["prefer"], wanted.asked_for(modality))


def _matching(files: Iterable[Image], wanted: Mapping[str, Any]) -> Iterator[Image]:
    """Give the files whose names say what is wanted and, beside it, nothing but the raw image's entities."""
    known = {"sub", "ses", "suffix", "extension", *prepared_patterns()["raw_entities"], *wanted}
    for path, entities in files:
        fits = all(entities.get(name) == value for name, value in wanted.items() if name != "extension")
        extensions = (wanted["extension"],) if "extension" in wanted else _IMAGE
        if fits and entities.keys() <= known and entities["extension"] in extensions:
            yield path, entities


def _fewest(files: Iterable[Image]) -> Path | None:
    """Return the file whose name has the fewest entities, if there is any."""
    ranked = sorted(files, key=lambda file: (len(file[1]), not file[0].name.endswith(".gz"), file[0].name))
    return ranked[0][0] if ranked else None
