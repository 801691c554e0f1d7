"""Thinner cortex: grey matter turns into fluid, sooner where more fluid is beside it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bids_brainage.injection.altered import Altered, refuse, threshold_for
from bids_brainage.injection.change import Change, load_injection
from bids_brainage.injection.head import Head
from bids_brainage.injection.ventricles import lateral_ventricles
from bids_brainage.simulation.spec import load_spec

Array = NDArray[np.float32]


def inject_cortex(head: Head, change: Change) -> Altered:
    """Turn the dose's share of the cortical grey matter into fluid, as ageing does in the simulation.

    Raises
    ------
    ImageError
        If so much is not near enough to fluid.
    """
    spec = load_injection()
    lobes = head.of(*(code for region in change.regions for code in spec.lobes[region]))
    grey = head.tissue.grey * lobes * head.on_side(change.side)
    beside = _fluid_beside(head)
    total = float(grey.sum(dtype=np.float64))

    def lost(rate: float) -> Array:
        return grey * (1 - np.exp(-np.float32(rate) * beside))

    def left(rate: float) -> float:
        return 1 - float(lost(rate).sum(dtype=np.float64)) / total

    fits = 1 - left(spec.cortex["rate"])
    if change.dose >= fits:
        raise refuse(head, change, fits)
    weight = lost(threshold_for(left, 1 - change.dose, 0.0, spec.cortex["rate"]))
    images = {
        modality: _thinned(head, modality, weight)
        for modality in change.of_kind.shows_in
        if modality in head.images
    }
    return Altered(images, weight, head.volume_ml(grey))


def _fluid_beside(head: Head) -> Array:
    """How much fluid is near a voxel; around the brain there is fluid, and the ventricles do not count."""
    fluid = np.where(head.mask, head.tissue.csf, 1)
    near = head.smoothed(fluid, load_spec().ageing.cortex["reach_mm"])
    away = np.clip((head.distance(lateral_ventricles(head)) - 2) / 4, 0, 1)
    return (near * away).astype(np.float32)


def _thinned(head: Head, modality: str, weight: Array) -> Array:
    """Grey matter's signal becomes that of fluid, and no voxel goes beyond it."""
    image, levels = head.images[modality], head.levels[modality]
    step = np.float32(levels.csf - levels.grey)
    new = image + weight * step
    if step < 0:
        return np.maximum(new, np.minimum(image, np.float32(levels.csf)))
    return np.minimum(new, np.maximum(image, np.float32(levels.csf)))
