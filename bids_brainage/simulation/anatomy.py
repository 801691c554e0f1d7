"""The shape of a person's head: size, proportions, position in the scanner, smooth deformation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bids_brainage.simulation.grid import Array, Grid, random_field, resample, sample
from bids_brainage.simulation.people import Character, stream
from bids_brainage.simulation.spec import load_spec

# Deformations are smooth: they are computed on a grid this coarse (mm) and interpolated linearly.
COORDINATE_SPACING = 4.0


@dataclass(frozen=True)
class Shape:
    """How scanner points map to the template.

    Attributes
    ----------
    affine : ndarray (4, 4)
        Scanner to template, mm.
    displacement : ndarray (3, ...)
        Added to a template point, mm, on `grid`.
    grid : Grid
        Coarse grid of the displacement.
    asymmetry_mm : float
        How much wider the left lateral ventricle is than the right.
    """

    affine: NDArray[np.float64]
    displacement: Array
    grid: Grid
    asymmetry_mm: float


def draw_shape(character: Character, seed: int, turned: NDArray[np.float64] | None = None) -> Shape:
    """Draw the shape of a person's head; `turned` are angles (radians) by which it lies askew."""
    spec = load_spec().anatomy["person"]
    rng = stream(seed, character.index, "anatomy")
    male = spec["head_size"]["male"] * (0.5 if character.sex == "M" else -0.5)
    size = np.exp(male + rng.normal(0, spec["head_size"]["sd"]))
    axes = size * np.exp(rng.normal(0, spec["proportions"]["sd"], 3))
    axes *= min(1, (spec["head_size"]["largest"] / axes.prod()) ** (1 / 3))
    angles = np.deg2rad(rng.normal(0, spec["rotation_degrees"]["sd"], 3))
    shift = rng.normal(0, spec["translation_mm"]["sd"], 3)
    forward = rigid(angles, shift) @ np.diag([*axes, 1.0])
    if turned is not None:
        forward = rigid(turned, np.zeros(3)) @ forward
    grid = Grid.of_box("head", COORDINATE_SPACING)
    displacement = np.zeros((3, *grid.shape), np.float32)
    for wave in spec["deformations"]:
        for axis in range(3):
            displacement[axis] += np.float32(wave["sd_mm"]) * random_field(rng, wave["wavelength_mm"], grid)
    displacement += _torque(grid, rng.normal(spec["torque_mm"]["mean"], spec["torque_mm"]["sd"]))
    asymmetry = float(rng.normal(0, spec["ventricle_asymmetry_mm"]["sd"]))
    return Shape(np.linalg.inv(forward), displacement, grid, asymmetry)


def _torque(grid: Grid, amount: float) -> Array:
    """The right frontal and the left occipital lobe reach further: points there come from further inside."""
    x, y, _ = grid.axes()
    side = np.tanh(x / 25)
    pull = np.zeros((3, *grid.shape), np.float32)
    pull[1] = (
        -np.float32(amount)
        * np.where(y > 0, np.clip(side, 0, 1), -np.clip(-side, 0, 1))
        * (np.clip((np.abs(y + 15) - 20) / 50, 0, 1))
    )
    return pull


def rigid(angles: NDArray[np.float64], shift: NDArray[np.float64]) -> NDArray[np.float64]:
    """A rigid transform (4, 4) from angles (radians) about x, y, z and a shift (mm)."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(angles), np.sin(angles)
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    matrix = np.eye(4)
    matrix[:3, :3] = about_z @ about_y @ about_x
    matrix[:3, 3] = shift
    return matrix


def template_points(
    shape: Shape,
    grid: Grid,
    *,
    motion: NDArray[np.float64] | None = None,
    push: Array | None = None,
    push_grid: Grid | None = None,
) -> Array:
    """Where in the template (mm) each voxel of a scanner `grid` is found.

    Parameters
    ----------
    shape : Shape
        The person's head.
    grid : Grid
        Voxels of the scanner.
    motion : ndarray (4, 4), optional
        How the head had moved when this image was taken.
    push, push_grid : ndarray (3, ...), Grid, optional
        Displacement in template space by widening ventricles, see `Tissue`.

    Returns
    -------
    ndarray (3, *grid.shape)
    """
    coarse = Grid(
        grid.low,
        tuple(round(n * grid.voxel_size / COORDINATE_SPACING) for n in grid.shape),  # type: ignore[arg-type]
        COORDINATE_SPACING,
    )
    matrix = shape.affine if motion is None else shape.affine @ motion
    axes = np.stack(np.broadcast_arrays(*coarse.axes()))
    points = np.tensordot(matrix[:3, :3].astype(np.float32), axes, axes=1)
    points += matrix[:3, 3].astype(np.float32).reshape(3, 1, 1, 1)
    points += np.stack([sample(axis, shape.grid, points) for axis in shape.displacement])
    if push is not None and push_grid is not None:
        points -= np.stack([sample(axis, push_grid, points) for axis in push])
    return _refine(points, coarse, grid)


def _refine(points: Array, coarse: Grid, grid: Grid) -> Array:
    """Linear interpolation that continues linearly beyond the outermost centres of `coarse`."""
    padded = np.pad(points, [(0, 0)] + [(1, 1)] * 3, mode="reflect", reflect_type="odd")
    low = tuple(value - coarse.voxel_size for value in coarse.low)
    shape = tuple(n + 2 for n in coarse.shape)
    wider = Grid(low, shape, coarse.voxel_size)  # type: ignore[arg-type]
    return np.stack([resample(axis, wider, grid) for axis in padded])
