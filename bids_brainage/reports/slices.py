"""Which slices of a head are shown, and cutting them out of every image of the same grid."""

from __future__ import annotations

from dataclasses import dataclass

import nibabel as nib
import numpy as np

AXES = {"axial": 2, "coronal": 1, "sagittal": 0}
MARGIN_MM = 6.0


def canonical(image: nib.Nifti1Image) -> np.ndarray:
    """Return the voxels with axes running to the right, to the front and up."""
    return np.asarray(nib.as_closest_canonical(image).dataobj, dtype=np.float32)


@dataclass(frozen=True)
class Slices:
    """Equally spaced slices through the brain in three axes.

    Attributes
    ----------
    box : tuple of slice
        The brain and a small margin, in voxels of the canonical orientation.
    cuts : dict
        Voxel indices of the slices, by axis name.
    positions : dict
        The same in millimetres of the image's world.
    zooms : tuple of float
        Voxel sizes in millimetres.
    """

    box: tuple[slice, slice, slice]
    cuts: dict[str, tuple[int, ...]]
    positions: dict[str, tuple[float, ...]]
    zooms: tuple[float, ...]

    @classmethod
    def through(
        cls, mask: nib.Nifti1Image, number: int = 7, voxel: tuple[int, int, int] | None = None
    ) -> Slices:
        """Choose `number` slices in each axis through what is not zero in `mask`, and through `voxel`."""
        image = nib.as_closest_canonical(mask)
        data = np.asarray(image.dataobj) != 0
        if not data.any():
            data = np.ones_like(data)
        zooms = tuple(float(z) for z in image.header.get_zooms()[:3])
        bounds = [np.flatnonzero(data.any(axis=tuple({0, 1, 2} - {axis})))[[0, -1]] for axis in range(3)]
        cuts, positions = {}, {}
        for name, axis in AXES.items():
            first, last = bounds[axis]
            inner = np.linspace(first, last, number + 2)[1:-1].round().astype(int)
            if voxel is not None:
                inner[np.argmin(np.abs(inner - voxel[axis]))] = voxel[axis]
            cuts[name] = tuple(int(i) for i in inner)
            voxels = np.zeros((number, 3))
            voxels[:, axis] = inner
            positions[name] = tuple(float(p) for p in nib.affines.apply_affine(image.affine, voxels)[:, axis])
        return cls(_box(bounds, zooms, data.shape), cuts, positions, zooms)

    def row(self, data: np.ndarray, axis: str) -> np.ndarray:
        """Return the slices of one axis side by side, up or front at the top, left at the left.

        Parameters
        ----------
        data : np.ndarray
            Voxels in canonical orientation, of the grid the slices were chosen on.
        axis : {"axial", "coronal", "sagittal"}
            Sagittal slices look to the right.

        Returns
        -------
        np.ndarray
            Shape (height, number * width), with pixels of equal size in both directions.
        """
        cropped_start = self.box[AXES[axis]].start
        cropped = data[self.box]
        kept = [z for i, z in enumerate(self.zooms) if i != AXES[axis]]
        tiles = []
        for cut in self.cuts[axis]:
            tile = cropped[(slice(None),) * AXES[axis] + (cut - cropped_start,)]
            tiles.append(_square_pixels(tile, kept).T[::-1])
        return np.concatenate(tiles, axis=1)


def _box(
    bounds: list[np.ndarray], zooms: tuple[float, ...], shape: tuple[int, ...]
) -> tuple[slice, slice, slice]:
    sides = []
    for (first, last), zoom, size in zip(bounds, zooms, shape, strict=True):
        margin = round(MARGIN_MM / zoom)
        sides.append(slice(max(0, int(first) - margin), min(size, int(last) + margin + 1)))
    return sides[0], sides[1], sides[2]


def _square_pixels(tile: np.ndarray, zooms: list[float]) -> np.ndarray:
    """Repeat rows or columns so that both directions have the smaller of the two voxel sizes."""
    small = min(zooms)
    for direction, zoom in enumerate(zooms):
        size = round(tile.shape[direction] * zoom / small)
        if size != tile.shape[direction]:
            picked = np.minimum((np.arange(size) * small / zoom).astype(int), tile.shape[direction] - 1)
            tile = np.take(tile, picked, axis=direction)
    return tile


def grey(data: np.ndarray, inside: np.ndarray | None = None) -> np.ndarray:
    """Scale to [0, 1] between 0 and the 99.5th percentile of what is above zero (inside a mask)."""
    values = data[inside & (data > 0)] if inside is not None else data[data > 0]
    top = float(np.percentile(values, 99.5)) if values.size else 1.0
    return np.clip(np.nan_to_num(data) / (top or 1.0), 0, 1)
