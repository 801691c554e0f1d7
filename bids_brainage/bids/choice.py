"""Which of several kinds of images of one session is used (data/queries.yaml and data/unwanted.yaml)."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from bids_brainage.bids.naming import Entities
from bids_brainage.bids.voxels import UNREAD, fineness

Image = tuple[Path, Entities]

_WHO = frozenset({"sub", "ses", "run", "extension"})


@dataclass(frozen=True)
class Choice:
    """The images that are used.

    Attributes
    ----------
    paths : tuple of Path
        All runs of the kind chosen, sorted.
    suffix : str
        Its BIDS suffix (``swi`` and ``MEGRE`` also stand for T2starw, ``UNIT1`` for T1w).
    others : tuple of str
        Names of files of the kinds that were not chosen.
    is_last_resort : bool
        Whether its name calls it a scout or the like, but there is no other.
    unread : tuple of str
        Names of files whose voxels would have counted, but whose headers cannot be read.
    same_name : mapping of Path to Path
        Files that are not used, each with the file used in its place: of the same name but for the folder,
        ``.gz`` or zeros in front of the run's index.
    """

    paths: tuple[Path, ...]
    suffix: str
    others: tuple[str, ...] = ()
    is_last_resort: bool = False
    unread: tuple[str, ...] = ()
    same_name: Mapping[Path, Path] = field(default_factory=dict)


def choose(images: Sequence[Image], prefer: dict[str, Any], asked_for: Collection[str] = ()) -> Choice:
    """Choose one kind of image among those of a session; all its runs are kept.

    Images are of one kind if they differ in ``run`` only. Scouts and the like count only if there is nothing
    else. Then the preferences decide, then the fewest entities, then the alphabet.

    Parameters
    ----------
    images : sequence of (Path, dict)
        At least one, each with the entities of its name.
    prefer : dict
        Values of entities, the preferred one first; ``last`` prefers the highest number, and
        ``voxels: finest`` the finest voxels.
    asked_for : collection of str
        Entities that a filter names, by their short names.
    """
    kinds: dict[str, list[Image]] = defaultdict(list)
    for path, entities in sorted(images, key=lambda image: image[0].name):
        kinds[_kind(entities)].append((path, entities))
    everything = sorted(kinds, key=lambda kind: (len(json.loads(kind)), kind))
    real = [kind for kind in everything if not is_last_resort(kinds[kind][0][1], asked_for)]
    left = real or everything
    unread: tuple[str, ...] = ()
    for name, values in prefer.items():
        if len(left) == 1:
            break
        places = [_place(kinds[kind][0], name, values) for kind in left]
        if values == "finest":
            images_left = [kinds[kind][0][0] for kind in left]
            unread = tuple(
                path.name for path, place in zip(images_left, places, strict=True) if place == UNREAD
            )
        left = [kind for kind, place in zip(left, places, strict=True) if place == min(places)]
    chosen = kinds[left[0]]
    others = tuple(kinds[kind][0][0].name for kind in everything if kind != left[0])
    paths, same_name = _one_file_a_run(chosen)
    return Choice(paths, chosen[0][1]["suffix"], others, not real, unread, same_name)


def is_never_taken(entities: Entities, asked_for: Collection[str] = ()) -> bool:
    """Whether a name says that the image does not show tissue (a projection, or phase)."""
    return _is(entities, "never", asked_for)


def is_derived(entities: Entities, asked_for: Collection[str] = ()) -> bool:
    """Whether a name says that software made the image of others (``space-MNI152``, ``desc-brain``)."""
    return any(name in entities and name not in asked_for for name in _unwanted()["derived"])


def is_last_resort(entities: Entities, asked_for: Collection[str] = ()) -> bool:
    """Whether a name says that the image is a scout or the like."""
    return _is(entities, "last", asked_for)


def asked_for(filters: dict[str, Any]) -> frozenset[str]:
    """Return the entities, by their short names, whose values a filter names."""
    return frozenset(
        short
        for short, long in (_unwanted()["entities"] | _unwanted()["derived"]).items()
        if filters.get(long) not in (None, "*", "Query.ANY")
    )


def derived_entities() -> dict[str, str]:
    """Return the entities that software gives to images, by their short names, as filter files call them."""
    derived: dict[str, str] = _unwanted()["derived"]
    return derived


def _is(entities: Entities, what: str, asked_for: Collection[str]) -> bool:
    pattern = _unwanted()[what]
    values = [entities.get(name, "") for name in _unwanted()["entities"] if name not in asked_for]
    return any(re.search(pattern, value, re.IGNORECASE) for value in values)


def _place(image: Image, name: str, preferred: list[str | None] | str) -> Any:
    """Return the rank of an image in one preference; the lowest is preferred."""
    path, entities = image
    if preferred == "finest":
        return fineness(path)
    value = entities.get(name)
    if preferred == "last":
        return -number(value)
    return preferred.index(value) if value in preferred else len(preferred)  # type: ignore[arg-type]


def _kind(entities: Entities) -> str:
    return json.dumps({key: value for key, value in entities.items() if key not in _WHO}, sort_keys=True)


def _one_file_a_run(images: Sequence[Image]) -> tuple[tuple[Path, ...], dict[Path, Path]]:
    """Return each run's file once, compressed ones first, and by others of the same name the one used."""
    runs: dict[str, Path] = {}
    same_name = {}
    for path, entities in sorted(images, key=lambda image: (not image[0].name.endswith(".gz"), image[0])):
        run = entities.get("run", "")
        key = str(int(run)) if run.isdecimal() else run
        if key in runs:
            same_name[path] = runs[key]
        runs.setdefault(key, path)
    return tuple(runs[key] for key in sorted(runs, key=lambda key: (number(key), key))), same_name


def number(index: str | None) -> int:
    """The number that an index is, 0 if it is none."""
    return int(index) if index and index.isdecimal() else 0


@cache
def _unwanted() -> dict[str, Any]:
    text = resources.files("bids_brainage").joinpath("data/unwanted.yaml").read_text(encoding="utf-8")
    unwanted: dict[str, Any] = yaml.safe_load(text)
    return unwanted
