"""An image that something happened to, and how its voxels lie against those of the original."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.affines import apply_affine, voxel_sizes
from numpy.typing import NDArray
from scipy import ndimage

FWHM_PER_SIGMA = 2.3548


@dataclass(frozen=True, eq=False)
class Distorted:
    """An image after a distortion.

    Attributes
    ----------
    image : nibabel.Nifti1Image or nibabel.MGHImage
    to_original : ndarray (4, 4)
        Takes a point of the distorted image, in mm, to where it was in the original.
    fields : mapping
        Fields of the header that are overwritten in the file, behind nibabel's back.
    usable : bool
        Whether enough of the brain is left for a mask.
    """

    image: Any
    to_original: NDArray[np.float64] = field(default_factory=lambda: np.eye(4))
    fields: Mapping[str, Any] = field(default_factory=dict)
    usable: bool = True

    def save(self, stem: Path) -> Path:
        """Write the image beside `stem`, with the ending of its format."""
        path = stem.with_name(stem.name + (".mgz" if isinstance(self.image, nib.MGHImage) else ".nii"))
        self.image.to_filename(path)
        if self.fields:
            content = bytearray(path.read_bytes())
            kind = self.image.header.template_dtype.newbyteorder(self.image.header.endianness)
            header = np.frombuffer(content, dtype=kind, count=1)
            for name, value in self.fields.items():
                header[name] = value
            path.write_bytes(content)
        return path

    def then(self, other: Distorted) -> Distorted:
        """This distortion and one of its image."""
        both = self.to_original @ other.to_original
        return replace(other, to_original=both, usable=self.usable and other.usable)


@dataclass(frozen=True, eq=False)
class Head:
    """An image and a mask of its brain, each on its own grid in one space."""

    image: nib.Nifti1Image
    brain: nib.Nifti1Image

    def brain_points(self) -> NDArray[np.float64]:
        """Where the brain is: ndarray (n, 3), mm."""
        found = np.argwhere(np.asanyarray(self.brain.dataobj) > 0)
        return np.asarray(apply_affine(self.brain.affine, found))

    def after(self, distorted: Distorted) -> Head:
        """The distorted image, and where its brain lies now."""
        affine = np.linalg.inv(distorted.to_original) @ self.brain.affine
        return Head(distorted.image, nib.Nifti1Image(np.asanyarray(self.brain.dataobj), affine))


def image_of(data: NDArray[Any], affine: NDArray[np.float64]) -> nib.Nifti1Image:
    """An image whose header tells its position twice, in mm."""
    image = nib.Nifti1Image(data, affine)
    image.header.set_xyzt_units("mm", "sec")
    image.set_sform(affine, 1)
    image.set_qform(affine, 1)
    return image


def values(image: nib.Nifti1Image) -> NDArray[np.float32]:
    return np.asarray(image.dataobj, dtype=np.float32)


def turned(image: nib.Nifti1Image, matrix: NDArray[np.float64]) -> Distorted:
    """The header moves the image by `matrix`, in mm; voxels stay as they are."""
    moved = image_of(np.asanyarray(image.dataobj), matrix @ image.affine)
    return Distorted(moved, np.linalg.inv(matrix))


def turned_about_centre(image: nib.Nifti1Image, turn: NDArray[np.float64]) -> Distorted:
    """The header turns the image about its middle."""
    centre = apply_affine(image.affine, (np.array(image.shape) - 1) / 2)
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = turn, centre - turn @ centre
    return turned(image, matrix)


def along_axes(distorted: Distorted) -> Distorted:
    """The same on a grid along the axes of space; what lay outside of the image is zero."""
    image = distorted.image
    size = float(voxel_sizes(image.affine).min())
    ends = np.array(np.meshgrid(*[(0, n - 1) for n in image.shape])).reshape(3, -1).T
    world = apply_affine(image.affine, ends)
    affine = np.diag([size, size, size, 1.0])
    affine[:3, 3] = world.min(axis=0)
    shape = np.ceil(np.ptp(world, axis=0) / size).astype(int) + 1
    back = np.linalg.inv(image.affine) @ affine
    data = ndimage.affine_transform(values(image), back[:3, :3], back[:3, 3], tuple(shape), order=1)
    return replace(distorted, image=image_of(data, affine))


def resampled(image: nib.Nifti1Image, sizes: NDArray | tuple[float, ...]) -> Distorted:
    """The image along its own axes with voxels of other sizes (mm), each the mean of what it covers."""
    steps = np.asarray(sizes) / voxel_sizes(image.affine)
    data = values(image)
    for axis, step in enumerate(steps):
        if step > 1:
            sigma = np.sqrt(step**2 - 1) / FWHM_PER_SIGMA
            data = ndimage.gaussian_filter1d(data, sigma, axis=axis, mode="nearest")
    shape = tuple(np.floor(np.array(data.shape) / steps + 1e-6).astype(int))
    first = (steps - 1) / 2
    data = ndimage.affine_transform(data, np.diag(steps), first, shape, order=1, mode="nearest")
    affine = image.affine @ np.diag([*steps, 1.0])
    affine[:3, 3] = apply_affine(image.affine, first)
    return Distorted(image_of(data, affine))


def changed(image: nib.Nifti1Image, data: NDArray[Any]) -> Distorted:
    """The same voxels with other values."""
    return Distorted(image_of(data, image.affine))


def cut(image: nib.Nifti1Image, box: tuple[slice, ...], *, usable: bool = True) -> Distorted:
    """The voxels of a box alone."""
    affine = image.affine.copy()
    affine[:3, 3] = apply_affine(affine, [side.start or 0 for side in box])
    return Distorted(image_of(np.asanyarray(image.dataobj)[box], affine), usable=usable)


def in_world(image: nib.Nifti1Image) -> NDArray[np.float32]:
    """Where each voxel lies: ndarray (3, x, y, z), mm."""
    grid = np.indices(image.shape).reshape(3, -1).T
    return apply_affine(image.affine, grid).T.reshape(3, *image.shape).astype(np.float32)


def head_of(image: nib.Nifti1Image) -> NDArray[np.bool_]:
    """What is not air, roughly."""
    data = values(image)
    bright = ndimage.binary_opening(data > 0.08 * np.percentile(data, 99.5))
    labels, count = ndimage.label(bright)
    if count > 1:
        bright = labels == np.bincount(labels.ravel())[1:].argmax() + 1
    return ndimage.binary_fill_holes(bright)
