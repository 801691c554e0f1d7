"""Where the brain is, by the tools that are installed; without a skull none is needed."""

from __future__ import annotations

import importlib.util
import logging
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np
from nibabel.affines import voxel_sizes
from nibabel.processing import resample_from_to
from numpy.typing import NDArray
from scipy import ndimage

from bids_brainage import messages
from bids_brainage.errors import ImageError, InputError
from bids_brainage.preprocessing.header import read_mask
from bids_brainage.preprocessing.locating import Located, locate_brain
from bids_brainage.preprocessing.mask_shape import check_whole
from bids_brainage.preprocessing.resampling import dilate, image_like, largest_component, mask_like
from bids_brainage.preprocessing.scratch import scratch

LOGGER = logging.getLogger(__name__)

BRAIN_VOLUMES = (400.0, 2400.0)  # ml
BEYOND = 12.0  # mm outside the template's brain: there is only background around a stripped brain
NOISE_PERCENTILE = 99.9
EDGE = 0.1  # of the brain's median: where it ends, if the background is not clean
SMOOTHING = 1.0  # mm, against noise beyond that


@dataclass(frozen=True)
class BrainMask:
    """A brain mask and where it comes from.

    Attributes
    ----------
    mask : nibabel.Nifti1Image
        uint8 on the grid of the image.
    method : str
        synthstrip, deepbet, bet, none or derivative.
    volume_ml : float
    warnings : tuple of str
        What is doubtful about it.
    """

    mask: nib.Nifti1Image
    method: str
    volume_ml: float
    warnings: tuple[str, ...] = ()


def extract_brain(
    image: nib.Nifti1Image,
    method: str = "auto",
    threads: int = 1,
    name: str = "the T1w image",
    work_dir: Path | None = None,
) -> BrainMask:
    """Make a brain mask of a T1w image.

    Parameters
    ----------
    image : nibabel.Nifti1Image
        T1w, with skull or without.
    method : {"auto", "synthstrip", "deepbet", "bet", "none"}
        auto: none for an image without skull, else the first installed one of the others.
    threads : int
    name : str
        What to call the image in an error.
    work_dir : Path, optional
        Where the method's temporary files go.

    Returns
    -------
    BrainMask

    Raises
    ------
    ImageError
        If the method fails, or what it found is not a brain.
    OSError
        If the disk is full.
    InputError
        If the method is unknown or not installed.
    """
    check_method(method)
    with scratch(work_dir) as folder:
        located = locate_brain(image, folder, threads, name)
        if method == "none" and not located.stripped:
            raise ImageError(messages.NOT_STRIPPED.format(file=name))
        chosen = _choose(located, method)
        try:
            found = METHODS[chosen](image, _Job(located, threads, folder))
        except (RuntimeError, ValueError, IndexError, subprocess.SubprocessError) as error:
            text = messages.STRIP_METHOD_FAILED
            raise ImageError(text.format(file=name, method=chosen, reason=type(error).__name__)) from error
        brain = _plausible(found, image, chosen, name)
        check_whole(found, located.prior(image, threads), image, name)
    if not located.doubtful:
        return brain
    return replace(brain, warnings=(messages.BRAIN_DOUBTFUL.format(file=name, likeness=located.likeness),))


def brain_mask_from(path: Path, image: nib.Nifti1Image) -> BrainMask:
    """Bring a brain mask that was made elsewhere to the grid of an image (nearest voxels).

    Raises
    ------
    ImageError
        If the file is not a mask, or what it leaves of the image is not a brain.
    """
    moved = resample_from_to(read_mask(path), image, order=0)
    return _plausible(np.asanyarray(moved.dataobj) > 0, image, "derivative", str(path))


def installed_methods() -> tuple[str, ...]:
    """The methods that can be used here, best first."""
    there = {
        "synthstrip": shutil.which("mri_synthstrip") is not None,
        "deepbet": importlib.util.find_spec("deepbet") is not None,
        "bet": importlib.util.find_spec("brainextractor") is not None,
    }
    return (*(method for method, found in there.items() if found), "none")


