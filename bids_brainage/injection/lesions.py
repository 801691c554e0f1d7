"""White-matter lesions: where smoothed noise is highest in the places where lesions arise."""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from bids_brainage.injection.altered import Altered, refuse, threshold_for
from bids_brainage.injection.change import Change, load_injection
from bids_brainage.injection.head import Head
from bids_brainage.injection.ventricles import lateral_ventricles
from bids_brainage.simulation.spec import load_spec

Array = NDArray[np.float32]
QUIET = 1.0  # mm over which the share of white matter is smoothed
FILLED = 1.1  # noise and smoothing leave a little less than all of a voxel


def inject_lesions(head: Head, change: Change) -> Altered:
    """Turn the dose's volume of white matter into lesions.

    The noise is the same at every dose, and the dose decides above which value there is a lesion: a higher
    dose has the lesions of a lower one, grown, and others beside them.

    Raises
    ------
    ImageError
        If there is less white matter where lesions arise.
    """
    white, score = _white_matter(head, change)
    numbers = load_injection().lesions
    # Smoothed noise of unit sd changes by this much over the edge of a lesion.
    width = float(2 * numbers["edge_mm"] / (np.sqrt(2) * numbers["size_mm"]))
    there = white > 0
    own, values = white[there].astype(np.float64), score[there].astype(np.float64)
    available = float(own.sum() * head.voxel_ml)
    if change.dose >= available:
        raise refuse(head, change, available)

    def shares(threshold: float) -> NDArray[np.float64]:
        return own * np.clip(0.5 + (values - threshold) / width, 0, 1)

    threshold = threshold_for(
        lambda t: float(shares(t).sum() * head.voxel_ml),
        change.dose,
        float(values.min()) - width,
        float(values.max()) + width,
    )
    weight = np.zeros_like(white)
    weight[there] = shares(threshold)
    return Altered(_images(head, change, weight), weight, available)


def _images(head: Head, change: Change, weight: Array) -> dict[str, Array]:
    """White matter that is lesion has its signal times what signal.yaml has for lesions and white matter."""
    signal = load_spec().signal.signal
    images = {}
    for modality in change.of_kind.shows_in:
        if modality in head.images:
            own = signal[modality]
            step = head.levels[modality].white * (own["lesion"] / own["white"] - 1)
            images[modality] = head.images[modality] + weight * np.float32(step)
    return images


def _white_matter(head: Head, change: Change) -> tuple[Array, Array]:
    """White matter that may become lesion, and how readily it does."""
    spec = load_injection()
    # The scanner's noise is not lesions' shape: white matter fills its voxels, but for its borders.
    filled = np.clip(FILLED * head.smoothed(head.tissue.white, QUIET), 0, 1)
    allowed = filled * head.of(*spec.lesions_arise_in) * (head.on_side(change.side) > 0.5)
    sites = _sites(head, change)
    reach = spec.lesions["reach_mm"]
    away = head.distance(sites)
    white = np.where(away <= reach, allowed, 0).astype(np.float32)
    # Smoothed noise of sd 1; falling away from the places where lesions arise.
    rng = np.random.default_rng([change.seed, zlib.crc32(head.name.encode())])
    noise = head.smoothed(rng.standard_normal(head.mask.shape, dtype=np.float32), spec.lesions["size_mm"])
    score = noise / noise.std() - 2 * (away / np.float32(reach)) ** 2
    return white, score.astype(np.float32)


def _sites(head: Head, change: Change) -> NDArray[np.bool_]:
    """Where lesions arise: by the distance to the ventricles and to other tissue (anatomy.yaml)."""
    white = (head.tissue.white > 0.5) & head.of(*load_injection().lesions_arise_in)
    depth = ndimage.distance_transform_edt(white, sampling=head.sizes)
    distance = head.distance(lateral_ventricles(head))
    sites = np.zeros(head.mask.shape, bool)
    for region in change.regions:
        rule = load_spec().anatomy["lesion_sites"][region]
        near, far = rule["ventricle_distance"]
        low, high = rule["height"]
        between = (distance >= near) & (distance <= far)
        sites |= between & (depth >= rule["depth"]) & (head.points[2] >= low) & (head.points[2] <= high)
    return sites & white
