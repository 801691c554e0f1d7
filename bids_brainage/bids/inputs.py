"""What one session's estimate starts from: raw images, and what others have prepared."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bids_brainage import messages
from bids_brainage.bids.choice import Choice, Image, choose
from bids_brainage.bids.content import is_elsewhere
from bids_brainage.bids.dataset import read_json
from bids_brainage.bids.derivatives import Origin, Preparations
from bids_brainage.bids.given import GivenImages
from bids_brainage.bids.naming import session_name, sidecar
from bids_brainage.bids.prepared import PreprocessedInputs
from bids_brainage.bids.queries import default_queries
from bids_brainage.bids.sessions import Images, listed, prepared
from bids_brainage.bids.uris import bids_uri
from bids_brainage.errors import InputError
from bids_brainage.quoting import one_line
from bids_brainage.reading import check_regular
from bids_brainage.suggestions import some


@dataclass(frozen=True)
class SessionInputs:
    """Everything one estimate starts from.

    Attributes
    ----------
    participant, session : str
        Labels without ``sub-`` and ``ses-``; session is None in a dataset without sessions.
    images : mapping of str to tuple of Path
        Raw images by modality (T1w, FLAIR, T2starw): the runs of one kind, sorted. A modality that the
        session does not have is absent; T1w may be, if `derivative` or `freesurfer_brain` replaces it.
    suffixes : mapping of str to str
        BIDS suffix of each modality's files (``swi`` or ``MEGRE`` for some T2starw, ``UNIT1`` for some T1w).
    freesurfer_brain : Path or None
        brain.finalsurfs.mgz of --fs-subjects-dir.
    derivative : PreprocessedInputs or None
        Preprocessed images of --derivatives.
    age : float or None
        Chronological age in years; None if unknown; then there is no DBA.
    sex : str or None
        As participants.tsv has it.
    simulated : bool
        Whether the dataset was made by bids_brainage_simulate.
    measured : float or None
        Value in the column of participants.tsv that the model estimates, if that is not age.
    groups : mapping of str to str
        Entries in the columns of participants.tsv by which the model's norms tell people apart; a missing
        one as None.
    warnings : tuple of str
        Sentences for the log and the report.
    sources : mapping of (str, str) to Path
        By modality and source, files that networks take in as they are: ``given`` ones and FreeSurfer's.
    datasets : mapping of str to Path
        Roots of the datasets that the files come from, by the names that URIs give them.
    """

    participant: str
    session: str | None
    images: Mapping[str, tuple[Path, ...]]
    suffixes: Mapping[str, str] = field(default_factory=dict)
    freesurfer_brain: Path | None = None
    derivative: PreprocessedInputs | None = None
    age: float | None = None
    sex: str | None = None
    simulated: bool = False
    measured: float | None = None
    groups: Mapping[str, str | None] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    sources: Mapping[tuple[str, str], Path] = field(default_factory=dict)
    datasets: Mapping[str, Path] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """``sub-XX`` or ``sub-XX_ses-Y``."""
        return session_name(self.participant, self.session)

    @property
    def origin(self) -> Origin:
        """Who prepared the T1w image: FreeSurfer's takes precedence over derivatives, these over raw."""
        if self.freesurfer_brain is not None:
            return Origin.FREESURFER
        return Origin.RAW if self.derivative is None else Origin.PREPROCESSED

    @property
    def flair_origin(self) -> Origin | None:
        """Who prepared the FLAIR image, if there is one: raw takes precedence over derivatives."""
        if self.images.get("FLAIR"):
            return Origin.RAW
        has_flair = self.derivative is not None and self.derivative.flair is not None
        return Origin.PREPROCESSED if has_flair else None

    @property
    def flair_is_aligned(self) -> bool:
        """Whether the FLAIR used lies in the space of the T1w used, so that it need not be registered."""
        both = self.origin is self.flair_origin is Origin.PREPROCESSED
        return both and self.derivative is not None and self.derivative.flair_in_t1w_space

    @property
    def template_transforms(self) -> tuple[Path, Path] | None:
        """From the T1w used to MNI152NLin6Asym and back, where derivatives have both; else None."""
        if self.origin is not Origin.PREPROCESSED or self.derivative is None:
            return None
        forward, inverse = self.derivative.t1w_to_template, self.derivative.template_to_t1w
        return (forward, inverse) if forward is not None and inverse is not None else None

    def uri(self, path: Path) -> str:
        """Name one of the input files as BIDS does, for example ``bids:raw:sub-01/anat/...``."""
        return bids_uri(path, self.datasets)


