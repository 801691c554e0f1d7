"""Brain extraction from what every install has: BET's surface, the template's mask, then tissue.

BET (Smith 2002, doi:10.1002/hbm.10062) alone includes neck, orbits and bone. Its rough brain is
registered to the template by an affine, whose mask removed by location what is not brain; what remains
is made to follow the tissue by its intensity. All at 2 mm.
"""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from bids_brainage.preprocessing.conform import reorient
from bids_brainage.preprocessing.registration import apply_transforms, register_affine
from bids_brainage.preprocessing.resampling import (
    at_voxel_size,
    ball,
    dilate,
    erode,
    image_like,
    largest_component,
    mask_like,
)
from bids_brainage.preprocessing.scratch import scratch
from bids_brainage.preprocessing.templates import template_brain, template_mask

VOXEL_SIZE = 2.0  # mm
SIZES = np.full(3, VOXEL_SIZE)
ITERATIONS = 400  # enough for a rough surface; the template and the tissue do the rest
HEAD_HEIGHT = 180.0  # mm kept below the top of the head: longer necks mislead BET
TEMPLATE_REACH = 5.0  # mm by which a brain may extend beyond the affine template mask
CORE_DEPTH = 4.0  # mm inside it, where everything counts as brain
TISSUE = (0.6, 1.5)  # grey and white matter, against the mean nearby
BIAS_SIGMA = 25.0  # mm over which that mean is taken
BRIDGE = 3.0  # mm: what is connected by less is meninges or orbit
SULCUS = 9.0  # mm: half the width of gaps that are closed


def brain_by_bet(
    image: nib.Nifti1Image, threads: int = 1, name: str = "the T1w image", work_dir: Path | None = None
) -> NDArray[np.bool_]:
    """The brain in a T1w image of a head.

    Parameters
    ----------
    image : nibabel.Nifti1Image
        T1w with skull.
    threads : int
    name : str
        What to call the image in an error.
    work_dir : Path, optional
        Where temporary files go.

    Returns
    -------
    ndarray of bool
        On the grid of `image`.
    """
    coarse = _below_top(reorient(at_voxel_size(image, VOXEL_SIZE), "RAS"))
    surface = _surface(coarse)
    with scratch(work_dir) as folder:
        prior = _template_prior(coarse, surface, threads, name, folder)
    brain = follow_tissue(coarse.get_fdata(dtype=np.float32), surface, prior)
    return mask_like(image_like(brain.astype(np.uint8), coarse), image)


def follow_tissue(
    data: NDArray[np.float32], surface: NDArray[np.bool_], prior: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Make a mask follow the brain's tissue.

    Parameters
    ----------
    data : ndarray (x, y, z)
        T1w intensities at 2 mm.
    surface : ndarray of bool (x, y, z)
        BET's brain.
    prior : ndarray of bool (x, y, z)
        The template's mask, registered to it.

    Returns
    -------
    ndarray of bool (x, y, z)
    """
    room = surface & dilate(prior, TEMPLATE_REACH, SIZES)
    core = surface & erode(prior, CORE_DEPTH, SIZES)
    level = _mean_nearby(data, core)
    tissue = room & (data > TISSUE[0] * level) & (data < TISSUE[1] * level)
    free = ndimage.binary_opening(tissue, ball(BRIDGE, SIZES))
    free = largest_component(free | (core & tissue))
    border = int(np.ceil(SULCUS / VOXEL_SIZE)) + 1
    closed = erode(dilate(np.pad(free, border), SULCUS, SIZES), SULCUS, SIZES)
    closed = closed[border:-border, border:-border, border:-border]
    filled = ndimage.binary_fill_holes((closed | core) & room)
    return largest_component(ndimage.binary_opening(filled, ball(BRIDGE, SIZES)))


def _below_top(image: nib.Nifti1Image) -> nib.Nifti1Image:
    """Cut what is farther below the top of the head than the height of a head."""
    data = image.get_fdata(dtype=np.float32)
    head = ndimage.binary_opening(data > 0.1 * np.percentile(data, 98), iterations=2)
    slices = np.flatnonzero(head.any(axis=(0, 1)))
    if slices.size == 0:
        return image
    lowest = max(0, int(slices[-1] - HEAD_HEIGHT / VOXEL_SIZE))
    return image.slicer[:, :, lowest:]


def _surface(image: nib.Nifti1Image) -> NDArray[np.bool_]:
    from brainextractor import BrainExtractor

    with contextlib.redirect_stdout(io.StringIO()):
        extractor = BrainExtractor(img=image)
        extractor.run(ITERATIONS)
        return largest_component(extractor.compute_mask() > 0)


def _template_prior(
    image: nib.Nifti1Image, surface: NDArray[np.bool_], threads: int, name: str, folder: Path
) -> NDArray[np.bool_]:
    """The template's brain mask on the head, by an affine of BET's brain to the template's."""
    mask = image_like(surface.astype(np.uint8), image)
    transforms = register_affine(
        image,
        template_brain(2),
        moving_mask=mask,
        out_prefix=folder / "affine-",
        threads=threads,
        name=name,
    )
    moved = apply_transforms(
        template_mask(2), image, [transforms.inverse], interpolation="nearest", threads=threads, name=name
    )
    return np.asanyarray(moved.dataobj) > 0


def _mean_nearby(data: NDArray[np.float32], core: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Mean intensity of the core nearby: follows the bias field."""
    weight = core.astype(np.float32)
    sigma = BIAS_SIGMA / VOXEL_SIZE
    total = ndimage.gaussian_filter(data * weight, sigma, truncate=3)
    amount = ndimage.gaussian_filter(weight, sigma, truncate=3)
    whole = data[core].mean() if core.any() else data.mean()
    return np.where(amount > 1e-3, total / np.maximum(amount, 1e-3), whole).astype(np.float32)
