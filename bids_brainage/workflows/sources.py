"""What sessions start from: files by modality, who has all of them, and what tables say of the target."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bids_brainage import messages
from bids_brainage.bids.needs import Needs
from bids_brainage.bids.selection import Selection, SessionInputs
from bids_brainage.config import RunConfig
from bids_brainage.errors import ImageError, InputError
from bids_brainage.records.session import source_stage

if TYPE_CHECKING:
    from bids_brainage.models.bundles.bundle import Bundle

LOGGER = logging.getLogger(__name__)


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


def source_files(session: SessionInputs, scanned: Collection[str]) -> dict[str, tuple[Path, ...]]:
    """The files of images that networks take in as they are, by stage.

    Parameters
    ----------
    session : SessionInputs
    scanned : collection of str
        Modalities whose raw images are taken as scanned.
    """
    native = {
        source_stage(name, "native"): session.images[name] for name in scanned if name in session.images
    }
    return native | {source_stage(*key): (path,) for key, path in session.sources.items()}


def with_fitting_images(selection: Selection, needs: Needs) -> Selection:
    """The selection where those have failed by name whose given image is not on the grid that a model wants.

    Raises
    ------
    InputError
        If nobody is left.
    """
    if not needs.given:
        return selection
    failed = {
        session.name: problem
        for session in selection.sessions
        if (problem := _misfit(session, needs)) is not None
    }
    return _without(selection, failed)


def _misfit(session: SessionInputs, needs: Needs) -> str | None:
    """Why a given image of a session cannot be used; None if there is nothing wrong with any."""
    from bids_brainage.preprocessing.header import read_grid
    from bids_brainage.preprocessing.recipes.grids import check_on, template_lattice

    try:
        for modality, grid in needs.given.items():
            path = session.sources[modality, "given"]
            check_on(template_lattice(grid), *read_grid(path), name=str(path))
    except ImageError as error:
        return str(error)
    return None


def _without(selection: Selection, failed: Mapping[str, str]) -> Selection:
    """The selection where some have failed; InputError if nobody is left."""
    left = tuple(session for session in selection.sessions if session.name not in failed)
    together = {**selection.failed, **failed}
    if not left:
        first = next(iter(failed.values()))
        raise InputError(messages.NOTHING_LEFT.format(count=len(together), first=first))
    return replace(selection, sessions=left, failed=together)


def with_all_modalities(selection: Selection, config: RunConfig) -> Selection:
    """The selection where, under --require-all-modalities, who lacks one has failed by name.

    Raises
    ------
    InputError
        If nobody is left.
    """
    if not config.require_all_modalities:
        return selection
    lacking = {
        session.name: [name for name in config.modalities if name not in sequence_files(session)]
        for session in selection.sessions
    }
    failed = {
        name: messages.MODALITY_REQUIRED.format(name=name, modalities=" and ".join(missing))
        for name, missing in lacking.items()
        if missing
    }
    return _without(selection, failed)


def with_groups(
    sessions: Sequence[SessionInputs], config: RunConfig, bundles: Sequence[Bundle]
) -> list[SessionInputs]:
    """The sessions with what the tables say of the columns by which the bundles' norms tell people apart."""
    norms = [own for bundle in bundles for own in bundle.region_norms]
    columns = sorted({column for own in norms for column in own.facts.levels})
    if not columns or config.no_relevance or "dba" not in config.explain:
        return list(sessions)
    from bids_brainage.bids.participants import ParticipantsTable

    table = ParticipantsTable(config.bids_dir / "participants.tsv")
    return [
        replace(
            session,
            groups={column: table.group(session.participant, session.session, column) for column in columns},
        )
        for session in sessions
    ]


def with_measured(
    sessions: Sequence[SessionInputs], config: RunConfig, bundle: Bundle
) -> list[SessionInputs]:
    """The sessions with what the tables say of the bundle's target, if that is not age."""
    if bundle.estimates_age:
        return list(sessions)
    from bids_brainage.bids.participants import ParticipantsTable

    table, column = ParticipantsTable(config.bids_dir / "participants.tsv"), bundle.record.target
    found = []
    for session in sessions:
        value = table.number(session.participant, session.session, column)
        warnings = session.warnings
        if value is None:
            sentence = messages.NO_MEASURED_VALUE.format(path=table.path, name=session.name, column=column)
            LOGGER.warning("%s", sentence)
            warnings = (*warnings, sentence)
        found.append(replace(session, measured=value, warnings=warnings))
    return found
