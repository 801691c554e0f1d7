"""What models need of a dataset beside the images that every run prepares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Needs:
    """What models need beside T1w, FLAIR and T2starw as they are always prepared.

    Attributes
    ----------
    sequences : frozenset of str
        Modalities that are looked for only where a model takes them in: T2w.
    scanned : frozenset of str
        Modalities whose images are taken in as scanned.
    freesurfer : frozenset of str
        Sources of FreeSurfer's images that are taken in as they are, where they are there.
    given : mapping of str to Any
        By modality, the grid on which an image must lie that the user brought to the template, and that is
        taken in as it is.
    """

    sequences: frozenset[str] = frozenset()
    scanned: frozenset[str] = frozenset()
    freesurfer: frozenset[str] = frozenset()
    given: Mapping[str, Any] = field(default_factory=dict)
