"""Images of single heads as people reported them to have gone wrong, and what is to come of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

from tests.robustness.distorted import (
    Distorted,
    Head,
    changed,
    cut,
    head_of,
    in_world,
    resampled,
    turned,
    turned_about_centre,
    values,
)
from tests.robustness.distortions import without_face

Make = Callable[[Head], Distorted]


@dataclass(frozen=True)
class Case:
    """A distortion and what is to come of it.

    Attributes
    ----------
    make : function
    says : str
        Words of the sentence by which the image is refused; if empty, the mask is that of the undistorted.
    may_refuse : bool
        Whether a sentence will do, too.
    warns : str
        Words of a warning; with it, a mask that is less certain will do, too.
    heads : tuple of str
        Whom it is tried on: the simulated person without skull ("brain") or with it ("head"), "colin27".
    """

    make: Make
    says: str = ""
    may_refuse: bool = False
    warns: str = ""
    heads: tuple[str, ...] = ("brain", "head")


def by_header(axis: str, degrees: float) -> Make:
    """The head lies tilted about an axis, and the header says so."""
    turn = Rotation.from_euler(axis, degrees, degrees=True).as_matrix()
    return lambda head: turned_about_centre(head.image, turn)


def axes_become(*rows: tuple[int, int, int]) -> Make:
    """The header names the axes wrongly."""
    matrix = np.eye(4)
    matrix[:3, :3] = rows
    return lambda head: turned(head.image, matrix)


# --- stripped brains whose background is not zero


def faint_noise(head: Head) -> Distorted:
    data = values(head.image)
    noise = np.random.default_rng(1).normal(0, 0.003 * np.percentile(data, 99.5), data.shape)
    return changed(head.image, (data + np.abs(noise)).astype(np.float32))


def noise_in_a_box(head: Head) -> Distorted:
    """A cropped, denoised brain that was put back."""
    data = values(head.image).copy()
    (box,) = ndimage.find_objects((data > 0).astype(np.uint8))
    box = tuple(slice(max(side.start - 4, 0), side.stop + 4) for side in box)
    noise = np.random.default_rng(1).normal(0, 0.01 * np.percentile(data, 99.5), data[box].shape)
    data[box] = np.maximum(data[box], np.abs(noise))
    return changed(head.image, data)


def ringing(head: Head) -> Distorted:
    """Splines to coarser voxels and back leave waves where nothing should be."""
    data = values(head.image)
    coarse = ndimage.zoom(data, 0.7, order=3)
    back = ndimage.zoom(coarse, np.array(data.shape) / coarse.shape, order=3)
    return changed(head.image, back.astype(np.float32))


# --- small heads, faces and air removed


def small_and_defaced(size: float) -> Make:
    matrix = np.diag([size, size, size, 1.0])

    def make(head: Head) -> Distorted:
        first = without_face(head, 60, 6, air=True)
        return first.then(turned(first.image, matrix))

    return make


def air_zero(head: Head) -> Distorted:
    data = values(head.image)
    return changed(head.image, np.where(head_of(head.image), np.maximum(data, 1), 0))


# --- contrast


def like_t2w(head: Head) -> Distorted:
    """Bright is dark and dark is bright, inside the head."""
    data = values(head.image)
    top = np.percentile(data, 99.5)
    inside = head_of(head.image)
    return changed(head.image, np.where(inside, np.clip(1.15 * top - data, 0.02 * top, None), data))


def mp2rage(kind: str) -> Make:
    """UNI, where air is noise as bright as tissue: as integers, below zero, or from -0.5 to 0.5."""

    def make(head: Head) -> Distorted:
        data, inside = values(head.image), head_of(head.image)
        empty = ~inside | (data < 0.06 * np.percentile(data, 99.5))
        noise = np.random.default_rng(1).random(data.shape, dtype=np.float32)
        if kind == "unit":
            grey, white = np.percentile(data[inside], (60, 88))
            ratio = np.clip(0.3 * (data - grey) / (white - grey), -0.5, 0.5)
            return changed(head.image, np.where(empty, noise - 0.5, ratio).astype(np.float32))
        full = np.where(empty, noise * data.max(), data)
        return changed(head.image, full if kind == "integers" else full / data.max() - 0.5)

    return make


# --- field of view and voxels


def without_vertex(head: Head) -> Distorted:
    """Twelve millimetres of the brain lie above the field of view."""
    place = head.brain_points()[:, 2].max() - 12
    index = round(float((place - head.image.affine[2, 3]) / head.image.affine[2, 2]))
    return cut(head.image, (slice(None), slice(None), slice(index)), usable=False)


def of_150_mm(head: Head) -> Distorted:
    """A field of view of 150 mm that ends 8 mm above the brain."""
    low, high = ((head.brain_points()[:, 2].max() + end - head.image.affine[2, 3]) for end in (-142, 8))
    size = head.image.affine[2, 2]
    side = slice(max(round(float(low / size)), 0), round(float(high / size)))
    first = air_zero(head)
    return first.then(cut(first.image, (slice(None), slice(None), side)))


def with_slices(sizes: tuple[float, float, float], tilt: float = 0) -> Make:
    turn = Rotation.from_euler("x", tilt, degrees=True).as_matrix()

    def make(head: Head) -> Distorted:
        first = resampled(head.image, sizes)
        return first.then(turned_about_centre(first.image, turn)) if tilt else first

    return make


def far_away(head: Head) -> Distorted:
    matrix = np.eye(4)
    matrix[:3, 3] = (0, -400, 600)
    return turned(head.image, matrix)


# --- odd places


def cyst(head: Head) -> Distorted:
    """Fluid, five centimetres wide, inside the right hemisphere."""
    points = head.brain_points()
    middle, widths = points.mean(axis=0), np.ptp(points, axis=0)
    offset = in_world(head.image) - (middle + widths * (0.22, 0, 0.05)).reshape(3, 1, 1, 1)
    data = values(head.image)
    dark = 0.1 * np.percentile(data, 99.5)
    return changed(head.image, np.where((offset**2).sum(axis=0) < 25**2, dark, data).astype(np.float32))


def spikes(head: Head) -> Distorted:
    """A few voxels in a corner are a hundred times as bright as all else."""
    data = values(head.image).copy()
    corner: NDArray[np.int_] = np.random.default_rng(1).integers(0, 20, (3, 30))
    data[tuple(corner)] = 100 * np.percentile(data, 99.5)
    return changed(head.image, data)


ALL = ("brain", "head", "colin27")
REAL = ("head", "colin27")

CASES: dict[str, Case] = {
    "30 nod of 20": Case(by_header("x", 20)),
    "30 nod of 40": Case(by_header("x", 40)),
    "30 nod of -40": Case(by_header("x", -40), heads=REAL),
    "30 roll of 40": Case(by_header("y", 40)),
    "30 turn of 60": Case(by_header("z", 60), heads=REAL),
    "31 upside down": Case(axes_become((1, 0, 0), (0, 1, 0), (0, 0, -1)), heads=ALL),
    "31 prone": Case(axes_become((-1, 0, 0), (0, -1, 0), (0, 0, 1))),
    "31 mirrored": Case(axes_become((-1, 0, 0), (0, 1, 0), (0, 0, 1))),
    "31 turned": Case(axes_become((1, 0, 0), (0, 0, -1), (0, 1, 0))),
    "31 upside down and prone": Case(axes_become((1, 0, 0), (0, -1, 0), (0, 0, -1))),
    "35 faint noise": Case(faint_noise, heads=("brain",)),
    "35 noise in a box": Case(noise_in_a_box, heads=("brain",)),
    "35 ringing": Case(ringing, heads=("brain",)),
    "38 far away": Case(far_away),
    "41 T2w": Case(like_t2w, says="T1w image", heads=ALL),
    "42 air zero": Case(air_zero, heads=REAL),
    "42 cyst": Case(cyst, heads=REAL),
    "42 spikes": Case(spikes, heads=REAL),
    "42 MP2RAGE, integers": Case(mp2rage("integers"), heads=REAL),
    "42 MP2RAGE, below zero": Case(mp2rage("below zero"), heads=REAL),
    "42 MP2RAGE, -0.5 to 0.5": Case(mp2rage("unit"), warns="as MP2RAGE does", heads=REAL),
    "42 field of view of 150 mm": Case(of_150_mm, may_refuse=True, heads=REAL),
    "42 without vertex": Case(without_vertex, says="T1w", heads=ALL),
    "42 voxels of 0.5 mm": Case(with_slices((0.5, 0.5, 0.5)), heads=ALL),
    "42 slices of 5 mm": Case(with_slices((1, 1, 5)), warns="slices of 5 mm", heads=ALL),
    "42 slices of 5 mm, tilted": Case(with_slices((1, 1, 5), 20), warns="slices of 5 mm", heads=REAL),
    "42 thin slices": Case(with_slices((0.9, 0.9, 0.7)), heads=REAL),
    "44 defaced": Case(small_and_defaced(1.0), heads=REAL),
    "44 defaced, small": Case(small_and_defaced(0.88), heads=REAL),
    "44 defaced, very small": Case(small_and_defaced(0.8), heads=REAL),
}
