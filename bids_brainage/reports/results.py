"""What the participant level left on disk for one person, read back for the page."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bids_brainage import messages
from bids_brainage.errors import InputError
from bids_brainage.terms import MODALITIES

STANDARD = "MNI152NLin6Asym"
_ENTITY = re.compile(r"(?:^|_)([a-z]+)-([A-Za-z0-9+]+)")
_RELEVANCE = re.compile(r"^(TypeII|TypeI)(.*)Relevance$")


@dataclass(frozen=True)
class RelevanceMap:
    """One relevance map: of a sub-ensemble (`region` is set) or summed over a modality (`region` empty)."""

    path: Path
    ensemble: str
    region: str
    modality: str
    standard: bool
    sidecar: Mapping[str, Any]


@dataclass(frozen=True)
class Session:
    """The files of one session and the estimates in them.

    Attributes
    ----------
    participant, label : str
        As in file names: ``sub-01`` and ``ses-1``; the label is empty where there are no sessions.
    anat : Path
        The folder everything lies in.
    estimates : tuple of dict
        The contents of the ``*_brainage.json`` files, type i first.
    maps : tuple of RelevanceMap
        One for each ensemble, region and modality: in the space of the T1w where there is one.
    """

    participant: str
    label: str
    anat: Path
    estimates: tuple[Mapping[str, Any], ...]
    maps: tuple[RelevanceMap, ...]

    @property
    def stem(self) -> str:
        """How the session's file names begin."""
        return f"{self.participant}_{self.label}" if self.label else self.participant

    def image(self, name: str) -> Path | None:
        """Return the path of ``<stem>_<name>.nii.gz``, None if it is not there."""
        path = self.anat / f"{self.stem}_{name}.nii.gz"
        return path if path.is_file() else None

    @property
    def mask(self) -> Path | None:
        """The brain mask on the grid of the T1w."""
        return self.image("desc-brain_mask")

    def preprocessed(self, modality: str, standard: bool = False) -> Path | None:
        """Return the preprocessed image of a modality on the grid of the T1w or of the template."""
        if standard:
            return self.image(f"space-{STANDARD}_res-2_desc-preproc_{modality}")
        space = "" if modality == "T1w" else "space-T1w_"
        return self.image(f"{space}desc-preproc_{modality}")

    def regions(self, ensemble: str) -> list[dict[str, str]]:
        """Return the rows of the table of relevance per atlas region; none if it is not there."""
        path = self.anat / f"{self.stem}_desc-{ensemble}_regions.tsv"
        if not path.is_file():
            return []
        with path.open(newline="", encoding="utf-8") as table:
            return list(csv.DictReader(table, delimiter="\t"))


def read_sessions(out_dir: Path, participant: str) -> list[Session]:
    """Read all sessions of `participant` (``sub-01``) below `out_dir`, in the order of their labels."""
    home = out_dir / participant
    folders = [(path.name, path / "anat") for path in sorted(home.glob("ses-*")) if (path / "anat").is_dir()]
    if (home / "anat").is_dir():
        folders.insert(0, ("", home / "anat"))
    return [_read_session(participant, label, anat) for label, anat in folders]


def _read_session(participant: str, label: str, anat: Path) -> Session:
    estimates = [_read_json(path) for path in sorted(anat.glob("*_brainage.json"))]
    estimates.sort(key=lambda record: str(record.get("ensemble")))
    return Session(participant, label, anat, tuple(estimates), tuple(_read_maps(anat)))


def _read_maps(anat: Path) -> list[RelevanceMap]:
    found: dict[tuple[str, str, str], RelevanceMap] = {}
    for path in sorted(anat.glob("*Relevance_*.nii.gz")):
        map_ = _read_map(path)
        if map_ is None:
            continue
        key = (map_.ensemble, map_.region, map_.modality)
        if key not in found or found[key].standard:
            found[key] = map_
    return sorted(found.values(), key=_reading_order)


def _read_map(path: Path) -> RelevanceMap | None:
    name = path.name.removesuffix(".nii.gz")
    entities = dict(_ENTITY.findall(name))
    parts = _RELEVANCE.match(entities.get("desc", ""))
    if parts is None:
        return None
    sidecar = path.with_name(f"{name}.json")
    content = _read_json(sidecar) if sidecar.is_file() else {}
    modality = name.rsplit("_", 1)[1].replace("swi", "T2starw")
    return RelevanceMap(path, parts[1], parts[2], modality, entities.get("space", "T1w") == STANDARD, content)


def _reading_order(map_: RelevanceMap) -> tuple[str, str, int]:
    known = MODALITIES.index(map_.modality) if map_.modality in MODALITIES else len(MODALITIES)
    return map_.ensemble, map_.region, known


def _read_json(path: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(messages.REPORT_UNREADABLE_JSON.format(path=path, error=error)) from error
    if not isinstance(content, dict):
        raise InputError(messages.REPORT_UNREADABLE_JSON.format(path=path, error="not an object"))
    return content
