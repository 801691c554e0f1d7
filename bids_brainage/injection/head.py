"""A prepared head as injections see it: images, the atlas brought to it, and what each voxel is made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from nibabel.affines import apply_affine, voxel_sizes
from numpy.typing import NDArray
from scipy import ndimage

from bids_brainage.injection.levels import Levels, Tissue, measure_levels, tissue_of
from bids_brainage.preprocessing.resampling import bounding_box

if TYPE_CHECKING:
    from bids_brainage.injection.change import Side
    from bids_brainage.records.reading import PreparedImages

Array = NDArray[np.float32]
MARGIN = 3  # voxels around the brain
BEYOND = 1e3  # mm; where voxels outside the brain are said to lie in the template
_LPS = np.array([-1.0, -1.0, 1.0])


@dataclass(frozen=True, eq=False)
class Head:
    """The part of the T1w grid that holds the brain.

    Attributes
    ----------
    name : str
        Whose it is, for sentences.
    affine : ndarray (4, 4)
        Voxels to mm.
    mask : ndarray of bool
    points : ndarray (3, ...)
        Where each voxel of the brain lies in the template, mm (RAS); far away outside the brain.
    labels : ndarray of int16
        Structures of the merged atlas; 0 outside the brain.
    codes : mapping of str to int
        Their numbers by code.
    images : mapping of str to ndarray
        By modality.
    """

    name: str
    affine: NDArray[np.float64]
    mask: NDArray[np.bool_]
    points: Array
    labels: NDArray[np.int16]
    codes: Mapping[str, int]
    images: Mapping[str, Array]

    @cached_property
    def levels(self) -> dict[str, Levels]:
        """By modality, the signals of white and grey matter and of cerebrospinal fluid."""
        return measure_levels(
            self.name,
            self.images,
            white=self.of("Cerebral-White-Matter"),
            grey=np.isin(self.labels, [n for code, n in self.codes.items() if code.startswith("ctx-")]),
            fluid=self.of("Lateral-Ventricle"),
        )

    @cached_property
    def tissue(self) -> Tissue:
        """What each voxel is made of, by the T1w image."""
        return tissue_of(self.images["T1w"], self.levels["T1w"], self.mask)

    @property
    def sizes(self) -> NDArray[np.float64]:
        """Edges of a voxel, mm."""
        return voxel_sizes(self.affine)

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel."""
        return float(np.prod(self.sizes) / 1000)

    def of(self, *structures: str) -> NDArray[np.bool_]:
        """Where structures lie, on either side; codes without their ``Left-``, ``lh-`` and so on."""
        return np.isin(self.labels, self.numbers(structures))

    def part(self, region: str) -> NDArray[np.bool_]:
        """Where a part of the brain lies: Cortical, Subcortical or Cerebellum."""
        from bids_brainage.preprocessing.templates import atlas

        _, table = atlas()
        return np.isin(self.labels, table.loc[table["region"] == region, "index"])

    def numbers(self, structures: Iterable[str]) -> list[int]:
        """Labels of structures on either side."""
        wanted = set(structures)
        return [number for code, number in self.codes.items() if without_side(code) in wanted]

    def on_side(self, side: Side, width: float = 2.0) -> Array:
        """1 on a side of the head, 0 on the other, changing over `width` mm on either side of the midline."""
        if side == "both":
            return self.mask.astype(np.float32)
        x = self.points[0] if side == "right" else -self.points[0]
        return np.where(self.mask, np.clip(0.5 + x / (2 * width), 0, 1), 0).astype(np.float32)

    def distance(self, mask: NDArray[np.bool_]) -> Array:
        """How far (mm) each voxel is from a mask; 0 in it."""
        return ndimage.distance_transform_edt(~mask, sampling=self.sizes).astype(np.float32)

    def smoothed(self, volume: NDArray[np.generic], sd: float) -> Array:
        """A Gaussian of `sd` mm over a volume."""
        return ndimage.gaussian_filter(volume.astype(np.float32), sd / self.sizes)

    def volume_ml(self, share: Array) -> float:
        """Volume of what takes a share of each voxel."""
        return float(share.sum(dtype=np.float64) * self.voxel_ml)

    def sides_ml(self, share: Array) -> tuple[float, float]:
        """The same of the left and the right half of the head."""
        left = self.points[0] < 0
        return self.volume_ml(share * left), self.volume_ml(share * ~left)


def without_side(code: str) -> str:
    """A structure's code without what says on which side it lies."""
    for prefix in ("Left-", "Right-"):
        code = code.removeprefix(prefix)
    return code.replace("ctx-lh-", "ctx-").replace("ctx-rh-", "ctx-")


def read_head(images: PreparedImages, name: str) -> tuple[Head, tuple[slice, ...]]:
    """Read a session's images.

    Parameters
    ----------
    images : PreparedImages
    name : str
        Whose they are.

    Returns
    -------
    head : Head
    box : tuple of slice
        Which part of the T1w grid it is.

    Raises
    ------
    TransformError
        If the way to the template cannot be read.
    """
    import nibabel as nib

    mask_image = nib.Nifti1Image.from_filename(images.mask)
    whole = np.asanyarray(mask_image.dataobj) > 0
    box = bounding_box(whole, MARGIN)
    mask = whole[box]
    affine = mask_image.slicer[box].affine
    points = template_points(affine, mask, images.inverse)
    labels, codes = atlas_at(points)
    volumes = {modality: _volume(path, box) for modality, path in images.subject.items()}
    return Head(name, affine, mask, points, np.where(mask, labels, 0).astype(np.int16), codes, volumes), box


def template_points(affine: NDArray[np.float64], mask: NDArray[np.bool_], inverse: Path) -> Array:
    """Where each voxel of a mask lies in the template."""
    from bids_brainage.preprocessing.transforms import move, read_steps

    voxels = apply_affine(affine, np.argwhere(mask))
    points = np.full((3, *mask.shape), BEYOND, np.float32)
    points[:, mask] = (move(voxels * _LPS, read_steps(inverse)) * _LPS).T
    return points


def atlas_at(points: Array) -> tuple[NDArray[np.int16], dict[str, int]]:
    """Labels of the merged atlas at points of the template (nearest), and their numbers by code."""
    from bids_brainage.preprocessing.templates import atlas

    labels, table = atlas()
    found = at_points(np.asanyarray(labels.dataobj), labels.affine, points, order=0)
    return found.astype(np.int16), dict(zip(table["code"], table["index"], strict=True))


def at_points(
    volume: NDArray[np.generic], affine: NDArray[np.float64], points: Array, order: int = 1
) -> Array:
    """A volume of the template at points (3, ...); 0 beyond it."""
    to_voxel = np.linalg.inv(affine)
    places = np.tensordot(to_voxel[:3, :3], points, axes=1) + to_voxel[:3, 3].reshape(3, 1, 1, 1)
    return ndimage.map_coordinates(volume.astype(np.float32), places, order=order, prefilter=False)


def _volume(path: Path, box: tuple[slice, ...]) -> Array:
    import nibabel as nib

    return np.asanyarray(nib.Nifti1Image.from_filename(path).dataobj[box], dtype=np.float32)
