"""Names of the group level's files: contrasts and maps as BIDS entities."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bids_brainage.terms import REFERENCE_MAPS, STANDARD_SPACE

#: How the maps of each kind are called in names.
MAP_NAMES = {"lrp": "Relevance", "dba": REFERENCE_MAPS["dba"]}
#: Letters of a name: with all that a file's name holds besides, no file system finds it too long.
LONGEST = 60


def entity(text: str) -> str:
    """A name as the value of an entity: `LONGEST` letters and digits alone, each further word with a capital.

    >>> entity("age**2"), entity("patients - controls"), entity("dba")
    ('age2', 'patientsControls', 'dba')
    """
    words = re.findall(r"[A-Za-z0-9]+", text)
    return "".join([*words[:1], *(word[:1].upper() + word[1:] for word in words[1:])])[:LONGEST] or "x"


def entities(names: Sequence[str]) -> list[str]:
    """Names as values of an entity, no two the same in any case: later ones are numbered."""
    found: list[str] = []
    taken: set[str] = set()
    for name in names:
        value, number = entity(name), 1
        while value.lower() in taken:
            number += 1
            value = f"{entity(name)}{number}"
        taken.add(value.lower())
        found.append(value)
    return found


def map_label(ensemble: str, region: str, modality: str, kind: str) -> str:
    """The value of ``desc`` of a sub-ensemble's maps, or of the ensemble's (without a region)."""
    return f"{ensemble}{region}{modality if region else ''}{MAP_NAMES[kind]}"


def atlas_label(atlas: str) -> str:
    """What an atlas adds to the value of ``desc``.

    >>> atlas_label("harvard-oxford"), atlas_label("my_atlas")
    ('HarvardOxford', 'MyAtlas')
    """
    name = entity(atlas)
    return name[:1].upper() + name[1:]


def statmap(contrast: str, desc: str, stat: str) -> str:
    """The name of a map of a statistic, as nilearn and FitLins have it."""
    return f"contrast-{contrast}_space-{STANDARD_SPACE}_res-2_desc-{desc}_stat-{stat}_statmap.nii.gz"


def table(contrast: str, desc: str, suffix: str) -> str:
    """The name of a table about a contrast."""
    return f"contrast-{contrast}_desc-{desc}_{suffix}.tsv"