def _plausible(found: NDArray[np.bool_], image: nib.Nifti1Image, method: str, name: str) -> BrainMask:
    """The mask with its origin, unless it is empty or not the size of a brain."""
    volume = float(found.sum()) * _voxel_ml(image)
    if not found.any():
        raise ImageError(messages.MASK_EMPTY.format(file=name))
    if not BRAIN_VOLUMES[0] <= volume <= BRAIN_VOLUMES[1]:
        raise ImageError(messages.MASK_IMPLAUSIBLE.format(file=name, volume=volume))
    return BrainMask(image_like(found.astype(np.uint8), image), method, volume)


def _choose(located: Located, method: str) -> str:
    if method == "auto":
        return "none" if located.stripped else installed_methods()[0]
    return method


def check_method(method: str) -> None:
    """Make sure that a method of brain extraction can be used here.

    Raises
    ------
    InputError
        If there is no such method, or what it needs is not installed.
    """
    if method == "auto":
        return
    if method not in METHODS:
        raise InputError(
            messages.STRIP_METHOD_UNKNOWN.format(method=method, methods=", ".join(["auto", *METHODS]))
        )
    if method not in installed_methods():
        package = {"bet": "brainextractor", "synthstrip": "FreeSurfer's mri_synthstrip"}.get(method, method)
        raise InputError(messages.STRIP_METHOD_MISSING.format(method=method, package=package))


class _Job(NamedTuple):
    """What a method is given beside the image."""

    located: Located
    threads: int
    folder: Path


def _none(image: nib.Nifti1Image, job: _Job) -> NDArray[np.bool_]:
    """Voxels above the background, holes filled."""
    data = image.get_fdata(dtype=np.float32)
    sizes = voxel_sizes(image.affine)
    prior = job.located.prior(image, job.threads)
    beyond = ~dilate(prior, BEYOND, sizes)
    least = 1e-3 * float(np.percentile(data, 99.5))
    noise = float(np.percentile(data[beyond], NOISE_PERCENTILE)) if beyond.any() else 0.0
    if noise > least or data.min() < -least:
        edge = EDGE * float(np.median(data[prior]))
        if noise > edge:
            data = ndimage.gaussian_filter(data, SMOOTHING / sizes)
        least = max(edge, float(np.percentile(data[beyond], NOISE_PERCENTILE)))
    signal = data > least
    return ndimage.binary_fill_holes(largest_component(signal))


def _bet(image: nib.Nifti1Image, job: _Job) -> NDArray[np.bool_]:
    from bids_brainage.preprocessing.bet import brain_by_bet

    return brain_by_bet(image, job.located, job.threads)


def _deepbet(image: nib.Nifti1Image, job: _Job) -> NDArray[np.bool_]:
    """deepbet (Fisch et al. 2024, doi:10.1016/j.compbiomed.2024.108845)."""
    from deepbet import run_bet

    source, target = job.folder / "t1w.nii.gz", job.folder / "mask.nii.gz"
    nib.save(image, source)
    run_bet([str(source)], mask_paths=[str(target)], no_gpu=True)
    return np.asanyarray(_written(target).dataobj).reshape(image.shape) > 0


def _synthstrip(image: nib.Nifti1Image, job: _Job) -> NDArray[np.bool_]:
    """SynthStrip (Hoopes et al. 2022, doi:10.1016/j.neuroimage.2022.119474)."""
    source, target = job.folder / "t1w.nii.gz", job.folder / "mask.nii.gz"
    nib.save(image, source)
    command = ["mri_synthstrip", "-i", str(source), "-m", str(target), "-t", str(job.threads)]
    subprocess.run(command, check=True, capture_output=True)
    return mask_like(_written(target), image)


def _written(path: Path) -> nib.Nifti1Image:
    """The mask that a tool claims to have written, read to its end."""
    try:
        return read_mask(path)
    except ImageError as error:
        raise ValueError(str(error)) from error


METHODS: dict[str, Callable[[nib.Nifti1Image, _Job], NDArray[np.bool_]]] = {
    "synthstrip": _synthstrip,
    "deepbet": _deepbet,
    "bet": _bet,
    "none": _none,
}


def _voxel_ml(image: nib.Nifti1Image) -> float:
    return float(np.prod(voxel_sizes(image.affine))) / 1000
