"""A dataset of finished sessions again, with the same change in everybody's images."""

from __future__ import annotations

import json
import logging
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import bids_brainage
from bids_brainage import messages
from bids_brainage.atomic import write_text
from bids_brainage.bids.dataset import open_dataset, read_json
from bids_brainage.bids.description import BIDS_VERSION, write_bidsignore
from bids_brainage.bids.naming import sidecar
from bids_brainage.bids.output import OWNER
from bids_brainage.errors import BrainAgeError, ImageError, InputError
from bids_brainage.injection.change import Change, load_injection
from bids_brainage.injection.session import alter_session, write_session
from bids_brainage.quoting import one_line
from bids_brainage.records.altered import INJECTION, is_altered
from bids_brainage.records.reading import FinishedSession, SessionPlace, read_participant, read_session
from bids_brainage.simulation.folder import begin_or_continue
from bids_brainage.terms import INJECTOR

log = logging.getLogger(__name__)
Watch = Callable[[Iterator[Any], int], Iterator[Any]]


@dataclass(frozen=True)
class Injected:
    """How it went: sessions altered now, those that were there already, and why others were left out."""

    made: tuple[str, ...]
    there: tuple[str, ...]
    left_out: dict[str, str]


def inject_dataset(
    derivatives: Path,
    out: Path,
    change: Change,
    labels: Sequence[str] = (),
    *,
    nprocs: int = 1,
    progress: Watch | None = None,
) -> Injected:
    """Put a change into the prepared images of everybody, or of some.

    Parameters
    ----------
    derivatives : Path
        What ``bids_brainage ... participant`` has written; ``--preproc-only`` is enough.
    out : Path
        A new folder, or one that the same injection has begun.
    change : Change
    labels : sequence of str
        Participants without ``sub-``; everybody if it is empty.
    nprocs : int
        Processes; the images do not depend on it.
    progress : callable, optional
        Given what is being done and how much it is, passes it on.

    Raises
    ------
    InputError
        One of the folders cannot be used, or nobody could be altered.
    BrainAgeError
        Some were left out; the others are written.
    """
    _check_places(derivatives, out)
    dataset = open_dataset(derivatives, labels)
    sessions = [found for label in dataset.participants for found in read_participant(derivatives, label)]
    sessions = [session for session in sessions if session.record.preprocessing]
    if not sessions:
        raise InputError(messages.INJECT_NOBODY.format(path=derivatives))
    _begin(derivatives, out, change)
    there = [session for session in sessions if _is_there(session, out)]
    todo = [session for session in sessions if session not in there]
    results = _each(todo, partial(_one, out=out, change=change), nprocs)
    problems = dict(progress(results, len(todo)) if progress else results)
    left_out = {name: why for name, why in problems.items() if why is not None}
    for name, why in left_out.items():
        log.error("%s", messages.INJECT_LEFT_OUT.format(name=name, reason=why))
    _write_table(out)
    if left_out and len(left_out) == len(sessions):
        raise InputError(next(iter(left_out.values())))
    if left_out:
        raise BrainAgeError(
            messages.INJECT_SOME_FAILED.format(failed=len(left_out), total=len(sessions), path=out)
        )
    made = tuple(name for name, why in problems.items() if why is None)
    return Injected(made, tuple(session.name for session in there), left_out)


def _check_places(derivatives: Path, out: Path) -> None:
    if is_altered(derivatives):
        raise InputError(messages.INJECT_TWICE.format(path=derivatives))
    if out.resolve().is_relative_to(derivatives.resolve()):
        raise InputError(messages.INJECT_INTO_ITSELF.format(path=out))


def _begin(derivatives: Path, out: Path, change: Change) -> None:
    """Say what the folder is, before anything is in it."""
    begin_or_continue(
        out / INJECTION,
        asdict(change) | {"into": derivatives.resolve().as_uri(), "version": bids_brainage.__version__},
        other=messages.INJECT_OTHER_SETTINGS,
        taken=messages.INJECT_FOLDER_TAKEN,
    )
    source = read_json(derivatives / "dataset_description.json")
    uri = derivatives.resolve().as_uri()
    links, sources = source.get("DatasetLinks"), source.get("SourceDatasets")
    maker = {
        "Name": INJECTOR,
        "Version": bids_brainage.__version__,
        "Change": str(change),
        "Description": messages.INJECT_MAKER.format(change=change),
    }
    description = {
        "Name": messages.INJECT_DATASET_NAME.format(change=change, name=one_line(source.get("Name", ""))),
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "License": one_line(source.get("License", "n/a")),
        "GeneratedBy": [{"Name": OWNER, "Version": bids_brainage.__version__}, maker],
        "SourceDatasets": [{"URL": uri}, *(sources if isinstance(sources, list) else [])],
        "DatasetLinks": (links if isinstance(links, dict) else {}) | {"prepared": uri},
    }
    write_text(out / "dataset_description.json", _json(description))
    write_bidsignore(out)
    write_text(out / "README", messages.INJECT_README.format(change=change))


def _is_there(session: FinishedSession, out: Path) -> bool:
    found = read_session(SessionPlace.of(out, session.place.participant, session.place.session))
    if found is None or found.record.preprocessing.keys() != session.record.preprocessing.keys():
        return False
    return all(found.is_whole(stage) for stage in found.record.preprocessing.values())


def _each(
    sessions: Sequence[FinishedSession],
    work: Callable[[FinishedSession], tuple[str, str | None]],
    nprocs: int,
) -> Iterator[tuple[str, str | None]]:
    if nprocs <= 1 or len(sessions) <= 1:
        yield from map(work, sessions)
        return
    context = multiprocessing.get_context("forkserver")
    with ProcessPoolExecutor(min(nprocs, len(sessions)), mp_context=context) as pool:
        yield from pool.map(work, sessions)


def _one(session: FinishedSession, out: Path, change: Change) -> tuple[str, str | None]:
    """Alter one session; its name, and why it was left out if it was."""
    from bids_brainage.preprocessing.transforms import TransformError

    try:
        write_session(session, alter_session(session, change), out)
    except (ImageError, InputError, TransformError) as error:
        return session.name, str(error)
    return session.name, None


def _write_table(out: Path) -> None:
    """What was injected into whom, gathered from the truth's sidecars."""
    import pandas as pd

    columns = load_injection().columns
    rows = [
        _row(session)
        for folder in sorted(out.glob("sub-*"))
        for session in read_participant(out, folder.name)
        if session.images is not None
    ]
    frame = pd.DataFrame(rows, columns=list(columns))
    text = frame.to_csv(sep="\t", index=False, na_rep="n/a", float_format="%.6g")
    write_text(out / "injected.tsv", text)
    write_text(out / "injected.json", _json(columns))


def _row(session: FinishedSession) -> dict[str, Any]:
    facts = read_json(sidecar(session.place.path("injected")))
    change = facts["Change"]
    return {
        "participant_id": session.place.participant,
        "session_id": session.place.session,
        "change": change["kind"],
        **{key: change[key] for key in ("region", "side", "dose", "unit", "seed")},
        "volume_ml": facts["VolumeML"],
        "volume_left_ml": facts["VolumeLeftML"],
        "volume_right_ml": facts["VolumeRightML"],
        "available_ml": facts["AvailableML"],
    }


def _json(content: Any) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
