"""Who and what is to be processed: one `SessionInputs` for each session of each participant."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from bids_brainage import messages
from bids_brainage.bids import queries
from bids_brainage.bids.dataset import (
    Dataset,
    index,
    open_dataset,
    read_json,
    session_folders,
)
from bids_brainage.bids.derivatives import Origin, Preparations, PreprocessedInputs
from bids_brainage.bids.naming import session_name, sidecar
from bids_brainage.bids.participants import ParticipantsTable
from bids_brainage.bids.uris import bids_uri, dataset_links
from bids_brainage.config import RunConfig
from bids_brainage.errors import InputError
from bids_brainage.quoting import one_line
from bids_brainage.reading import check_regular
from bids_brainage.suggestions import some, suggestion

Images = dict[str, list[tuple[Path, queries.Entities]]]
BySession = dict[str | None, Images]


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
        BIDS suffix of each modality's files (``swi`` for some T2starw).
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
    warnings : tuple of str
        Sentences for the log and the report.
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
    warnings: tuple[str, ...] = ()
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
        prepared = self.origin is self.flair_origin is Origin.PREPROCESSED
        return prepared and self.derivative is not None and self.derivative.flair_in_t1w_space

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


@dataclass(frozen=True)
class Selection:
    """Who is to be processed.

    Attributes
    ----------
    sessions : tuple of SessionInputs
        Those that can be processed.
    failed : mapping of str to str
        By name (``sub-XX[_ses-Y]``) those that cannot, each with the reason.
    left_out : tuple of str
        Sentences about sessions that are not processed although nothing is wrong with them.
    """

    sessions: tuple[SessionInputs, ...]
    failed: Mapping[str, str]
    left_out: tuple[str, ...] = ()


def read_selection(config: RunConfig) -> Selection:
    """Read from the dataset who and what is to be processed.

    Raises
    ------
    InputError
        If the dataset, a table, a label or the filter file is not usable, if nothing is selected, or if
        no selected session has a T1w image.
    """
    dataset = open_dataset(config.bids_dir, config.participant_label)
    preparations = Preparations(config.derivatives, config.fs_subjects_dir)
    table = ParticipantsTable(dataset.root / "participants.tsv")
    datasets = dataset_links(config.bids_dir, config.derivatives, config.fs_subjects_dir)
    found, misplaced = _find(dataset, config)
    ready: list[SessionInputs] = []
    failed: dict[str, str] = {}
    left_out = [*_ignored(dataset, misplaced), *table.notes]
    for participant in dataset.participants:
        try:
            sessions = Sessions(participant, found.get(participant, {}), preparations, config.session_label)
        except InputError as problem:
            failed[session_name(participant, None)] = str(problem)
            continue
        left_out += sessions.left_out
        for session, images in sessions.chosen.items():
            try:
                inputs = _inputs(participant, session, images, preparations, config.modalities)
                person = table.person(participant, session)
            except (SessionError, InputError) as problem:
                failed[session_name(participant, session)] = str(problem)
                continue
            ready.append(
                replace(
                    inputs,
                    age=person.age,
                    sex=person.sex,
                    simulated=dataset.simulated,
                    warnings=(*inputs.warnings, *person.warnings),
                    datasets=datasets,
                )
            )
    if not ready:
        _complain(failed, found, dataset, config)
    return Selection(tuple(ready), failed, tuple(left_out))


class SessionError(Exception):
    """Why one session cannot be processed; the others are."""


def _find(dataset: Dataset, config: RunConfig) -> tuple[dict[str, BySession], list[str]]:
    """Return the images found, by participant, session and modality, and those whose names do not fit."""
    filters = queries.read_filters(config.bids_filter_file)
    layout = index(dataset, config.session_label, config.bids_database_dir)
    found: dict[str, BySession] = defaultdict(lambda: defaultdict(dict))
    misplaced: list[str] = []
    for modality in dict.fromkeys(("T1w", *config.modalities)):
        images, odd = queries.find_images(
            layout,
            dataset.root,
            modality,
            dataset.participants,
            config.session_label,
            filters.get(modality.lower()),
            config.bids_filter_file,
        )
        misplaced += odd
        for (participant, session), files in images.items():
            found[participant][session][modality] = files
    return found, misplaced


def _ignored(dataset: Dataset, misplaced: list[str]) -> list[str]:
    """Report what is left out because its name is not valid in BIDS."""
    sentences = []
    if dataset.ignored:
        names = some(dataset.ignored, ", ")
        sentences.append(messages.NOT_A_LABEL.format(path=dataset.root, names=names))
    if misplaced:
        names = some(sorted(misplaced), ", ")
        sentences.append(messages.MISPLACED_IMAGE.format(path=dataset.root, names=names))
    return sentences


class Sessions:
    """Decide which of a participant's sessions get an estimate, and from which images.

    A session stands for itself if it has a T1w image, raw or preprocessed. If exactly one has, what it
    lacks is taken from the others, as in studies that spread one examination over several visits; if
    several have, sessions without are left out. One preprocessed T1w of several sessions together gives
    one estimate, without a session in its name.

    Attributes
    ----------
    chosen : dict
        Images by session; the session None is a participant without sessions, or all of them together.
    left_out : list of str
        Sentences about what is not processed.
    """

    def __init__(
        self,
        participant: str,
        found: BySession,
        preparations: Preparations,
        asked_for: tuple[str, ...] = (),
    ) -> None:
        self.participant = participant
        self.preparations = preparations
        self.asked_for = asked_for
        self.left_out: list[str] = []
        self.chosen = self._choose(found)

    def _choose(self, found: BySession) -> BySession:
        everything = sorted(found, key=lambda session: session or "")
        if not found and self.asked_for and not self._has_prepared(None):
            self.left_out.append(messages.NOT_IN_SESSION.format(name=session_name(self.participant, None)))
            return {}
        if not found:
            return {None: {}}
        reference = [ses for ses in everything if found[ses].get("T1w") or self._has_prepared(ses)]
        own = set(reference)
        separate = any(self._has_prepared(session) for session in everything if session)
        if len(everything) > 1 and len(reference) != 1 and not separate and self._has_prepared(None):
            return {None: self._join({}, found)}
        if not reference and len(everything) == 1 and self._has_prepared(None):
            reference = everything
        if not reference:
            return {session: found[session] for session in everything}
        if len(reference) == 1:
            return {reference[0]: self._join(found[reference[0]], found)}
        for session in (session for session in everything if session not in own):
            name = session_name(self.participant, session)
            self.left_out.append(messages.SESSION_LEFT_OUT.format(name=name, found=_and(found[session])))
        return {session: found[session] for session in reference}

    def _has_prepared(self, session: str | None) -> bool:
        return any(_prepared_of(self.participant, session, self.preparations))

    @staticmethod
    def _join(images: Images, found: BySession) -> Images:
        """Return a session's images, and what it lacks from the first other session that has it."""
        joined = dict(images)
        for session in sorted(found, key=lambda session: session or ""):
            for modality, files in found[session].items():
                joined.setdefault(modality, files)
        return joined


