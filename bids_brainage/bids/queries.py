"""Which image is what: the queries of data/queries.yaml, changed by --bids-filter-file."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Collection
from functools import cache
from importlib import resources
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import yaml

from bids_brainage import messages
from bids_brainage.bids.choice import Image, asked_for, is_derived, is_never_taken
from bids_brainage.bids.dataset import read_json
from bids_brainage.bids.listing import IMAGE_FOLDERS
from bids_brainage.bids.naming import Entities, is_regular, name_entities
from bids_brainage.errors import InputError
from bids_brainage.labels import is_label
from bids_brainage.quoting import one_line
from bids_brainage.suggestions import suggestion

if TYPE_CHECKING:
    from bids.layout import BIDSLayout

Session = tuple[str, str | None]
Filters = dict[str, Any]

#: The filter of images that the user brought to the template.
GIVEN = "given"
# A filter file made for fMRIPrep may name these; they do not concern any image that is read here.
_FMRIPREP_QUERIES = frozenset({"bold", "sbref", "fmap", "roi", "dwi", "asl", "m0scan", "pet", "xfm"})
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
        if query.lower() not in known | {GIVEN} | _FMRIPREP_QUERIES:
            names = ", ".join([*sorted(known), GIVEN])
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
    is_ignored: Callable[[PurePath], bool] = lambda place: False,
) -> tuple[dict[Session, list[Image]], dict[str, list[str]]]:
    """Find the images of one modality below `root`.

    Returns
    -------
    found : dict
        By (participant, session), each image with its entities.
    left_out : dict
        Places of images that are not used, by the sentence that says why (see `_why_not`).
    """
    query = default_queries()[modality]["filters"] | (filters or {})
    query = {name: filter_value(value) for name, value in query.items()}
    if len(participants) <= _MOST_LABELS:
        query.setdefault("subject", list(participants))
    _check_entities(query, modality, filter_file)
    files = layout.get(return_type="filename", invalid_filters="allow", **query)
    found: dict[Session, list[Image]] = defaultdict(list)
    left_out: dict[str, list[str]] = defaultdict(list)
    asked = asked_for(filters or {})
    wanted, wanted_sessions = set(participants), set(sessions)
    for place in (PurePath(os.path.relpath(file, layout.root)) for file in files):
        entities = name_entities(place)
        reason = messages.IGNORED_IMAGE if is_ignored(place) else _why_not(place, entities, asked)
        if reason:
            left_out[reason].append(place.as_posix())
            continue
        owner = (entities["sub"], entities.get("ses"))
        if owner[0] in wanted and (not sessions or owner[1] in wanted_sessions):
            found[owner].append((root / place, entities))
    return found, left_out


def _why_not(place: PurePath, entities: Entities, asked: Collection[str]) -> str | None:
    """Return the sentence that says why an image is not used, or None."""
    participant, *session = place.parts[:-2] or ("",)
    if (
        place.parent.name not in IMAGE_FOLDERS
        or len(session) > 1
        or not all(name.startswith("ses-") for name in session)
    ):
        return messages.ELSEWHERE_IMAGE
    labels = [participant.removeprefix("sub-"), *(name.removeprefix("ses-") for name in session)]
    own = [entities[name] for name in ("sub", "ses") if name in entities]
    if labels != own or not all(map(is_label, labels)):
        return messages.MISPLACED_IMAGE
    if not is_regular(place, entities) or "_" in entities["extension"]:
        return messages.ODD_IMAGE_NAME
    if is_derived(entities, asked):
        return messages.DERIVED_IMAGE
    return messages.NO_TISSUE_IMAGE if is_never_taken(entities, asked) else None


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


def filter_value(value: Any) -> Any:
    """Read fMRIPrep's notation of values: null or "Query.NONE" for absent, "*" or "Query.ANY" for any."""
    from bids.layout import Query

    if isinstance(value, list):
        # pybids removes one of the special values from a list, but not a second one.
        return list(dict.fromkeys(filter_value(item) for item in value))
    if value == "*":
        return Query.ANY
    if isinstance(value, str) and value.startswith("Query."):
        return Query.__members__.get(value.removeprefix("Query."), value)
    return Query.NONE if value is None else value
