"""The one writer of finished sessions: data first, sidecars after, the record of completion last."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bids_brainage
from bids_brainage.atomic import replacing
from bids_brainage.bids.naming import sidecar
from bids_brainage.records.files import sha256_of, write_json
from bids_brainage.records.reading import SessionPlace, read_record
from bids_brainage.records.session import (
    PREPROCESSING,
    FileMark,
    InputMark,
    Role,
    SessionRecord,
    Stage,
)


@dataclass(frozen=True, eq=False)
class Output:
    """One file of a stage.

    Attributes
    ----------
    role : Role
    path : Path
        Where it goes, below the output folder.
    write : callable
        Writes it to the path it is given, and raises if what is there afterwards is not whole.
    about : mapping of str to str
        See `FileMark`.
    sidecar : mapping, optional
        Content of the JSON file beside it.
    """

    role: Role
    path: Path
    write: Callable[[Path], object]
    about: Mapping[str, str] = field(default_factory=dict)
    sidecar: Mapping[str, Any] | None = None


def publish(
    place: SessionPlace,
    stage: str,
    fingerprint: str,
    outputs: Sequence[Output],
    inputs: Mapping[str, InputMark] | None = None,
) -> SessionRecord:
    """Put the files of a finished stage where they belong, and say so in the session's record.

    What the stage consisted of before, and what stood on it, is taken out of the record first and its files
    are removed: at no moment does the record call finished what is partly new. Killed on the way, the next
    `publish` removes what was left behind.

    Parameters
    ----------
    place : SessionPlace
    stage : str
        `PREPROCESSING`, or the name of an ensemble.
    fingerprint : str
        Of all that decides the result.
    outputs : sequence of Output
    inputs : mapping of str to InputMark, optional
        The files that the stage was made of; those of before stay without it.

    Returns
    -------
    SessionRecord
        As it is on disk now.
    """
    begun = _without(place, stage, [_below(place, path) for path in _planned(outputs)])
    if inputs is not None:
        begun = begun.model_copy(update={"inputs": dict(inputs)})
    begun.write(place.record)
    planned = set(_planned(outputs))
    for path in begun.pending:
        if place.out_dir / path not in planned:
            (place.out_dir / path).unlink(missing_ok=True)
    marks = [_write(place, output) for output in outputs]
    marks += [_write_sidecar(place, output) for output in outputs if output.sidecar is not None]
    done = _with_stage(begun, stage, Stage(fingerprint=fingerprint, files=tuple(marks)))
    done.write(place.record)
    return done


def note_seconds(place: SessionPlace, seconds: Mapping[str, Mapping[str, float]]) -> None:
    """Note how long the steps of finished stages took, by stage."""
    record = read_record(place)
    if record is None:
        return
    noted = record
    for name, stage in record.stages():
        own = dict(seconds.get(name, {}))
        if own:
            noted = _with_stage(noted, name, stage.model_copy(update={"seconds": own}))
    if noted != record:
        noted.write(place.record)


def _without(place: SessionPlace, stage: str, planned: Sequence[str]) -> SessionRecord:
    """The record less a stage and what stands on it; their files, and those to come, are pending."""
    before = read_record(place) or SessionRecord(
        participant_id=place.participant, session_id=place.session, version=bids_brainage.__version__
    )
    dropped = [own for name, own in before.stages() if stage in (PREPROCESSING, name)]
    left = {name: own for name, own in before.estimates.items() if stage not in (PREPROCESSING, name)}
    old = [mark.path for own in dropped for mark in own.files]
    kept = before.model_copy(
        update={
            "version": bids_brainage.__version__,
            "preprocessing": None if stage == PREPROCESSING else before.preprocessing,
            "estimates": left,
        }
    )
    finished = {mark.path for mark in kept.files()}
    pending = dict.fromkeys((*before.pending, *old, *planned))
    return kept.model_copy(update={"pending": tuple(path for path in pending if path not in finished)})


def _with_stage(record: SessionRecord, name: str, stage: Stage) -> SessionRecord:
    if name == PREPROCESSING:
        return record.model_copy(update={"preprocessing": stage, "pending": ()})
    estimates = dict(sorted({**record.estimates, name: stage}.items()))
    return record.model_copy(update={"estimates": estimates, "pending": ()})


def _planned(outputs: Iterable[Output]) -> list[Path]:
    paths = [output.path for output in outputs]
    return paths + [sidecar(output.path) for output in outputs if output.sidecar is not None]


def _write(place: SessionPlace, output: Output) -> FileMark:
    with replacing(output.path) as temporary:
        output.write(temporary)
        mark = _mark(place, output.path, temporary, output.role, output.about)
    return mark


def _write_sidecar(place: SessionPlace, output: Output) -> FileMark:
    path = write_json(sidecar(output.path), output.sidecar)
    return _mark(place, path, path, "sidecar", {"of": _below(place, output.path)})


def _mark(place: SessionPlace, path: Path, written: Path, role: Role, about: Mapping[str, str]) -> FileMark:
    return FileMark(
        path=_below(place, path),
        role=role,
        bytes=written.stat().st_size,
        sha256=sha256_of(written),
        about=dict(about),
    )


def _below(place: SessionPlace, path: Path) -> str:
    return path.relative_to(place.out_dir).as_posix()
