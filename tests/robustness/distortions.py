"""Distortions of a T1w head, drawn at random within what real datasets hold.

A distortion is drawn before it is applied, so that it has a name and can be done to one head after another.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from nibabel.affines import apply_affine
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

from tests.robustness import headers
from tests.robustness.distorted import (
    Distorted,
    Head,
    along_axes,
    changed,
    cut,
    head_of,
    in_world,
    resampled,
    turned,
    turned_about_centre,
    values,
)


@dataclass(frozen=True)
class Distortion:
    """What is done to a head, in words and as a function."""

    name: str
    apply: Callable[[Head], Distorted]

    def then(self, other: Distortion) -> Distortion:
        """This one, and another of what it leaves."""

        def both(head: Head) -> Distorted:
            first = self.apply(head)
            return first.then(other.apply(head.after(first)))

        return Distortion(f"{self.name}; {other.name}", both)


Draw = Callable[[Generator], Distortion]


# --- pose


def _turn(rng: Generator) -> tuple[str, NDArray[np.float64]]:
    axis, angle = rng.normal(size=3), float(rng.uniform(15, 40))
    axis /= np.linalg.norm(axis)
    name = f"turned by {angle:.0f} degrees about {axis.round(1).tolist()}"
    return name, Rotation.from_rotvec(axis * angle, degrees=True).as_matrix()


def turned_by_header(rng: Generator) -> Distortion:
    """The head lies tilted, and the header says so."""
    name, turn = _turn(rng)
    return Distortion(f"{name} by the header", lambda head: turned_about_centre(head.image, turn))


def turned_and_resampled(rng: Generator) -> Distortion:
    """The head lies tilted in a grid along the axes of space."""
    name, turn = _turn(rng)
    return Distortion(f"{name}, resampled", lambda head: along_axes(turned_about_centre(head.image, turn)))


def orientation_lost(rng: Generator) -> Distortion:
    """Axes are permuted or reversed, as by a conversion that dropped the orientation."""
    number = int(rng.integers(1, 24))
    turn = Rotation.create_group("O").as_matrix().round()[number]
    return Distortion(
        f"orientation lost (quarter turns, no. {number} of 23)",
        lambda head: turned_about_centre(head.image, turn),
    )


# --- field of view


def neck_cut(rng: Generator) -> Distortion:
    left = float(rng.uniform(0, 30))
    return Distortion(f"neck cut {left:.0f} mm below the brain", lambda head: _cut(head, 2, -1, -left))


def tight(rng: Generator) -> Distortion:
    def apply(head: Head) -> Distorted:
        (box,) = ndimage.find_objects(head_of(head.image).astype(np.uint8))
        return cut(head.image, box)

    return Distortion("cut tight around the head", apply)


def brain_cut(rng: Generator) -> Distortion:
    """A part of the brain lies outside the field of view."""
    sides = {"top": (2, 1), "front": (1, 1), "back": (1, -1), "right": (0, 1), "left": (0, -1)}
    depth, word = float(rng.uniform(12, 35)), str(rng.choice(list(sides)))
    return Distortion(
        f"{depth:.0f} mm of the brain cut off, {word}", lambda head: _cut(head, *sides[word], depth)
    )


def _cut(head: Head, axis: int, side: int, depth: float) -> Distorted:
    """Cut across an axis of space, `depth` mm inside the end of the brain on that side."""
    affine = head.image.affine
    along = int(np.abs(affine[axis, :3]).argmax())
    size = float(affine[axis, along])
    ends = head.brain_points()[:, axis]
    place = ends.max() - depth if side > 0 else ends.min() + depth
    index = round(float((place - affine[axis, 3]) / size))
    box = [slice(0, n) for n in head.image.shape]
    keeps_low = (size > 0) == (side > 0)
    box[along] = slice(0, max(index, 0)) if keeps_low else slice(max(index, 0), head.image.shape[along])
    return cut(head.image, tuple(box), usable=depth <= 0)


# --- intensities


def noise(rng: Generator) -> Distortion:
    """Rician noise, up to a tenth of bright tissue."""
    part, seed = float(rng.uniform(0.03, 0.10)), int(rng.integers(2**31))

    def apply(head: Head) -> Distorted:
        data, own = values(head.image), np.random.default_rng(seed)
        real, imaginary = (own.normal(0, part * _bright(head), data.shape) for _ in range(2))
        return changed(head.image, np.hypot(data + real, imaginary).astype(np.float32))

    return Distortion(f"noise of {100 * part:.1f} %", apply)


def _bright(head: Head) -> float:
    """The 98th percentile of the brain."""
    data = values(head.image)
    places = np.rint(apply_affine(np.linalg.inv(head.image.affine), head.brain_points()[::7])).astype(int)
    places = places[((places >= 0) & (places < data.shape)).all(axis=1)]
    return float(np.percentile(data[tuple(places.T)], 98))


def bias(rng: Generator) -> Distortion:
    """A smooth field; between its brightest and its darkest place lie up to 40 % of the mean."""
    part, weights = float(rng.uniform(0.15, 0.40)), rng.normal(size=9)

    def apply(head: Head) -> Distorted:
        world = in_world(head.image)
        x, y, z = world - world.mean(axis=(1, 2, 3), keepdims=True)
        field = np.tensordot(
            weights, np.stack([100 * x, 100 * y, 100 * z, x * y, y * z, z * x, x * x, y * y, z * z]), 1
        )
        field = (field - field.min()) / np.ptp(field) - 0.5
        return changed(head.image, (values(head.image) * (1 + part * field)).astype(np.float32))

    return Distortion(f"bias field of {100 * part:.0f} %", apply)


def _of_values(name: str, function: Callable[[NDArray[np.float32]], NDArray]) -> Distortion:
    return Distortion(name, lambda head: changed(head.image, function(values(head.image))))


def scaled(rng: Generator) -> Distortion:
    factor = np.float32(10 ** rng.uniform(-4, 4))
    return _of_values(f"values times {factor:.2g}", lambda data: data * factor)


def offset_below(rng: Generator) -> Distortion:
    return _of_values("values lower by a quarter of the range", lambda data: data - np.ptp(data) / 4)


def offset_above(rng: Generator) -> Distortion:
    return _of_values("values higher by half of the range", lambda data: data + np.ptp(data) / 2)


def another_type(rng: Generator) -> Distortion:
    """Integers that fill their type, as converters write them."""
    name = str(rng.choice(["uint8", "int16", "uint16"]))
    top = np.iinfo(name).max
    return _of_values(
        f"values as {name}", lambda data: np.rint((data - data.min()) / np.ptp(data) * top).astype(name)
    )


def gamma(rng: Generator) -> Distortion:
    power = float(rng.uniform(0.8, 1.25))

    def function(data: NDArray[np.float32]) -> NDArray[np.float32]:
        top = data.max()
        return ((np.maximum(data, 0) / top) ** power * top).astype(np.float32)

    return _of_values(f"gamma {power:.2f}", function)


# --- voxels and headers


def cubes(rng: Generator) -> Distortion:
    size = float(rng.uniform(0.5, 2))
    return Distortion(f"voxels of {size:.1f} mm", lambda head: resampled(head.image, (size,) * 3))


def thick_slices(rng: Generator) -> Distortion:
    thickness, axis = float(rng.uniform(3, 5)), int(rng.integers(3))
    name = f"slices of {thickness:.1f} mm across the {('first', 'second', 'third')[axis]} axis"

    def apply(head: Head) -> Distorted:
        sizes = np.array(head.image.header.get_zooms()[:3])
        sizes[axis] = thickness
        return resampled(head.image, sizes)

    return Distortion(name, apply)


def far_origin(rng: Generator) -> Distortion:
    way, distance = rng.normal(size=3), float(rng.uniform(300, 900))
    shift = np.eye(4)
    shift[:3, 3] = way / np.linalg.norm(way) * distance
    return Distortion(f"origin {distance:.0f} mm away", lambda head: turned(head.image, shift))


def header_form(rng: Generator) -> Distortion:
    name = str(rng.choice(list(headers.FORMS)))
    return Distortion(f"header with {name}", lambda head: headers.FORMS[name](head.image))


# --- defacing


def defacing(rng: Generator) -> Distortion:
    """What lies beyond a plane before and below the brain is gone, sometimes all that is not head too."""
    angle, margin, air = float(rng.uniform(35, 65)), float(rng.uniform(4, 12)), bool(rng.random() < 0.7)
    name = f"defaced {margin:.0f} mm from the brain, {angle:.0f} degrees down" + ", air zero" * air

    return Distortion(name, lambda head: without_face(head, angle, margin, air=air))


def without_face(head: Head, angle: float, margin: float, *, air: bool) -> Distorted:
    """Set to zero what lies `margin` mm before and below the brain.

    `angle` (degrees) is how far the normal of the plane points down from straight ahead; with `air`, all that
    is not head is zero too.
    """
    way = np.array([0, np.cos(np.deg2rad(angle)), -np.sin(np.deg2rad(angle))])
    gone = np.tensordot(way, in_world(head.image), axes=1) > (head.brain_points() @ way).max() + margin
    data = values(head.image)
    if air:
        data = np.where(head_of(head.image), np.maximum(data, 1e-3 * data.max()), 0)
    return changed(head.image, np.where(gone, 0, data).astype(np.float32))
