"""Iron in deep grey nuclei: T2starw loses signal there."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bids_brainage.injection.altered import Altered
from bids_brainage.injection.change import Change
from bids_brainage.injection.head import Head, at_points
from bids_brainage.simulation.spec import load_spec
from bids_brainage.simulation.template import harvard_oxford, nucleus_share

Array = NDArray[np.float32]


def inject_iron(head: Head, change: Change) -> Altered:
    """Take the dose's share of the T2starw signal from the nuclei."""
    nuclei = np.zeros(head.mask.shape, np.float32)
    for region in change.regions:
        nuclei = np.maximum(nuclei, _nucleus(head, region))
    # Fluid beside a nucleus gathers none.
    available = (nuclei * (1 - head.tissue.csf) * head.mask).astype(np.float32)
    weight = available * head.on_side(change.side)
    images = {
        modality: head.images[modality] * (1 - np.float32(change.dose) * weight)
        for modality in change.of_kind.shows_in
    }
    return Altered(images, weight, head.volume_ml(available))


def _nucleus(head: Head, region: str) -> Array:
    """A nucleus with a soft edge, where an atlas or anatomy.yaml has it."""
    place = load_spec().anatomy["nuclei"][region]
    if "ellipsoid" in place:
        return _ellipsoid(head.points, **place["ellipsoid"])
    probability, affine = harvard_oxford(place["harvard_oxford"])
    return nucleus_share(at_points(probability, affine, head.points))


def _ellipsoid(points: Array, centre: list[float], radii: list[float], mirrored: bool) -> Array:
    """An ellipsoid of the template, mm; its edge is 2 mm wide."""
    x = np.abs(points[0]) if mirrored else points[0]
    squares = [
        ((axis - at) / radius) ** 2 for axis, at, radius in zip((x, *points[1:]), centre, radii, strict=True)
    ]
    inside = (1 - np.sqrt(squares[0] + squares[1] + squares[2])) * min(radii)
    return np.clip(0.5 + inside / 2, 0, 1).astype(np.float32)
