"""Pictures of the brain from image files: each function reads them and writes one SVG file."""

from __future__ import annotations

import zlib
from functools import lru_cache
from pathlib import Path

import nibabel as nib
import numpy as np

from bids_brainage import messages
from bids_brainage.errors import InputError
from bids_brainage.reports import mosaics
from bids_brainage.reports.words import Words
from bids_brainage.reports.z_figure import z_figure

Template = Path | nib.Nifti1Image


def brain_mask(image: Path, mask: Path, out: Path, title: str) -> Path:
    """Draw the outline of `mask` over `image` (see `mosaics.mask_figure`) and return `out`."""
    return mosaics.mask_figure(_shared(image), _shared(mask), out, title)


def template_registration(moved: Path, template: Template, out: Path, title: str) -> Path:
    """Draw the T1w in template space, flickering with `template` (its brain), and return `out`."""
    names = ("Participant's T1w", "Template MNI152NLin6Asym")
    image = _shared(moved)
    fixed = _on_grid(template_image(template), image)
    return mosaics.registration_figure(image, fixed, out, title, names)


def coregistration(moved: Path, t1w: Path, mask: Path, modality: str, out: Path, title: str) -> Path:
    """Draw `moved` on the grid of the T1w, flickering with it inside the brain, and return `out`."""
    names = (f"{modality} (moved)", "T1w (fixed)")
    inside = _shared(mask)
    brains = [_within(image, inside) for image in (_shared(moved), _shared(t1w))]
    return mosaics.registration_figure(brains[0], brains[1], out, title, names)


def relevance(map_: Path, anatomy: Path, mask: Path, words: Words, out: Path, title: str) -> Path:
    """Draw a relevance map over the image it explains and return `out`."""
    return mosaics.relevance_figure(read_image(map_), _shared(anatomy), _shared(mask), out, title, words)


def z_map(map_: Path, anatomy: Path, mask: Path, out: Path, title: str) -> Path:
    """Draw a map of z scores over the person's image and return `out`."""
    return z_figure(read_image(map_), _shared(anatomy), _shared(mask), out, title)


def template_image(template: Template) -> nib.Nifti1Image:
    """The template as an image."""
    return template if isinstance(template, nib.Nifti1Image) else read_image(template)


def forget_images() -> None:
    """Let go of what was read for one figure and kept for the next."""
    _shared.cache_clear()


@lru_cache(maxsize=6)
def _shared(path: Path) -> nib.Nifti1Image:
    """An image that several figures show; see `forget_images`."""
    return read_image(path)


def read_image(path: Path) -> nib.Nifti1Image:
    """An image with axes to the right, to the front and up, as float32.

    Raises
    ------
    InputError
        It cannot be read.
    """
    try:
        image = nib.as_closest_canonical(nib.load(path))
        return nib.Nifti1Image(np.asarray(image.dataobj, dtype=np.float32), image.affine)
    except (OSError, EOFError, ValueError, zlib.error, nib.filebasedimages.ImageFileError) as error:
        raise InputError(messages.REPORT_UNREADABLE.format(path=path, reason=error)) from error


def _within(image: nib.Nifti1Image, mask: nib.Nifti1Image) -> nib.Nifti1Image:
    data = np.asarray(image.dataobj, dtype=np.float32) * (np.asarray(mask.dataobj) > 0)
    return nib.Nifti1Image(data, image.affine)


def _on_grid(image: nib.Nifti1Image, reference: nib.Nifti1Image) -> nib.Nifti1Image:
    """Resample linearly where the template was given at another resolution."""
    if image.shape == reference.shape and np.allclose(image.affine, reference.affine, atol=1e-3):
        return image
    from scipy.ndimage import affine_transform

    matrix = np.linalg.inv(image.affine) @ reference.affine
    data = affine_transform(
        np.asarray(image.dataobj, dtype=np.float32), matrix, output_shape=reference.shape, order=1
    )
    return nib.Nifti1Image(data, reference.affine)
