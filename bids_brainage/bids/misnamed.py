"""Files that were perhaps meant as images, but are not called so: they are named, not read."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import PurePath
from typing import Any

from bids_brainage.bids.dataset import Dataset
from bids_brainage.bids.listing import image_places
from bids_brainage.bids.naming import name_entities
from bids_brainage.bids.queries import Filters, default_queries

# Masks and the like of an image are rightly not read.
_NO_IMAGE = re.compile(r"mask|seg|label|lesion|roi(?![a-z])", re.IGNORECASE)
_FORMAT = re.compile(r"\.(nii(\.\w+)?|img|mgz|mgh|nrrd|mnc)$", re.IGNORECASE)


def misnamed_images(
    dataset: Dataset,
    modalities: Collection[str],
    filters: Mapping[str, Filters],
    sessions: Collection[str] = (),
) -> Iterator[PurePath]:
    """Give the places of files in ``anat`` and ``swi`` whose names speak of a modality, but in another way.

    For example ``_t1w.nii.gz``, ``_T1w.NII.GZ``, ``_T1w_Eq_1.nii.gz`` and ``_T1wa.nii.gz``.
    """
    alike = "|".join(default_queries()[modality]["alike"] for modality in modalities)
    # dcm2niix adds a letter (T1wa), others a number or more words; T1map is an image of its own.
    word = re.compile(rf"({alike})([a-z]|[^a-z].*)?", re.IGNORECASE)
    suffixes = {suffix for modality in modalities for suffix in _suffixes(modality, filters)}
    for participant in dataset.participants:
        for place in image_places(dataset.root, participant):
            session = place.parts[1].removeprefix("ses-") if len(place.parts) > 3 else None
            entities = name_entities(place)
            is_read = entities["suffix"] in suffixes and entities["extension"] in (".nii", ".nii.gz")
            if not is_read and (not sessions or session in sessions) and _speaks(place.name, word):
                yield place


def _suffixes(modality: str, filters: Mapping[str, Filters]) -> set[Any]:
    """Return the suffixes of a modality's images, also those that its filter asks for."""
    asked_for = filters.get(modality.lower(), {}).get("suffix", ())
    return {*default_queries()[modality]["filters"]["suffix"]}.union(
        asked_for if isinstance(asked_for, list) else [asked_for]
    )


def _speaks(name: str, word: re.Pattern[str]) -> bool:
    """Whether a word of a file's name, beside its entities, is a modality's."""
    ending = _FORMAT.search(name)
    if name.startswith(".") or ending is None or _NO_IMAGE.search(name):
        return False
    # sub-01-T1w has a word too many for an entity.
    words = (part.split("-", 2)[-1] for part in name[: ending.start()].split("_") if part.count("-") != 1)
    return any(word.fullmatch(text) for text in words)
