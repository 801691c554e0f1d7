"""The one writer of finished sessions: data first, sidecars after, the record of completion last."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bids_brainage
from bids_brainage.atomic import replacing
from bids_brainage.bids.naming import sidecar
from bids_brainage.records.files import sha256_of, write_json
from bids_brainage.records.reading import SessionPlace, read_record
from bids_brainage.records.session import (
    FileMark,
    InputMark,
    Role,
    SessionRecord,
    Stage,
    StageKey,
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
    key: StageKey,
    fingerprint: str,
    outputs: Sequence[Output],
    *,
    inputs: Mapping[str, InputMark] | None = None,
    seconds: Mapping[str, float] | None = None,
    model: str | None = None,
    beside: Collection[str] = (),
    left_out: str | None = None,
) -> SessionRecord:
    """Put the files of a finished stage where they belong, and say so in the session's record.

    What the stage consisted of before, and what depended on it, is first taken out of the record and its
    files are removed: the record never calls anything finished that is partly new. If a run is killed
    meanwhile, the next `publish` removes what was left behind. Two calls for one session must not run at
    the same time.

    Parameters
    ----------
    place : SessionPlace
    key : StageKey
    fingerprint : str
        Of all that decides the result.
    outputs : sequence of Output
    inputs : mapping of str to InputMark, optional
        What the stage was made of.
    seconds : mapping of str to float, optional
        That its steps took.
    model : str, optional
        Of an estimate, sha256 of the bundle; what other bundles estimated is removed.
    beside : collection of str
        sha256 of bundles whose estimates stay all the same.
    left_out : str, optional
        Of a sequence without files, why its image cannot be used.

    Returns
    -------
    SessionRecord
        As it is on disk now.
    """
    planned = [_below(place, path) for path in _planned(outputs)]
    begun = _begun(place, key, planned, {model, *beside})
    begun.write(place.record)
    for half in place.record.parent.glob(".tmp-*"):
        # Of a writer that was killed; no other one is at work here.
        half.unlink(missing_ok=True)
    for path in set(begun.pending) - set(planned):
        (place.out_dir / path).unlink(missing_ok=True)
    marks = [_write(place, output) for output in outputs]
    marks += [_write_sidecar(place, output) for output in outputs if output.sidecar is not None]
    stage = Stage(
        fingerprint=fingerprint,
        files=tuple(marks),
        inputs=dict(inputs or {}),
        seconds=dict(seconds or {}),
        model=model,
        left_out=left_out,
    )
    done = begun.with_stage(key, stage).model_copy(update={"pending": ()})
    done.write(place.record)
    return done


def note_seconds(place: SessionPlace, seconds: Mapping[StageKey, Mapping[str, float]]) -> None:
    """Note how long the steps of finished stages took; unfinished ones are skipped."""
    record = read_record(place)
    if record is None:
        return
    noted = record
    for key, own in seconds.items():
        stage = noted.stage(key)
        if stage is not None and own:
            noted = noted.with_stage(key, stage.model_copy(update={"seconds": {**stage.seconds, **own}}))
    if noted != record:
        noted.write(place.record)


def _begun(
    place: SessionPlace, key: StageKey, planned: Sequence[str], models: Collection[str | None]
) -> SessionRecord:
    """The record without a stage and what depends on it; their files, and those to come, are pending."""
    before = read_record(place) or _new_record(place)
    kept = before.without(key, models)
    finished = {mark.path for mark in kept.files()}
    gone = [mark.path for mark in before.files() if mark.path not in finished]
    pending = [path for path in (*before.pending, *gone, *planned) if path not in finished]
    return kept.model_copy(
        update={"version": bids_brainage.__version__, "pending": tuple(dict.fromkeys(pending))}
    )


def _new_record(place: SessionPlace) -> SessionRecord:
    """A record of nothing. What an earlier one, lost or of another schema, may have named is pending."""
    folder = place.record.parent
    left = sorted(folder.glob(f"{place.name}_*")) if folder.is_dir() else []
    return SessionRecord(
        participant_id=place.participant,
        session_id=place.session,
        version=bids_brainage.__version__,
        pending=tuple(_below(place, path) for path in left if path.is_file() and path != place.record),
    )


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
