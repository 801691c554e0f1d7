"""Who and what is to be processed: one `SessionInputs` for each session of each participant."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bids_brainage import messages
from bids_brainage.bids import queries
from bids_brainage.bids.dataset import Dataset, index, open_dataset, read_json
from bids_brainage.bids.derivatives import (
    PreprocessedInputs,
    check_derivatives,
    check_subjects_dir,
    find_freesurfer_brain,
    find_preprocessed,
)
from bids_brainage.bids.naming import session_name, sidecar
from bids_brainage.bids.tables import Ages
from bids_brainage.config import RunConfig
from bids_brainage.errors import InputError

_log = logging.getLogger(__name__)

Images = dict[str, list[tuple[Path, queries.Entities]]]


@dataclass(frozen=True)
class SessionInputs:
    """All that one estimate starts from.

    Attributes
    ----------
    participant, session : str
        Labels without ``sub-`` and ``ses-``; session is None in a dataset without sessions.
    images : mapping of str to tuple of Path
        Raw images by modality (T1w, FLAIR, T2starw): the runs of one kind, sorted. A modality that the
        session does not have is absent; T1w may be, where `derivative` or `freesurfer_brain` stands for it.
    suffixes : mapping of str to str
        BIDS suffix of each modality's files (``swi`` for some T2starw).
    freesurfer_brain : Path or None
        brain.finalsurfs.mgz of --fs-subjects-dir.
    derivative : PreprocessedInputs or None
        Preprocessed images of --derivatives.
    age : float or None
        Chronological age in years; None if it is not known, then there is no DBA.
    sex : str or None
        As participants.tsv has it.
    simulated : bool
        Whether the dataset was made by bids_brainage_simulate.
    warnings : tuple of str
        Sentences for the log and the report.
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
    warnings: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """``sub-XX`` or ``sub-XX_ses-Y``."""
        return session_name(self.participant, self.session)


@dataclass(frozen=True)
class Selection:
    """Sessions that can be processed, and by name those that cannot, each with the reason."""

    sessions: tuple[SessionInputs, ...]
    failed: Mapping[str, str]
    left_out: tuple[str, ...] = ()


def select(config: RunConfig) -> list[SessionInputs]:
    """Return the inputs of every session that is asked for and can be processed.

    See `read_selection`, which also tells who cannot be processed and why.
    """
    return list(read_selection(config).sessions)


def read_selection(config: RunConfig) -> Selection:
    """Read from the dataset who and what is to be processed.

    Raises
    ------
    InputError
        If the dataset, a table, a label or the filter file is not usable, if nothing is selected, or if
        no selected session has a T1w image.
    """
    dataset = open_dataset(config.bids_dir, config.participant_label)
    check_derivatives(config.derivatives)
    check_subjects_dir(config.fs_subjects_dir)
    found = _find(dataset, config)
    ages = Ages(dataset.root)
    ready: list[SessionInputs] = []
    failed: dict[str, str] = {}
    left_out: list[str] = []
    for participant in dataset.participants:
        for session, images in _sessions(participant, found, config, left_out).items():
            try:
                ready.append(_inputs(participant, session, images, dataset, ages, config))
            except SessionError as problem:
                failed[session_name(participant, session)] = str(problem)
    if not ready:
        _complain(failed, dataset.root, config)
    for sentence in left_out:
        _log.warning(sentence)
    return Selection(tuple(ready), failed, tuple(left_out))


class SessionError(Exception):
    """Why one session cannot be processed; the others go on."""


def _find(dataset: Dataset, config: RunConfig) -> dict[queries.Session, Images]:
    """Return the images found, by (participant, session) and modality."""
    filters = queries.read_filters(config.bids_filter_file)
    layout = index(dataset, config.session_label, config.bids_database_dir)
    found: dict[queries.Session, Images] = defaultdict(dict)
    for modality in dict.fromkeys(("T1w", *config.modalities)):
        images = queries.find_images(
            layout,
            modality,
            dataset.participants,
            config.session_label,
            filters.get(modality.lower()),
            config.bids_filter_file,
        )
        for key, files in images.items():
            found[key][modality] = files
    return found


