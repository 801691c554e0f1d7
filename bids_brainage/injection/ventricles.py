"""Wider lateral ventricles: their walls flow outwards, and what is around them gives way."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import integrate, ndimage

from bids_brainage import messages
from bids_brainage.errors import ImageError
from bids_brainage.injection.altered import Altered
from bids_brainage.injection.change import Change, load_injection
from bids_brainage.injection.head import Head

Array = NDArray[np.float32]
REACH = 2.0  # mm that a person's ventricles may lie beyond the atlas's
LEAST_ML = 0.3  # of a part of the ventricles
# Share of fluid beyond which a voxel counts; where fluid meets white matter, half-way looks like grey matter.
FLUID = 0.35
STEP = 0.25  # mm of the flow
FLATTEST = 0.3  # of the gradient of a distance; between walls it vanishes


def lateral_ventricles(head: Head) -> NDArray[np.bool_]:
    """Fluid where the atlas has the lateral ventricles, or near it.

    Raises
    ------
    ImageError
        If there is hardly any.
    """
    near = head.distance(head.of(*load_injection().ventricle)) <= REACH
    near &= ~head.of(*load_injection().other_ventricles)
    parts, _ = ndimage.label(near & (head.tissue.csf > FLUID))
    sizes = np.bincount(parts.ravel()) * head.voxel_ml
    sizes[0] = 0
    if sizes.max(initial=0) < LEAST_ML:
        raise ImageError(messages.INJECT_NO_VENTRICLES.format(name=head.name))
    return np.asarray(sizes >= LEAST_ML)[parts]


def inject_ventricles(head: Head, change: Change) -> Altered:
    """Move the walls of the lateral ventricles outwards by the dose.

    Tissue flows along a smooth field that is strongest at the walls and fades towards the brain's surface,
    so it is compressed but never folded, and a higher dose is a lower one with more flow.
    """
    distance = _signed_distance(head, lateral_ventricles(head))
    velocity = _velocity(head, distance) * head.on_side(change.side, width=3.0)
    moved = (velocity**2).sum(axis=0) > 0
    sources = _sources(velocity, moved, _flow_time(change.dose), head)
    images = {}
    for modality in change.of_kind.shows_in:
        if modality in head.images:
            images[modality] = _resampled(head.images[modality], moved, sources, order=3)
    ventricle = (np.clip(0.5 - distance, 0, 1) * head.mask).astype(np.float32)
    weight = np.clip(_resampled(ventricle, moved, sources, order=1) - ventricle, 0, 1)
    return Altered(images, weight, head.volume_ml(ventricle))


def _signed_distance(head: Head, ventricles: NDArray[np.bool_]) -> Array:
    """Distance (mm) from the wall, negative inside."""
    return head.smoothed(head.distance(ventricles) - head.distance(~ventricles), 0.7)


def _velocity(head: Head, distance: Array) -> Array:
    """Outwards (3, ...), in mm of the grid's axes; 1 at the wall."""
    numbers = load_injection().ventricles
    gradient = np.stack(np.gradient(head.smoothed(distance, 1.0), *head.sizes))
    length = np.maximum(np.sqrt((gradient**2).sum(axis=0)), FLATTEST)
    outside = fade(np.maximum(distance, 0), numbers["reach_mm"])
    surface = head.distance(~head.mask)
    rim = np.clip(surface / numbers["surface_mm"], 0, 1)
    inside = np.clip(1 + distance / 12, 0, 1)
    return (gradient / length * outside * inside * rim * rim * (3 - 2 * rim)).astype(np.float32)


def fade(distance: NDArray[np.floating], reach: float) -> NDArray[np.floating]:
    """1 at the wall, 0 from `reach` on, smooth between."""
    return np.asarray(np.clip(1 - (distance / reach) ** 2, 0, 1) ** 2, dtype=float)


def _flow_time(dose: float) -> float:
    """How long the wall flows until it has moved by `dose`, mm."""
    path = np.linspace(0, dose, 200)
    return float(integrate.trapezoid(1 / fade(path, load_injection().ventricles["reach_mm"]), path))


def _sources(velocity: Array, moved: NDArray[np.bool_], time: float, head: Head) -> NDArray[np.float64]:
    """Where (voxels) what is seen in the voxels that move was before."""
    places = np.argwhere(moved).T.astype(np.float64)
    steps = int(np.ceil(time / STEP))
    scale = (time / steps / head.sizes).reshape(3, 1)

    def speed(at: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.stack([ndimage.map_coordinates(axis, at, order=1) for axis in velocity]) * scale

    for _ in range(steps):
        places = places - speed(places - speed(places) / 2)
    return places


def _resampled(volume: Array, moved: NDArray[np.bool_], sources: NDArray[np.float64], order: int) -> Array:
    """A volume with other values where it moves; overshoot of the splines is cut off."""
    result = volume.astype(np.float32, copy=True)
    found = ndimage.map_coordinates(volume, sources, order=order, mode="nearest")
    result[moved] = np.clip(found, volume.min(), volume.max())
    return result
