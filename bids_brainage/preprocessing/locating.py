"""Where the brain lies in a T1w image, found by registration, and judged by likeness to the template.

The registration starts from the pose of the head (see `pose`), and again from others until what it finds
is like the template's brain. So neither the header's orientation, nor a neck, nor the size of the head, nor
a strong bias field decides where the brain is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.affines import voxel_sizes
from numpy.typing import NDArray
from scipy import ndimage

from bids_brainage import messages
from bids_brainage.errors import ImageError
from bids_brainage.preprocessing.likeness import likeness
from bids_brainage.preprocessing.pose import Pose, affine_of, find_pose, upright
from bids_brainage.preprocessing.registration import (
    AFFINE_VOXEL_SIZE,
    TemplateTransforms,
    apply_transforms,
    register_affine,
)
from bids_brainage.preprocessing.resampling import at_voxel_size, dilate, erode, image_like, mask_like
from bids_brainage.preprocessing.templates import template_brain, template_mask
from bids_brainage.preprocessing.transforms import LPS, move, read_steps

GOOD = 0.5  # likeness to the template
LEAST = 0.4
INVERTED = -0.2
SMALL = 0.78  # of the head against the template's, where it is tried again
VOXEL_SIZE = 2.0  # mm
FLATTENED = 10.0  # mm
RIM = (5.0, 16.0)  # mm outside the brain, where a head has its bone and scalp
SIGNAL = 0.2  # of the brain's median
STRIPPED = 0.2  # part of the rim that may hold signal where there is no skull
POSE_REACH = 8.0  # mm around the template's brain as the pose has it
TEMPLATE_CENTRE = np.array([0.0, -18.0, 10.0])  # mm, of its brain


@dataclass(frozen=True, eq=False)
class Located:
    """A brain's place in an image.

    Attributes
    ----------
    transforms : TemplateTransforms
        Affine, from the image to the template and back.
    likeness : float
        To the template, after the affine; see `likeness`.
    rim : float
        Part of the space around the brain that holds signal: of a head about 0.8, of a stripped brain none.
    """

    transforms: TemplateTransforms
    likeness: float
    rim: float

    @property
    def stripped(self) -> bool:
        """Whether skull and scalp are gone."""
        return self.rim < STRIPPED

    @property
    def doubtful(self) -> bool:
        """Whether it is only just like the template."""
        return self.likeness < GOOD

    @property
    def rigid(self) -> NDArray[np.float64]:
        """Affine (4, 4) that turns and moves the image, in mm, so that its brain lies as the template's."""
        there, ahead = self.to_image(
            np.stack([np.zeros((3, 3)) + TEMPLATE_CENTRE, TEMPLATE_CENTRE + np.eye(3)])
        )
        left, _, right = np.linalg.svd(np.linalg.inv((ahead - there).T))
        return affine_of(left @ right, TEMPLATE_CENTRE - left @ right @ there[0])

    def to_image(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Take points (..., 3) of the template, in mm, to the image."""
        moved = move(points.reshape(-1, 3) * LPS, read_steps(self.transforms.forward))
        return (moved * LPS).reshape(points.shape)

    def prior(self, grid: nib.Nifti1Image, threads: int = 1) -> NDArray[np.bool_]:
        """The template's brain mask on a grid in the image's space."""
        back = [self.transforms.inverse]
        moved = apply_transforms(template_mask(2), grid, back, interpolation="nearest", threads=threads)
        return np.asanyarray(moved.dataobj) > 0


def locate_brain(
    image: nib.Nifti1Image, work_dir: Path, threads: int = 1, name: str = "the T1w image"
) -> Located:
    """Find the brain in a T1w image of a head, or of a brain alone.

    Parameters
    ----------
    image : nibabel.Nifti1Image
        In whatever orientation; background about zero.
    work_dir : Path
        Where the transforms go.
    threads : int
    name : str
        What to call the image in an error.

    Raises
    ------
    ImageError
        If nothing in it is like a T1w image of a brain, or white matter is darker than grey.
    """
    best: Located | None = None
    found: Located | None = None
    for number, (pose, moving) in enumerate(_starts(image)):
        try:
            transforms = register_affine(
                moving,
                template_brain(2),
                fixed_mask=template_mask(2),
                start=pose.similarity,
                out_prefix=work_dir / f"affine{number}-",
                threads=threads,
                name=name,
            )
        except ImageError:
            continue  # an affine that is absurd; the next start may do better
        found = _judged(image, transforms, threads)
        if best is None or found.likeness > best.likeness:
            best = found
        if found.likeness >= GOOD:
            return found
    if best is not None and best.likeness >= LEAST:
        return best
    # The last start was the header's: there a T2w image lies right, and is most unlike.
    inverted = found is not None and found.likeness < INVERTED
    text = messages.NOT_T1W_CONTRAST if inverted else messages.NO_BRAIN_FOUND
    raise ImageError(text.format(file=name))


def _starts(image: nib.Nifti1Image) -> Iterator[tuple[Pose, nib.Nifti1Image]]:
    """Poses to start from, each with what to register: the brain of that pose and a little around it."""
    coarse = at_voxel_size(image, AFFINE_VOXEL_SIZE)
    usual = find_pose(image)
    yield usual, _around(usual, coarse)
    small = find_pose(image, SMALL)
    yield small, _around(small, coarse)
    yield usual, _around(usual, flattened(coarse))
    yield upright(image), coarse


def _around(pose: Pose, image: nib.Nifti1Image) -> nib.Nifti1Image:
    """The image without what is clearly no brain: the scalp is as smooth a surface, and as bright."""
    mask = np.asanyarray(template_mask(2).dataobj).astype(np.float32)
    placed = nib.Nifti1Image(mask, np.linalg.inv(pose.similarity) @ template_mask(2).affine)
    near = dilate(mask_like(placed, image), POSE_REACH, voxel_sizes(image.affine))
    return image_like(image.get_fdata(dtype=np.float32) * near, image)


def _judged(image: nib.Nifti1Image, transforms: TemplateTransforms, threads: int) -> Located:
    moved = apply_transforms(image, template_brain(2), [transforms.forward], threads=threads)
    data = moved.get_fdata(dtype=np.float32)
    core, rim = _core_and_rim()
    median = float(np.median(data[core]))
    return Located(transforms, likeness(moved), float((data[rim] > SIGNAL * median).mean()))


@lru_cache(maxsize=1)
def _core_and_rim() -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """The inside of the template's brain, and the space around it."""
    inside, sizes = np.asanyarray(template_mask(2).dataobj) > 0, np.full(3, VOXEL_SIZE)
    rim = dilate(inside, RIM[1], sizes) & ~dilate(inside, RIM[0], sizes)
    return erode(inside, RIM[0], sizes), rim


def flattened(image: nib.Nifti1Image) -> nib.Nifti1Image:
    """The image with every place's mean and contrast made alike, so that no bias field is left."""
    data = image.get_fdata(dtype=np.float32)
    top = float(np.percentile(data, 98)) or 1.0
    data = np.clip(data, 0, 1.5 * top) / top
    sigma = FLATTENED / voxel_sizes(image.affine)
    mean, square = (ndimage.gaussian_filter(part, sigma, truncate=3) for part in (data, data**2))
    spread = np.sqrt(np.maximum(square - mean**2, 0)) + 0.05 * mean.max()
    flat = (data - mean) / spread
    return image_like((flat - flat.min()).astype(np.float32), image)