class SessionError(Exception):
    """Why one session cannot be processed; the others are."""


@dataclass(frozen=True)
class Gathering:
    """How the inputs of each session are put together.

    Attributes
    ----------
    preparations : Preparations
        What others have prepared.
    modalities : tuple of str
        Those asked for.
    asked_for : mapping of str to frozenset of str
        By modality, the entities whose values a filter names.
    raw_fallback : bool
        Whether raw images are used where nothing is prepared although it was asked for.
    given : tuple of str
        Modalities of which an image is taken in that the user brought to the template.
    given_images : GivenImages, optional
        Where these are.
    """

    preparations: Preparations
    modalities: tuple[str, ...]
    asked_for: Mapping[str, frozenset[str]]
    raw_fallback: bool = False
    given: tuple[str, ...] = ()
    given_images: GivenImages | None = None

    def inputs(self, participant: str, session: str | None, images: Images) -> SessionInputs:
        """Put together one session's images.

        Raises
        ------
        SessionError
            Why they are not enough.
        """
        name = session_name(participant, session)
        given = self._given(participant, session)
        derivative, brain = prepared(participant, session, self.preparations)
        if derivative is not None and "FLAIR" not in self.modalities:
            derivative = derivative.without_flair()
        of_given = {source for source, _ in given.values()}
        warnings = self._told_of_preparation(participant, session, derivative, brain, of_given)
        if derivative is not None:
            for modality in (*([] if brain else ["T1w"]), *([] if images.get("FLAIR") else ["FLAIR"])):
                warnings += _told_of_prepared(name, derivative, modality)
        if not (images.get("T1w") or derivative or brain):
            raise SessionError(messages.NO_T1W.format(name=name, found=listed(images) or "nothing"))
        sources = self.preparations.freesurfer_images(brain) if brain else {}
        sources |= {(modality, "given"): path for modality, (_, path) in given.items()}
        prepared_files = (*(derivative.files if derivative else ()), *((brain,) if brain else ()))
        for path in (*prepared_files, *sources.values()):
            _check_file(path)
        choices: dict[str, Choice] = {}
        for modality, files in images.items():
            prefer, asked_for = (
                default_queries()[modality]["prefer"],
                self.asked_for.get(modality, frozenset()),
            )
            choices[modality] = choose(files, prefer, asked_for)
            warnings += _choice_warnings(name, modality, choices[modality])
            warnings += _origin_warnings(
                name, session, modality, files, is_prepared=bool(derivative or brain)
            )
        has_flair = derivative is not None and derivative.flair is not None
        warnings += [
            messages.MODALITY_MISSING.format(name=name, modality=modality)
            for modality in self.modalities
            if modality not in choices and modality != "T1w" and not (modality == "FLAIR" and has_flair)
        ]
        return SessionInputs(
            participant,
            session,
            images={modality: choice.paths for modality, choice in choices.items()},
            suffixes={modality: choice.suffix for modality, choice in choices.items()},
            freesurfer_brain=brain,
            derivative=derivative,
            warnings=tuple(warnings),
            sources=sources,
        )

    def _given(self, participant: str, session: str | None) -> dict[str, tuple[str, Path]]:
        """By modality, the dataset and place of the image that the user brought to the template.

        Raises
        ------
        SessionError
            If there is none, or more than one.
        """
        if self.given_images is None:
            return {}
        try:
            return {name: self.given_images.of(participant, session, name) for name in self.given}
        except InputError as error:
            raise SessionError(str(error)) from error

    def _told_of_preparation(
        self,
        participant: str,
        session: str | None,
        derivative: PreprocessedInputs | None,
        brain: Path | None,
        of_given: Collection[str] = (),
    ) -> list[str]:
        """Return what should be known about how the session was prepared by others.

        A dataset that has the given image (`of_given`) need not have a prepared T1w image as well.

        Raises
        ------
        SessionError
            If it was not, although that was asked for.
        """
        name = session_name(participant, session)
        if self.preparations.are_asked_for and derivative is None and brain is None:
            facts = {"name": name, "lack": self.preparations.lack(participant, session, apart=of_given)}
            if not facts["lack"]:
                return []
            if not self.raw_fallback:
                raise SessionError(messages.NOT_PREPARED_BY_OTHERS.format(**facts))
            return [messages.RAW_INSTEAD.format(**facts)]
        if brain is not None:
            is_own = brain == self.preparations.freesurfer_brain(participant, session)
            doubt = self.preparations.brain_doubt(participant, session if is_own else None)
            return [messages.PREPARED_DOUBT.format(name=name, file=brain, doubt=doubt)] if doubt else []
        if derivative is None:
            return []
        lack = self.preparations.lack(participant, session, before=derivative.source)
        return [messages.NOT_THE_FIRST.format(name=name, lack=lack, source=derivative.source)] if lack else []