def _sessions(
    participant: str, found: Mapping[queries.Session, Images], config: RunConfig, left_out: list[str]
) -> dict[str | None, Images]:
    """Return a participant's sessions, each with the images its estimate rests on.

    Sessions with an anatomical reference stand for themselves. If exactly one session has one, what it
    lacks is taken from the others; if several have, sessions without are left out.
    """
    sessions = {key[1]: images for key, images in found.items() if key[0] == participant}
    reference = [session for session in sessions if _has_reference(participant, session, sessions, config)]
    if not sessions and _has_reference(participant, None, {}, config):
        return {None: {}}
    if not sessions:
        return {None: {}}
    if not reference:
        return {session: sessions[session] for session in sorted(sessions, key=str)}
    if len(reference) == 1:
        return {reference[0]: _join(reference[0], sessions)}
    for session in sorted(set(sessions) - set(reference), key=str):
        name, what = session_name(participant, session), _and(sessions[session])
        left_out.append(messages.SESSION_LEFT_OUT.format(name=name, found=what))
    return {session: sessions[session] for session in sorted(reference, key=str)}


def _has_reference(
    participant: str, session: str | None, sessions: Mapping[str | None, Images], config: RunConfig
) -> bool:
    return bool(
        sessions.get(session, {}).get("T1w")
        or find_preprocessed(config.derivatives, participant, session)
        or find_freesurfer_brain(config.fs_subjects_dir, participant, session)
    )


def _join(session: str | None, sessions: Mapping[str | None, Images]) -> Images:
    """Return a session's images, and what it lacks from the first other session that has it."""
    joined = dict(sessions[session])
    for other in sorted(sessions, key=str):
        for modality, files in sessions[other].items():
            joined.setdefault(modality, files)
    return joined


def _inputs(
    participant: str, session: str | None, images: Images, dataset: Dataset, ages: Ages, config: RunConfig
) -> SessionInputs:
    """Put together one session's inputs; SessionError says why they are not enough."""
    name = session_name(participant, session)
    derivative = find_preprocessed(config.derivatives, participant, session)
    brain = find_freesurfer_brain(config.fs_subjects_dir, participant, session)
    if not (images.get("T1w") or derivative or brain):
        raise SessionError(messages.NO_T1W.format(name=name, found=_and(images) or "nothing"))
    warnings: list[str] = []
    paths: dict[str, tuple[Path, ...]] = {}
    suffixes: dict[str, str] = {}
    for modality, files in images.items():
        paths[modality], suffixes[modality], others = queries.choose(modality, files)
        warnings += _image_warnings(name, session, modality, files, paths[modality], others)
    has_flair = derivative is not None and derivative.flair is not None
    warnings += [
        messages.MODALITY_MISSING.format(name=name, modality=modality)
        for modality in config.modalities
        if modality not in paths and modality != "T1w" and not (modality == "FLAIR" and has_flair)
    ]
    person = ages.of(participant, session)
    return SessionInputs(
        participant,
        session,
        paths,
        suffixes,
        brain,
        derivative,
        person.age,
        person.sex,
        dataset.simulated,
        (*warnings, *person.warnings),
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
        if not path.exists():
            raise SessionError(messages.CONTENT_NOT_HERE.format(path=path))
        if _broken_json(sidecar(path)):
            warnings.append(messages.BROKEN_SIDECAR.format(path=sidecar(path), name=name))
    if others:
        warnings.append(
            messages.VARIANT_CHOSEN.format(
                name=name, count=len(others) + 1, modality=modality, chosen=chosen[0].name
            )
        )
    origin = files[0][1].get("session")
    if origin != session:
        warnings.append(
            messages.FROM_ANOTHER_SESSION.format(name=name, modality=modality, sessions=f"ses-{origin}")
        )
    return warnings


def _broken_json(path: Path) -> bool:
    if not path.is_file():
        return False
    try:
        read_json(path)
    except InputError:
        return True
    return False


def _complain(failed: Mapping[str, str], root: Path, config: RunConfig) -> None:
    """Raise the sentence that says best why nothing can be processed."""
    if len(failed) == 1:
        raise InputError(next(iter(failed.values())))
    raise InputError(messages.NO_T1W_AT_ALL.format(count=len(failed), path=root))


def _and(images: Mapping[str, object]) -> str:
    return " and ".join(sorted(images))
