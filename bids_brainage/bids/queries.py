"""Which image is what: the queries of data/queries.yaml, changed by --bids-filter-file."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from functools import cache
from importlib import resources
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import yaml

from bids_brainage import messages
from bids_brainage.bids.dataset import read_json
from bids_brainage.errors import InputError
from bids_brainage.labels import is_label
from bids_brainage.quoting import one_line
from bids_brainage.suggestions import suggestion

if TYPE_CHECKING:
    from bids.layout import BIDSLayout

Session = tuple[str, str | None]
Entities = dict[str, str]
Filters = dict[str, Any]

# A filter file made for fMRIPrep may name these; they do not concern any image that is read here.
_FMRIPREP_QUERIES = frozenset({"bold", "sbref", "fmap", "t2w", "roi", "dwi", "asl", "m0scan", "pet", "xfm"})
_WHO = frozenset({"sub", "ses", "run", "extension"})
# More labels than this in one query cost more than they save.
_MOST_LABELS = 500
# What a filter may ask for; the index takes neither long lists nor large numbers.
_MOST_VALUES = 10_000
_LONGEST_VALUE = 255
_LARGEST_NUMBER = 10**9


@cache
def default_queries() -> dict[str, Any]:
    """Return pybids filters and preferences of each modality."""
    text = resources.files("bids_brainage").joinpath("data/queries.yaml").read_text(encoding="utf-8")
    queries: dict[str, Any] = yaml.safe_load(text)
    return queries


def read_filters(path: Path | None) -> dict[str, Filters]:
    """Read --bids-filter-file (fMRIPrep's format); keys are made lower case.

    Raises
    ------
    InputError
        If the file is not JSON, filters something unknown, or a filter is not an object.
    """
    if path is None:
        return {}
    known = {modality.lower() for modality in default_queries()}
    filters = {}
    for query, entities in read_json(path).items():
        if query.lower() not in known | _FMRIPREP_QUERIES:
            names = ", ".join(sorted(known))
            raise InputError(messages.UNKNOWN_QUERY.format(path=path, query=one_line(query), known=names))
        if not isinstance(entities, dict):
            raise InputError(messages.BAD_FILTER.format(path=path, query=query))
        for entity, value in entities.items():
            if not _is_filter_value(value):
                problem = messages.BAD_FILTER_VALUE.format(
                    path=path, query=query, entity=one_line(entity), most=_MOST_VALUES, longest=_LONGEST_VALUE
                )
                raise InputError(problem)
        filters[query.lower()] = entities
    return filters


def find_images(
    layout: BIDSLayout,
    root: Path,
    modality: str,
    participants: tuple[str, ...],
    sessions: tuple[str, ...] = (),
    filters: Filters | None = None,
    filter_file: Path | None = None,
) -> tuple[dict[Session, list[tuple[Path, Entities]]], list[str]]:
    """Find the images of one modality below `root`.

    Returns
    -------
    found : dict
        By (participant, session), each image with its entities.
    misplaced : list of str
        Places of images that belong to nobody: their label, or that of their folder, is not valid in BIDS,
        or name and folder disagree.
    """
    query = default_queries()[modality]["filters"] | (filters or {})
    query = {name: _filter_value(value) for name, value in query.items()}
    if len(participants) <= _MOST_LABELS:
        query.setdefault("subject", list(participants))
    _check_entities(query, modality, filter_file)
    files = layout.get(return_type="filename", invalid_filters="allow", **query)
    found: dict[Session, list[tuple[Path, Entities]]] = defaultdict(list)
    misplaced = []
    wanted, wanted_sessions = set(participants), set(sessions)
    for place in (PurePath(os.path.relpath(file, layout.root)) for file in files):
        entities = name_entities(place)
        owner = _owner(place, entities)
        if owner is None:
            misplaced.append(place.as_posix())
        elif owner[0] in wanted and (not sessions or owner[1] in wanted_sessions):
            found[owner].append((root / place, entities))
    return found, misplaced


def _owner(place: PurePath, entities: Entities) -> Session | None:
    """Return participant and session of an image by its folders, or None if its name says otherwise."""
    participant = place.parts[0].removeprefix("sub-")
    session = next((part[4:] for part in place.parts[1:-1] if part.startswith("ses-")), None)
    fits = (entities.get("sub"), entities.get("ses")) == (participant, session)
    is_valid = is_label(participant) and (session is None or is_label(session))
    return (participant, session) if fits and is_valid else None


def _check_entities(query: Filters, modality: str, filter_file: Path | None) -> None:
    """Raise InputError if the filter file names an entity that BIDS does not know."""
    from bids.layout import Config

    known = list(Config.load("bids").entities)
    for entity in query.keys() - set(known):
        hint = suggestion([entity], known)
        raise InputError(
            messages.UNKNOWN_ENTITY.format(
                path=filter_file, entity=one_line(entity), query=modality.lower(), hint=hint
            )
        )


def name_entities(path: PurePath) -> Entities:
    """Return the entities of a file's name by their short names, its suffix and its extension."""
    stem, dot, extension = path.name.partition(".")
    *pairs, suffix = stem.split("_")
    entities = dict(pair.split("-", 1) for pair in pairs if "-" in pair)
    return entities | {"suffix": suffix, "extension": dot + extension}


def choose(modality: str, images: list[tuple[Path, Entities]]) -> tuple[tuple[Path, ...], str, list[str]]:
    """Choose one kind of image among those of a session; all its runs are kept.

    Images are of one kind if they differ in ``run`` only. Preferences are those of data/queries.yaml,
    then the fewest entities, then the alphabet.

    Returns
    -------
    paths : tuple of Path
        All runs of the kind chosen, sorted.
    suffix : str
        Its BIDS suffix (``swi`` also stands for T2starw).
    others : list of str
        Names of files of the kinds that were not chosen.
    """
    kinds = defaultdict(list)
    for path, entities in images:
        kinds[_kind(entities)].append((path, entities))
    prefer = default_queries()[modality]["prefer"]

    def rank(kind: str) -> tuple[Any, ...]:
        entities = kinds[kind][0][1]
        places = [_place(entities.get(name), values) for name, values in prefer.items()]
        return (*places, len(json.loads(kind)), kind)

    first, *others = sorted(kinds, key=rank)
    paths = _one_file_a_run(kinds[first])
    return paths, kinds[first][0][1]["suffix"], [kinds[kind][0][0].name for kind in others]


def _place(value: str | None, preferred: list[str | None] | str) -> int:
    """Return a value's rank; ``last`` prefers the highest number."""
    if preferred == "last":
        return -_number(value)
    return preferred.index(value) if value in preferred else len(preferred)  # type: ignore[arg-type]


def _kind(entities: Entities) -> str:
    return json.dumps({key: value for key, value in entities.items() if key not in _WHO}, sort_keys=True)


def _one_file_a_run(images: list[tuple[Path, Entities]]) -> tuple[Path, ...]:
    """Return each run's file once: if both .nii and .nii.gz exist, the compressed one."""
    runs: dict[Any, Path] = {}
    for path, entities in sorted(images, key=lambda image: (len(image[0].name), image[0].name)):
        runs[entities.get("run"), path.parent] = path
    return tuple(runs[key] for key in sorted(runs, key=lambda key: (_number(key[0]), str(key[1]))))


def _number(index: str | None) -> int:
    return int(index) if index and index.isdecimal() else 0


def _is_filter_value(value: Any) -> bool:
    """Whether a filter is valid: text, a whole number, null, or a list of these.

    The index takes a fraction beside text for an error, and no label is one.
    """
    values = value if isinstance(value, list) else [value]
    if not 0 < len(values) <= _MOST_VALUES:
        return False
    return all(
        item is None
        or (isinstance(item, str) and len(item) <= _LONGEST_VALUE)
        or (isinstance(item, int) and not isinstance(item, bool) and abs(item) <= _LARGEST_NUMBER)
        for item in values
    )


def _filter_value(value: Any) -> Any:
    """Read fMRIPrep's notations: null or "Query.NONE" for absent, "*" or "Query.ANY" for any."""
    from bids.layout import Query

    if isinstance(value, list):
        # pybids removes one of the special values from a list, but not a second one.
        return list(dict.fromkeys(_filter_value(item) for item in value))
    if value == "*":
        return Query.ANY
    if isinstance(value, str) and value.startswith("Query."):
        return Query.__members__.get(value.removeprefix("Query."), value)
    return Query.NONE if value is None else value
