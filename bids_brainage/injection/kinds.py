"""Which function makes which kind of change."""

from __future__ import annotations

from collections.abc import Callable

from bids_brainage import messages
from bids_brainage.errors import ImageError
from bids_brainage.injection.altered import Altered
from bids_brainage.injection.change import Change
from bids_brainage.injection.cortex import inject_cortex
from bids_brainage.injection.head import Head
from bids_brainage.injection.iron import inject_iron
from bids_brainage.injection.lesions import inject_lesions
from bids_brainage.injection.ventricles import inject_ventricles

_BY_KIND: dict[str, Callable[[Head, Change], Altered]] = {
    "lesions": inject_lesions,
    "ventricles": inject_ventricles,
    "iron": inject_iron,
    "cortex": inject_cortex,
}


def inject(head: Head, change: Change) -> Altered:
    """Put a change into a head.

    Raises
    ------
    ImageError
        If it does not fit, or the head has no image that would show it.
    """
    shows_in = change.of_kind.shows_in
    if not any(modality in head.images for modality in shows_in):
        raise ImageError(
            messages.INJECT_NOT_SHOWN.format(
                name=head.name, kind=change.kind, modalities=" or ".join(shows_in)
            )
        )
    return _BY_KIND[change.kind](head, change)