def _told_of_prepared(name: str, derivative: PreprocessedInputs, modality: str) -> list[str]:
    """Return what should be known about the prepared image of a modality that is used, or about its lack."""
    warnings = []
    if modality == "FLAIR" and derivative.flair_left_out:
        files = some(derivative.flair_left_out, ", ")
        warnings.append(
            messages.PREPARED_FLAIR_LEFT_OUT.format(name=name, source=derivative.source, files=files)
        )
    choice = derivative.choices.get(modality)
    if choice is None:
        return warnings
    chosen, count = one_line(choice.paths[0].name), len(choice.paths) + len(choice.others)
    if count > 1:
        facts = {"count": count, "modality": modality, "chosen": chosen}
        warnings.append(messages.PREPARED_CHOSEN.format(name=name, **facts))
    if modality in derivative.doubts:
        doubt = derivative.doubts[modality]
        warnings.append(messages.PREPARED_DOUBT.format(name=name, file=chosen, doubt=doubt))
    return warnings + _doubtful_choice(name, modality, choice)


def _choice_warnings(name: str, modality: str, choice: Choice) -> list[str]:
    """Check the files chosen for a modality and collect what should be known about the choice."""
    warnings = []
    for path in choice.paths:
        _check_file(path)
        if _broken_json(sidecar(path)):
            warnings.append(messages.BROKEN_SIDECAR.format(path=sidecar(path), name=name))
    facts = {"name": name, "modality": modality, "chosen": one_line(choice.paths[0].name)}
    if choice.others:
        warnings.append(messages.VARIANT_CHOSEN.format(count=len(choice.others) + 1, **facts))
    if choice.suffix == "UNIT1":
        warnings.append(messages.UNIT1_CHOSEN.format(**facts))
    return warnings + _doubtful_choice(name, modality, choice)


def _doubtful_choice(name: str, modality: str, choice: Choice) -> list[str]:
    """Return why an image, raw or prepared, is perhaps not the one that is meant."""
    facts = {"name": name, "modality": modality, "chosen": one_line(choice.paths[0].name)}
    warnings = [
        messages.SAME_NAME.format(name=name, used=_with_folder(used), unused=_with_folder(unused))
        for unused, used in choice.same_name.items()
    ]
    if choice.unread:
        warnings.append(messages.VOXELS_NOT_READ.format(files=some(choice.unread, ", "), **facts))
    if choice.is_last_resort:
        warnings.append(messages.LAST_RESORT.format(**facts))
    return warnings


def _with_folder(path: Path) -> str:
    return one_line(f"{path.parent.name}/{path.name}")


def _origin_warnings(
    name: str, session: str | None, modality: str, files: Sequence[Image], is_prepared: bool
) -> list[str]:
    """Tell that a modality comes from another session than the T1w image, and why."""
    origin = files[0][1].get("ses")
    if origin == session:
        return []
    if session and origin:
        sentence = messages.FROM_ANOTHER_SESSION
    elif session:
        sentence = messages.FROM_NO_SESSION
    else:
        sentence = messages.JOINED_SESSIONS if is_prepared else messages.JOINED_TO_NO_SESSION
    return [sentence.format(name=name, modality=modality, session=origin)]


def _check_file(path: Path) -> None:
    """Raise SessionError unless an image or transform is a regular file and its content is here."""
    if is_elsewhere(path):
        raise SessionError(messages.CONTENT_NOT_HERE.format(path=path))
    try:
        check_regular(path)
    except FileNotFoundError as error:
        raise SessionError(messages.CONTENT_NOT_HERE.format(path=path)) from error
    except OSError as error:
        raise SessionError(messages.IMAGE_NOT_READABLE.format(path=path, reason=error.strerror)) from error


def _broken_json(path: Path) -> bool:
    if not path.exists() and not path.is_symlink():
        return False
    try:
        read_json(path)
    except InputError:
        return True
    return False
