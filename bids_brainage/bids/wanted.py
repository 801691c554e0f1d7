"""Which prepared images are wanted: the filter file and .bidsignore hold for what these were made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from bids_brainage import messages
from bids_brainage.bids.choice import asked_for, is_derived, is_never_taken
from bids_brainage.bids.listing import image_places
from bids_brainage.bids.naming import (
    Entities,
    is_regular,
    name_entities,
    output_folder,
    prepared_patterns,
)
from bids_brainage.bids.queries import Filters, filter_value
from bids_brainage.suggestions import some


@dataclass(frozen=True)
class Verdict:
    """Whether a prepared image is wanted.

    Attributes
    ----------
    is_wanted : bool
        Whether it may be used.
    doubt : str or None
        What its name leaves open, as the end of a sentence about it.
    """

    is_wanted: bool
    doubt: str | None = None


class Wanted:
    """Judge prepared images by the raw images that they may be made of.

    Where several T1w images were merged, the prepared image's name has none of their entities. All raw
    images that have the entities of its name are therefore its possible sources.

    Parameters
    ----------
    root : Path
        The raw dataset.
    filters : mapping of str to dict
        Those of --bids-filter-file, by modality in small letters.
    is_ignored : callable
        Whether .bidsignore leaves out a place in the dataset.
    """

    def __init__(
        self,
        root: Path,
        filters: Mapping[str, Filters] | None = None,
        is_ignored: Callable[[PurePath], bool] = lambda place: False,
    ) -> None:
        self._root = root
        self._filters = filters or {}
        self._is_ignored = is_ignored
        self._raw: dict[str, list[PurePath]] = {}

    def asked_for(self, modality: str) -> frozenset[str]:
        """Return the entities, by their short names, whose values the modality's filter names."""
        return asked_for(self._filter(modality))

    def judge(self, modality: str, prepared: Entities) -> Verdict:
        """Judge a prepared image by the entities of its name; FreeSurfer's have ``sub`` and ``ses`` alone."""
        own = {name: value for name, value in prepared.items() if name in raw_entities()}
        raw = [(place, name_entities(place)) for place in self._of_session(modality, own)]
        said = _numbered(own).items()
        sources = [(place, entities) for place, entities in raw if said <= _numbered(entities).items()]
        if not sources:
            return self._judge_by_name(modality, own, [place.name for place, _ in raw])
        taken = {
            _bare(place)
            for place, entities in sources
            if not (refused(self._filter(modality), entities) or self._is_ignored(place))
        }
        left_out = [place.name for place, _ in sources if _bare(place) not in taken]
        doubt = messages.PERHAPS_OF_LEFT_OUT.format(names=some(left_out, ", ")) if left_out else None
        return Verdict(bool(taken), doubt)

    def _judge_by_name(self, modality: str, own: Entities, others: list[str]) -> Verdict:
        """Judge an image whose raw image is not in the dataset; the session has only `others`."""
        name = "_".join(f"{short}-{own[short]}" for short in raw_entities() if short in own)
        place = output_folder(Path(), own["sub"], own.get("ses")) / f"{name}_{modality}.nii.gz"
        unlike = refused(self._filter(modality), own)
        if self._is_ignored(place) or unlike & own.keys():
            return Verdict(is_wanted=False)
        if others:
            return Verdict(True, messages.OF_NO_RAW_IMAGE.format(names=some(others, ", ")))
        return Verdict(True, messages.SOURCE_NOT_SAID if unlike else None)

    def _filter(self, modality: str) -> Filters:
        return self._filters.get(modality.lower(), {})

    def _of_session(self, modality: str, own: Entities) -> list[PurePath]:
        """Return the raw images of a session, or of all of them if none is named."""
        participant = own["sub"]
        if participant not in self._raw:
            places = image_places(self._root, participant)
            self._raw[participant] = [place for place in places if _is_image(place)]
        session = own.get("ses")
        return [
            place
            for place in self._raw[participant]
            if name_entities(place)["suffix"] == modality
            and (session is None or name_entities(place).get("ses") == session)
        ]


def raw_entities() -> dict[str, str]:
    """Return what the name of a prepared image may say of the raw one, by short names, in filters' words."""
    return {"sub": "subject", "ses": "session", **prepared_patterns()["raw_entities"]}


def refused(filters: Filters, entities: Entities, known: Mapping[str, str] | None = None) -> set[str]:
    """Return what filters do not accept of a name, or miss in it, by the short names of entities.

    `known` has the long names of the entities that count, by default those of raw images.
    """
    return {
        short
        for short, long in (known or {**raw_entities(), "suffix": "suffix"}).items()
        if long in filters and not _accepts(filters[long], entities.get(short), is_number=long == "run")
    }


def _accepts(wanted: Any, value: str | None, is_number: bool) -> bool:
    from bids.layout import Query

    for item in map(filter_value, wanted if isinstance(wanted, list) else [wanted]):
        if item is Query.OPTIONAL or item is (Query.NONE if value is None else Query.ANY):
            return True
        if value is not None and not isinstance(item, Query) and _equal(str(item), value, is_number):
            return True
    return False


def _equal(wanted: str, value: str, is_number: bool) -> bool:
    """Whether a value is that of a filter; a run's index is a number, whatever its zeros."""
    if is_number and wanted.isdecimal() and value.isdecimal():
        return int(wanted) == int(value)
    return wanted == value


def _numbered(entities: Entities) -> Entities:
    """Return entities with the run's index as a number: some programs write run-1 of run-01."""
    run = entities.get("run", "")
    return entities | {"run": str(int(run))} if run.isdecimal() else entities


def _bare(place: PurePath) -> str:
    """An image's name, compressed or not."""
    return place.name.partition(".")[0]


def _is_image(place: PurePath) -> bool:
    """Whether a raw image can be what others prepare: regular in name, and no phase or derived image."""
    entities = name_entities(place)
    return (
        entities["extension"] in (".nii", ".nii.gz")
        and is_regular(place, entities)
        and "sub" in entities
        and entities.get("part") in (None, "mag")
        and not is_derived(entities)
        and not is_never_taken(entities)
    )
