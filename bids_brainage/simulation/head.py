"""Scalp, skull, eyes and neck around the template brain, realistic enough to test brain extraction."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_closing, distance_transform_edt, gaussian_filter

from bids_brainage.simulation.grid import Array, Grid
from bids_brainage.simulation.spec import load_spec
from bids_brainage.simulation.template import load_template

# Later tissues lie over earlier ones.
TISSUES = ("muscle", "scalp", "bone", "marrow", "csf", "air", "eye", "lens")


@cache
def head_grid() -> Grid:
    """Grid of the head around the template brain (2 mm)."""
    return Grid.of_box("head", 2.0)


@cache
def head_tissues() -> dict[str, Array]:
    """Fractions of everything of the head that is not brain, on `head_grid()`."""
    spec, grid = load_spec().anatomy["head"], head_grid()
    brain = brain_in_head()
    smooth = binary_closing(brain > 0.5, iterations=8)
    to_brain = gaussian_filter(distance_transform_edt(~smooth).astype(np.float32) * 2, 1.0)
    layers = spec["layers_mm"]
    vault = _soft(layers["scalp"] - to_brain)
    solid = np.maximum.reduce([vault, *(_blob(grid, shape) for shape in spec["solid"])])
    to_skin = distance_transform_edt(solid > 0.5).astype(np.float32) * 2
    # The skull closes the vault; below its base there is muscle with some bone.
    above = _soft(
        (grid.axes()[2] - spec["skull_base"]["height"] - spec["skull_base"]["slope"] * grid.axes()[1]) / 2
    )
    bone = _soft(layers["bone"] - to_brain) * solid * np.maximum(above, _soft(layers["base"] - to_brain))
    marrow = _soft(layers["marrow"][1] - to_brain) * _soft(to_brain - layers["marrow"][0]) * above
    maps = {
        "muscle": solid,
        "scalp": solid * _soft(spec["skin_mm"] - to_skin),
        "bone": np.maximum.reduce([bone, *(_blob(grid, shape) * solid for shape in spec["bones"])]),
        "marrow": np.maximum.reduce([marrow * bone, *(_blob(grid, shape) for shape in spec["marrows"])]),
        "csf": _soft(layers["csf"] - to_brain) * solid,
        "air": np.maximum.reduce([_blob(grid, shape) for shape in spec["air"]]),
        "eye": np.maximum.reduce([_blob(grid, shape) for shape in spec["eyes"]]),
        "lens": np.maximum.reduce([_blob(grid, shape) for shape in spec["lenses"]]),
    }
    return _fractions(maps, brain)


@cache
def brain_in_head() -> Array:
    """Brain fraction of the template on `head_grid()`."""
    template = load_template(2.0)
    brain = np.zeros(head_grid().shape, np.float32)
    first = [round((b - a) / 2) for a, b in zip(head_grid().low, template.grid.low, strict=True)]
    box = tuple(slice(f, f + n) for f, n in zip(first, template.grid.shape, strict=True))
    brain[box] = template.brain
    return brain


def head_signal(modality: str) -> Array:
    """Noise-free signal of everything but the brain, on `head_grid()`."""
    levels = {**load_spec().signal.outside[modality], "csf": load_spec().signal.signal[modality]["csf"]}
    image = np.zeros(head_grid().shape, np.float32)
    for name, fraction in head_tissues().items():
        image += fraction * np.float32(levels[name])
    return image


def _fractions(maps: dict[str, Array], brain: Array) -> dict[str, Array]:
    """Let each map cover those before it, and the brain cover all."""
    left = 1 - brain
    fractions = {}
    for name in reversed(TISSUES):
        fractions[name] = (left * maps[name]).astype(np.float32)
        left = left - fractions[name]
    return fractions


def _soft(inside: NDArray[Any]) -> Array:
    """1 where `inside` (mm) is positive, 0 where negative, over one 2 mm voxel."""
    return np.clip(inside / 2 + 0.5, 0, 1).astype(np.float32)


def _blob(grid: Grid, shape: dict[str, Any]) -> Array:
    """An ellipsoid, or an upright cylinder where `radii` has two numbers, maybe mirrored and tilted."""
    x, y, z = grid.axes()
    x = np.abs(x) if shape.get("mirrored") else x
    cx, cy, cz = shape["centre"]
    radii = shape["radii"]
    y = y - shape.get("tilt", 0.0) * (z - cz)
    squares = ((x - cx) / radii[0]) ** 2 + ((y - cy) / radii[1]) ** 2
    if len(radii) == 3:
        squares = squares + ((z - cz) / radii[2]) ** 2
    blob = _soft((1 - np.sqrt(squares)) * min(radii))
    low, high = shape.get("height", (-1e3, 1e3))
    return blob * _soft(z - low) * _soft(high - z)