def _inputs(
    participant: str,
    session: str | None,
    images: Images,
    preparations: Preparations,
    modalities: tuple[str, ...],
) -> SessionInputs:
    """Put together one session's images; SessionError says why they are not enough."""
    name = session_name(participant, session)
    derivative, brain = _prepared(participant, session, preparations)
    if derivative is not None and "FLAIR" not in modalities:
        derivative = replace(derivative, flair=None, flair_in_t1w_space=False)
    if not (images.get("T1w") or derivative or brain):
        raise SessionError(messages.NO_T1W.format(name=name, found=_and(images) or "nothing"))
    for path in (*(derivative.files if derivative else ()), *((brain,) if brain else ())):
        _check_file(path)
    warnings: list[str] = []
    paths: dict[str, tuple[Path, ...]] = {}
    suffixes: dict[str, str] = {}
    for modality, files in images.items():
        paths[modality], suffixes[modality], others = queries.choose(modality, files)
        warnings += _image_warnings(name, session, modality, files, paths[modality], others)
    has_flair = derivative is not None and derivative.flair is not None
    warnings += [
        messages.MODALITY_MISSING.format(name=name, modality=modality)
        for modality in modalities
        if modality not in paths and modality != "T1w" and not (modality == "FLAIR" and has_flair)
    ]
    return SessionInputs(
        participant,
        session,
        images=paths,
        suffixes=suffixes,
        freesurfer_brain=brain,
        derivative=derivative,
        warnings=tuple(warnings),
    )


