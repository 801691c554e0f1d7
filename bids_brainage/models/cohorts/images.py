"""The prepared images that a session's record names, as networks' inputs are made of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from bids_brainage.models.ensembles.scans import Scan
from bids_brainage.preprocessing.person_images import PersonImages
from bids_brainage.preprocessing.smooth_input import Scanned

if TYPE_CHECKING:
    from bids_brainage.records.reading import PreparedImages


def person_images(images: PreparedImages) -> PersonImages:
    """The images of a finished session; none of them is read yet."""
    known = {modality: images.scanned(modality) for modality in images.subject}
    scanned = {modality: Scanned(*facts) for modality, facts in known.items() if facts is not None}
    return PersonImages(
        images.mask,
        images.forward,
        images.subject,
        images.standard,
        scanned,
        images.inverse,
        images.linear,
        images.sources,
        images.coregistered,
    )


def scans_of(images: PersonImages, modalities: Iterable[str]) -> dict[str, Scan]:
    """How the images of some modalities were scanned, and how smooth they are."""
    return {
        modality: Scan(
            images.scanned[modality].extent if modality in images.scanned else None,
            images.smoothness(modality),
        )
        for modality in modalities
    }
