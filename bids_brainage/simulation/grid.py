"""Voxel grids, and smooth random fields that are the same on each of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

from bids_brainage.simulation.spec import load_spec

Array = NDArray[np.float32]
Volume = TypeVar("Volume", NDArray[np.float32], NDArray[np.uint8])


@dataclass(frozen=True)
class Grid:
    """A grid of cubic voxels, axes along RAS.

    Attributes
    ----------
    low : tuple of float
        Outer corner (mm); the first voxel's centre lies half a voxel further in.
    shape : tuple of int
        Voxels along each axis.
    voxel_size : float
        Edge of a voxel (mm).
    """

    low: tuple[float, float, float]
    shape: tuple[int, int, int]
    voxel_size: float

    @classmethod
    def of_box(cls, box: str, voxel_size: float) -> Grid:
        """The grid that fills the `box` (brain or head) of anatomy.yaml."""
        spec = load_spec().anatomy["box"][box]
        x, y, z = (round(size / voxel_size) for size in spec["size"])
        a, b, c = spec["low"]
        return cls((a, b, c), (x, y, z), voxel_size)

    @property
    def affine(self) -> NDArray[np.float64]:
        """Voxel indices to millimetres."""
        affine = np.diag([self.voxel_size] * 3 + [1.0])
        affine[:3, 3] = np.array(self.low) + self.voxel_size / 2
        return affine

    def axes(self) -> tuple[Array, Array, Array]:
        """Coordinates (mm) of voxel centres along each axis, shaped to broadcast over the grid."""
        centres = [
            low + self.voxel_size * (np.arange(n, dtype=np.float32) + 0.5)
            for low, n in zip(self.low, self.shape, strict=True)
        ]
        x, y, z = np.ix_(*centres)
        return x.astype(np.float32), y.astype(np.float32), z.astype(np.float32)

    def to_voxels(self, points: Array) -> Array:
        """Millimetres, coordinates along the first axis, to voxel indices of this grid."""
        low = np.asarray(self.low, np.float32).reshape((3,) + (1,) * (points.ndim - 1))
        return (points - low) / np.float32(self.voxel_size) - np.float32(0.5)


def resample(field: Array, source: Grid, target: Grid) -> Array:
    """`field` on `source`, interpolated linearly at the voxel centres of `target` (edges are continued).

    Linear interpolation along one axis after the other, as three small matrix products.
    """
    for axis in range(3):
        weights = _linear_weights(source, target, axis)
        field = np.moveaxis(np.tensordot(weights, field, axes=(1, axis)), 0, axis)
    return np.ascontiguousarray(field, dtype=np.float32)


def _linear_weights(source: Grid, target: Grid, axis: int) -> Array:
    centres = target.low[axis] + target.voxel_size * (np.arange(target.shape[axis]) + 0.5)
    place = (centres - source.low[axis]) / source.voxel_size - 0.5
    place = np.clip(place, 0, source.shape[axis] - 1)
    first = np.minimum(place.astype(int), source.shape[axis] - 2)
    weights = np.zeros((target.shape[axis], source.shape[axis]), np.float32)
    rows = np.arange(target.shape[axis])
    weights[rows, first] = 1 - (place - first)
    weights[rows, first + 1] = place - first
    return weights


def random_field(rng: np.random.Generator, wavelength: float, grid: Grid) -> Array:
    """A smooth Gaussian random field of zero mean and unit sd on `grid`.

    It is drawn on a coarse grid that covers the whole head whatever `grid` is, so that the same generator
    gives the same field at every voxel size, with and without skull.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where the field comes from.
    wavelength : float
        About twice the distance (mm) over which the field stays similar.
    grid : Grid
        Where the field is wanted.
    """
    spacing = wavelength / 4
    low = np.array(load_spec().anatomy["box"]["head"]["low"]) - spacing
    size = np.array(load_spec().anatomy["box"]["head"]["size"]) + 2 * spacing
    shape = tuple(int(n) for n in np.ceil(size / spacing))
    coarse = Grid((low[0], low[1], low[2]), (shape[0], shape[1], shape[2]), spacing)
    noise = gaussian_filter(rng.standard_normal(shape, dtype=np.float32), 1.0, mode="wrap")
    # A Gaussian of sd 1 voxel leaves (1 / (2 sqrt(pi)))^3 of white noise's variance.
    return resample(noise * np.float32((2 * np.sqrt(np.pi)) ** 1.5), coarse, grid)


def sample(volume: Volume, source: Grid, points: Array, order: int = 1, mode: str = "constant") -> Volume:
    """`volume` on `source` at `points` (3, ...) in mm; zero outside unless `mode` says otherwise."""
    return map_coordinates(volume, source.to_voxels(points), order=order, mode=mode, output=volume.dtype)


def block_mean(volume: Array, factor: int) -> Array:
    """Mean of blocks of `factor` voxels along three axes, as a coarser scanner would see them."""
    if factor == 1:
        return volume
    x, y, z = (n // factor for n in volume.shape[:3])
    blocks = volume.reshape(x, factor, y, factor, z, factor, *volume.shape[3:])
    return blocks.mean(axis=(1, 3, 5), dtype=np.float32)