def _image_warnings(
    name: str,
    session: str | None,
    modality: str,
    files: list[tuple[Path, queries.Entities]],
    chosen: tuple[Path, ...],
    others: list[str],
) -> list[str]:
    """Check the files chosen for a modality and collect what should be known about the choice."""
    warnings = []
    for path in chosen:
        _check_file(path)
        if _broken_json(sidecar(path)):
            warnings.append(messages.BROKEN_SIDECAR.format(path=sidecar(path), name=name))
    if others:
        warnings.append(
            messages.VARIANT_CHOSEN.format(
                name=name, count=len(others) + 1, modality=modality, chosen=one_line(chosen[0].name)
            )
        )
    origin = files[0][1].get("ses")
    if origin != session:
        sentence = messages.FROM_ANOTHER_SESSION if session else messages.JOINED_SESSIONS
        warnings.append(sentence.format(name=name, modality=modality, session=origin))
    return warnings


def _check_file(path: Path) -> None:
    """Raise SessionError unless an image or transform is a regular file or a link to one."""
    try:
        check_regular(path)
    except FileNotFoundError as error:
        raise SessionError(messages.CONTENT_NOT_HERE.format(path=path)) from error
    except OSError as error:
        raise SessionError(messages.IMAGE_NOT_READABLE.format(path=path, reason=error.strerror)) from error


def _prepared(
    participant: str, session: str | None, preparations: Preparations
) -> tuple[PreprocessedInputs | None, Path | None]:
    """Find what was prepared of a session or, failing that, of the participant as a whole."""
    found = _prepared_of(participant, session, preparations)
    if session and not any(found):
        return _prepared_of(participant, None, preparations)
    return found


def _prepared_of(
    participant: str, session: str | None, preparations: Preparations
) -> tuple[PreprocessedInputs | None, Path | None]:
    return (
        preparations.images(participant, session),
        preparations.freesurfer_brain(participant, session),
    )


def _broken_json(path: Path) -> bool:
    if not path.exists():
        return False
    try:
        read_json(path)
    except InputError:
        return True
    return False


def _complain(
    failed: Mapping[str, str], found: Mapping[str, BySession], dataset: Dataset, config: RunConfig
) -> None:
    """Raise the sentence that best explains why nothing can be processed."""
    if config.session_label and not found:
        known = session_folders(dataset)
        unknown = sorted(set(config.session_label) - known)
        if unknown:
            hint = suggestion(unknown, known)
            raise InputError(
                messages.UNKNOWN_SESSION.format(labels=some(unknown), path=dataset.root, hint=hint)
            )
    if not found:
        modalities = " or ".join(dict.fromkeys(("T1w", *config.modalities)))
        raise InputError(messages.EMPTY_SELECTION.format(modalities=modalities, path=dataset.root))
    if len(set(failed.values())) == 1:
        raise InputError(next(iter(failed.values())))
    if any("T1w" in images for sessions in found.values() for images in sessions.values()):
        first = next(iter(failed.values()))
        raise InputError(messages.NOTHING_LEFT.format(count=len(failed), first=first))
    raise InputError(messages.NO_T1W_AT_ALL.format(count=len(failed), path=dataset.root))


def _and(images: Mapping[str, object]) -> str:
    return " and ".join(sorted(images))
