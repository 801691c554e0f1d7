"""Brain extraction from what every install has: BET's surface, the template's mask, then tissue.

BET (Smith 2002, doi:10.1002/hbm.10062) alone includes neck, orbits and bone. The template's mask, moved to
the head by an affine, removes by location what is not brain; what remains is made to follow the tissue by
its intensity. All at 2 mm, in the axes of the template, so that it does not matter how the head lies.
"""

from __future__ import annotations

import contextlib
import io

import nibabel as nib
import numpy as np
from nibabel.affines import apply_affine
from numpy.typing import NDArray
from scipy import ndimage

from bids_brainage.preprocessing.bias import correct_bias
from bids_brainage.preprocessing.locating import Located
from bids_brainage.preprocessing.resampling import (
    ball,
    dilate,
    erode,
    image_like,
    largest_component,
    mask_like,
    to_grid,
)
from bids_brainage.preprocessing.templates import template_mask

VOXEL_SIZE = 2.0  # mm
SIZES = np.full(3, VOXEL_SIZE)
ITERATIONS = 400  # enough for a rough surface; the template and the tissue do the rest
# mm of the head that are kept around the brain; below it less, because a neck misleads BET.
MARGINS = np.array([[30.0, 30.0, 20.0], [30.0, 30.0, 30.0]])
TEMPLATE_REACH = 5.0  # mm by which a brain may extend beyond the affine template mask
CORE_DEPTH = 4.0  # mm inside it, where all tissue counts as brain
FILLED_DEPTH = 8.0  # mm inside it, where everything does
TISSUE = (0.6, 1.5)  # grey and white matter, against the mean nearby
BIAS_SIGMA = 25.0  # mm over which that mean is taken
BRIDGE = 3.0  # mm: what is connected by less is meninges or orbit
SULCUS = 9.0  # mm: half the width of gaps that are closed


def brain_by_bet(image: nib.Nifti1Image, located: Located, threads: int = 1) -> NDArray[np.bool_]:
    """The brain in a T1w image of a head.

    Parameters
    ----------
    image : nibabel.Nifti1Image
        T1w with skull.
    located : Located
        Where its brain lies.
    threads : int

    Returns
    -------
    ndarray of bool
        On the grid of `image`.
    """
    grid = _grid_around_brain(located)
    coarse = to_grid(image, grid.shape, grid.affine)
    prior = located.prior(coarse, threads)
    coarse = correct_bias(coarse, image_like(prior.astype(np.uint8), coarse), threads)
    data = coarse.get_fdata(dtype=np.float32)
    brain = follow_tissue(data, _surface(coarse, located), prior)
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
    # Not all of the core: how much fluid around the brain it holds depends on the affine.
    deep = surface & erode(prior, FILLED_DEPTH, SIZES)
    filled = ndimage.binary_fill_holes((closed | deep) & room)
    return largest_component(ndimage.binary_opening(filled, ball(BRIDGE, SIZES)))


def _grid_around_brain(located: Located) -> nib.Nifti1Image:
    """An empty image of 2 mm in the template's axes that holds the brain and `MARGINS` around it."""
    inside = np.argwhere(np.asanyarray(template_mask(2).dataobj) > 0)
    ends = np.array([inside.min(axis=0), inside.max(axis=0)])
    corners = np.array(np.meshgrid(*ends.T)).reshape(3, -1).T
    turned = apply_affine(located.rigid, located.to_image(apply_affine(template_mask(2).affine, corners)))
    low, high = turned.min(axis=0) - MARGINS[0], turned.max(axis=0) + MARGINS[1]
    shape = np.ceil((high - low) / VOXEL_SIZE).astype(int)
    affine = np.diag([VOXEL_SIZE, VOXEL_SIZE, VOXEL_SIZE, 1.0])
    affine[:3, 3] = low
    return nib.Nifti1Image(np.zeros(shape, dtype=np.uint8), np.linalg.inv(located.rigid) @ affine)


def _surface(image: nib.Nifti1Image, located: Located) -> NDArray[np.bool_]:
    from brainextractor import BrainExtractor

    # Along the axes of its grid, whatever that grid's position.
    upright = nib.Nifti1Image(image.get_fdata(dtype=np.float32), located.rigid @ image.affine)
    with contextlib.redirect_stdout(io.StringIO()):
        extractor = BrainExtractor(img=upright)
        extractor.run(ITERATIONS)
        return largest_component(extractor.compute_mask() > 0)


def _mean_nearby(data: NDArray[np.float32], core: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Mean intensity of the core nearby: follows the bias field."""
    weight = core.astype(np.float32)
    sigma = BIAS_SIGMA / VOXEL_SIZE
    total = ndimage.gaussian_filter(data * weight, sigma, truncate=3)
    amount = ndimage.gaussian_filter(weight, sigma, truncate=3)
    whole = data[core].mean() if core.any() else data.mean()
    return np.where(amount > 1e-3, total / np.maximum(amount, 1e-3), whole).astype(np.float32)
