"""What a run would write, and whether it exists already."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import bids_brainage
from bids_brainage.bids.derivatives import Origin
from bids_brainage.bids.selection import SessionInputs
from bids_brainage.config import RunConfig
from bids_brainage.records.files import sha256_of
from bids_brainage.records.reading import FinishedSession, SessionPlace, read_session
from bids_brainage.records.session import FIRST, LINEAR, TEMPLATE, InputMark, source_of
from bids_brainage.terms import PAPER_RULE
from bids_brainage.workflows.sources import sequence_files, source_files

Marks = dict[str, InputMark]


@dataclass(frozen=True)
class SessionState:
    """How far a session has come in the derivatives folder.

    Attributes
    ----------
    inputs : mapping of str to dict
        By modality, its files as they are now.
    preprocessing : mapping of str to str
        Fingerprint by modality, of the images and of how they are prepared.
    estimates : mapping of str to str
        Fingerprint by ensemble, of all that decides the estimate and its maps.
    unprepared : tuple of str
        Modalities whose images are not there or are of another fingerprint.
    missing : tuple of str
        Ensembles whose estimate, maps or tables are not there or are of another fingerprint.
    """

    inputs: Mapping[str, Marks]
    preprocessing: Mapping[str, str]
    estimates: Mapping[str, str]
    unprepared: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def finished(self) -> bool:
        """Whether nothing is left to compute."""
        return not self.unprepared and not self.missing


class Estimator(NamedTuple):
    """Of an ensemble: the sha256 of its bundle, and the rule of LRP that its maps are made by."""

    sha256: str = ""
    rule: str = PAPER_RULE


def session_state(
    session: SessionInputs,
    config: RunConfig,
    estimators: Mapping[str, Estimator] | None = None,
    dataset: str = "",
    linear: Collection[str] = (),
    scanned: Collection[str] = (),
) -> SessionState:
    """Compare what is in the derivatives folder with what this run would write.

    Parameters
    ----------
    session : SessionInputs
    config : RunConfig
    estimators : mapping of str to Estimator, optional
        By ensemble, what estimates.
    dataset : str
    linear : collection of str
        Which linear ways to the template, rigid or affine, the networks need.
    scanned : collection of str
        Modalities whose images as scanned they need.
    """
    finished = read_session(SessionPlace.of(config.output_dir, session.participant, session.session))
    files = _files(session) | source_files(session, scanned)
    inputs = {stage: _marks(paths, finished) for stage, paths in files.items()}
    preprocessing = _preprocessing_fingerprints(session, config, inputs, linear)
    unprepared = _unprepared(finished, preprocessing, config.require_all_modalities)
    # Of models without norms, there is nothing to add.
    groups = {"groups": dict(session.groups)} if session.groups else {}
    estimates = {
        ensemble: _hash(
            groups
            | {
                "preprocessing": preprocessing,
                "modalities": sorted(config.modalities),
                "bundle": own.sha256,
                "ensemble": ensemble,
                "dataset": dataset,
                "age": session.age,
                "sex": session.sex,
                "simulated": session.simulated,
                "measured": session.measured,
                "warnings": list(session.warnings),
                "explain": [] if config.no_relevance else sorted(config.explain),
                "rule": own.rule,
                "backend": config.lrp_backend,
                "aggregation": config.relevance_aggregation,
                "spaces": sorted(config.output_spaces),
                "maps": config.maps,
            }
        )
        for ensemble in ([] if config.preproc_only else config.ensemble)
        for own in [(estimators or {}).get(ensemble, Estimator())]
    }
    missing = tuple(
        ensemble
        for ensemble, fingerprint in estimates.items()
        if unprepared or finished is None or not finished.is_finished(("estimate", ensemble), fingerprint)
    )
    return SessionState(inputs, preprocessing, estimates, unprepared, missing)


def _files(session: SessionInputs) -> dict[str, tuple[Path, ...]]:
    """The files that decide each stage: the T1w image with its mask, transforms to the template, others."""
    files = sequence_files(session)
    prepared = session.derivative if session.origin is Origin.PREPROCESSED else None
    if prepared is not None:
        files[FIRST] = (*files[FIRST], prepared.brain_mask)
    return files | {TEMPLATE: session.template_transforms or ()}


def _marks(paths: Iterable[Path], finished: FinishedSession | None) -> Marks:
    """The files as they are now; one of the size and time that were recorded is not read again."""
    recorded = [stage.inputs for _, stage in finished.record.stages()] if finished else []
    known = {name: mark for inputs in recorded for name, mark in inputs.items()}
    return {path.name: _mark(path, known.get(path.name)) for path in paths}


def _mark(path: Path, known: InputMark | None) -> InputMark:
    """A file that cannot be read has its node say so."""
    try:
        found = path.stat()
        same = known and (known.bytes, known.mtime_ns) == (found.st_size, found.st_mtime_ns)
        sha256 = known.sha256 if known and same else sha256_of(path)
        return InputMark(bytes=found.st_size, mtime_ns=found.st_mtime_ns, sha256=sha256)
    except OSError:
        return InputMark(bytes=0, mtime_ns=0, sha256="unreadable")


def _preprocessing_fingerprints(
    session: SessionInputs, config: RunConfig, inputs: Mapping[str, Marks], linear: Collection[str]
) -> dict[str, str]:
    """Every sequence depends on its own files, on the T1w image it is aligned with, and on its warp.

    A linear way to the template depends on the T1w image alone.
    """
    prepared = session.derivative
    source = None if prepared is None or session.origin is not Origin.PREPROCESSED else prepared.source
    # The name of -d stands in sidecars.
    common = {"version": bids_brainage.__version__, "origin": str(session.origin), "source": source}
    own = {modality: {name: m.sha256 for name, m in marks.items()} for modality, marks in inputs.items()}
    first = _hash(common | {"own": own[FIRST], "skull_strip": config.skull_strip})
    template = _hash({"own": own[TEMPLATE], FIRST: first, "seed": config.random_seed})
    others = {modality: _hash({"own": files, TEMPLATE: template}) for modality, files in own.items()}
    ways = {kind: _hash({"kind": kind, FIRST: first, "seed": config.random_seed}) for kind in sorted(linear)}
    # An image as it is depends on nothing else.
    ways |= {stage: _hash(common | {"own": own[stage], "as is": stage}) for stage in own if source_of(stage)}
    return others | ways | {FIRST: first, TEMPLATE: template}


def _unprepared(
    finished: FinishedSession | None, fingerprints: Mapping[str, str], all_required: bool
) -> tuple[str, ...]:
    """What is lacking, and all that stands on it, in order.

    T1w, its linear ways to the template, images as they are, its warp, then the other sequences. A sequence
    that was left out is lacking only where all are required.
    """
    left_out = finished.left_out if finished and all_required else {}
    order = sorted(
        fingerprints,
        key=lambda name: (name != FIRST, name not in LINEAR, source_of(name) is None, name != TEMPLATE),
    )
    lacking = [
        name
        for name in order
        if finished is None
        or name in left_out
        or not finished.is_finished(("preprocessing", name), fingerprints[name])
    ]
    if FIRST in lacking:
        return tuple(name for name in order if source_of(name) is None or name in lacking)
    if TEMPLATE in lacking:
        lacking += order[order.index(TEMPLATE) :]
    return tuple(dict.fromkeys(lacking))


def _hash(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
