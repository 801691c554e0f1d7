"""Names of files: of others (data/derivatives.yaml), and of those that are written (data/outputs.yaml)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path, PurePath
from typing import Any

import yaml

_FIGURES = frozenset({"figure"})
_ENTITY_VALUE = re.compile(r"[A-Za-z0-9.]*")


#: What a file's name says, by the short names of entities.
Entities = dict[str, str]


def name_entities(path: PurePath) -> Entities:
    """Return the entities of a file's name by their short names, its suffix and its extension."""
    stem, dot, extension = path.name.partition(".")
    *pairs, suffix = stem.split("_")
    entities = dict(pair.split("-", 1) for pair in pairs if "-" in pair)
    return entities | {"suffix": suffix, "extension": dot + extension}


def is_regular(path: PurePath, entities: Entities) -> bool:
    """Whether a file's name consists of entities alone, each once, before its suffix."""
    return path.name.partition(".")[0].count("_") == len(entities.keys() - {"suffix", "extension"})


@dataclass(frozen=True)
class Output:
    """The pattern of a file's name, and what the file holds."""

    name: str
    holds: str


@cache
def outputs() -> dict[str, Output]:
    """Return the files of a session, by their names in data/outputs.yaml."""
    text = resources.files("bids_brainage").joinpath("data/outputs.yaml").read_text(encoding="utf-8")
    return {output: Output(**known) for output, known in yaml.safe_load(text).items()}


@cache
def prepared_patterns() -> dict[str, Any]:
    """Return where others leave what they prepared (data/derivatives.yaml)."""
    text = resources.files("bids_brainage").joinpath("data/derivatives.yaml").read_text(encoding="utf-8")
    patterns: dict[str, Any] = yaml.safe_load(text)
    return patterns


def strip_prefix(label: str, prefix: str) -> str:
    """Return a label without its ``sub-`` or ``ses-``, if it has one."""
    return label.removeprefix(f"{prefix}-")


def session_name(participant: str, session: str | None) -> str:
    """Return ``sub-<participant>[_ses-<session>]``, the name of one session's files and log lines."""
    name = f"sub-{strip_prefix(participant, 'sub')}"
    return f"{name}_ses-{strip_prefix(session, 'ses')}" if session else name


def output_folder(out_dir: Path, participant: str, session: str | None, folder: str = "anat") -> Path:
    """Return the folder of a session's files: ``sub-XX/[ses-Y/]anat``; figures lie in ``sub-XX/figures``."""
    base = out_dir / f"sub-{strip_prefix(participant, 'sub')}"
    if session and folder != "figures":
        base = base / f"ses-{strip_prefix(session, 'ses')}"
    return base / folder


def output_path(out_dir: Path, participant: str, session: str | None, output: str, **entities: str) -> Path:
    """Return where an output of one session is written.

    Parameters
    ----------
    out_dir : Path
        Root of the derivatives dataset.
    participant, session : str
        Labels, with or without ``sub-`` and ``ses-``; session is None where there is none.
    output : str
        A name in data/outputs.yaml, for example ``preproc_T1w`` or ``relevance``.
    **entities : str
        Values of the pattern's fields, for example ``ensemble="TypeI"``. They may be empty.

    Raises
    ------
    ValueError
        If an entity's value could leave its place in the name (anything but letters, digits and dots).
    """
    for name, value in entities.items():
        if not _ENTITY_VALUE.fullmatch(value):
            raise ValueError(f"{name}={value!r} cannot be part of a BIDS name")
    folder = "figures" if output in _FIGURES else "anat"
    name = outputs()[output].name.format(**entities)
    return (
        output_folder(out_dir, participant, session, folder) / f"{session_name(participant, session)}_{name}"
    )


def sidecar(path: Path) -> Path:
    """Return the JSON sidecar of an image or table."""
    stem = path.name.removesuffix(".gz")
    return path.with_name(stem[: stem.rfind(".")] + ".json")
