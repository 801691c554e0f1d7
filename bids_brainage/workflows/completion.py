"""What a run would write, and whether it stands there already."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bids_brainage
from bids_brainage.bids.naming import output_path, sidecar
from bids_brainage.bids.selection import SessionInputs
from bids_brainage.config import RunConfig
from bids_brainage.workflows.preprocessing import preprocessed_paths, sequence_files


@dataclass(frozen=True)
class SessionState:
    """How far a session has come in the derivatives folder.

    Attributes
    ----------
    preprocessing : mapping of str to str
        Fingerprint by modality, of the images and of what decides how they are prepared.
    estimates : mapping of str to str
        Fingerprint by ensemble, of all that decides the estimate and its maps.
    preprocessed : bool
        All prepared images are there and are of these fingerprints.
    missing : tuple of str
        Ensembles whose estimate, maps or tables are not there or are of another fingerprint.
    """

    preprocessing: Mapping[str, str]
    estimates: Mapping[str, str]
    preprocessed: bool
    missing: tuple[str, ...]

    @property
    def finished(self) -> bool:
        """Whether nothing is left to compute."""
        return self.preprocessed and not self.missing


def session_state(
    session: SessionInputs, config: RunConfig, ensembles: Iterable[str], bundle_sha256: str
) -> SessionState:
    """Compare what stands in the derivatives folder with what this run would write."""
    preprocessing = _preprocessing_fingerprints(session, config)
    estimates = {
        ensemble: _hash(
            {
                "preprocessing": preprocessing,
                "modalities": sorted(config.modalities),
                "bundle": bundle_sha256,
                "ensemble": ensemble,
                "age": session.age,
                "sex": session.sex,
                "simulated": session.simulated,
                **({} if session.measured is None else {"measured": session.measured}),
                "relevance": not config.no_relevance,
                "rule": config.lrp_rule,
                "backend": config.lrp_backend,
                "aggregation": config.relevance_aggregation,
            }
        )
        for ensemble in ([] if config.preproc_only else ensembles)
    }
    return SessionState(
        preprocessing=preprocessing,
        estimates=estimates,
        preprocessed=_is_preprocessed(session, config.output_dir, preprocessing),
        missing=tuple(
            ensemble
            for ensemble, fingerprint in estimates.items()
            if not _is_estimated(session, config.output_dir, ensemble, fingerprint)
        ),
    )


def _preprocessing_fingerprints(session: SessionInputs, config: RunConfig) -> dict[str, str]:
    """Every sequence depends on its own files and on the T1w image it is aligned with."""
    files = {
        modality: {path.name: _sha256(path) for path in paths}
        for modality, paths in sequence_files(session).items()
    }
    mask = session.derivative.brain_mask if session.derivative is not None else None
    common = {
        "t1w": files["T1w"],
        "mask": _sha256(mask) if mask else None,
        "skull_strip": config.skull_strip,
        "seed": config.random_seed,
        "version": bids_brainage.__version__,
    }
    return {modality: _hash({"own": own} | common) for modality, own in files.items()}


def _is_preprocessed(session: SessionInputs, out_dir: Path, fingerprints: Mapping[str, str]) -> bool:
    paths = preprocessed_paths(session, out_dir)
    if not all(path.is_file() for path in paths.files):
        return False
    return all(
        _read(sidecar(paths.subject[modality])).get("Fingerprint") == fingerprint
        for modality, fingerprint in fingerprints.items()
    )


def _is_estimated(session: SessionInputs, out_dir: Path, ensemble: str, fingerprint: str) -> bool:
    path = output_path(out_dir, session.participant, session.session, "brainage", ensemble=ensemble)
    estimate = _read(path)
    outputs = [path.parent / str(name) for name in estimate.get("outputs", [])]
    return estimate.get("fingerprint") == fingerprint and all(output.is_file() for output in outputs)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _sha256(path: Path) -> str:
    """Hash of a file; a file that cannot be read has its node say so."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return "unreadable"


def _hash(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
