"""Is this file a usable image of a head? Checked before anything is computed."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from bids_brainage import messages
from bids_brainage.errors import ImageError
from bids_brainage.preprocessing.image_file import ImageFile, open_image
from bids_brainage.preprocessing.position import find_affine
from bids_brainage.preprocessing.resampling import image_like

FEWEST_SLICES = 10
NOT_FINITE_TOLERATED = 0.01  # part of the voxels
FAINTEST_SIGNAL = 1e-6  # spread of the values against their size


class CheckedImage(NamedTuple):
    """A usable image, and what is unusual about it: 3D, float32, all values finite."""

    image: nib.Nifti1Image
    warnings: tuple[str, ...]


def read_image(path: Path) -> CheckedImage:
    """Read a user's image once and make sure that it can be used.

    Parameters
    ----------
    path : Path
        NIfTI or MGH file.

    Raises
    ------
    ImageError
        One sentence with the file, what is wrong with it, and what to do.
    """
    warnings: list[str] = []
    image = _read(path, warnings)
    data = np.asanyarray(image.dataobj)
    low, high = float(data.min()), float(data.max())
    if high - low <= FAINTEST_SIGNAL * max(abs(low), abs(high)):
        raise ImageError(messages.IMAGE_CONSTANT.format(file=path, value=low))
    if low < -0.05 * high:
        warnings.append(messages.IMAGE_NEGATIVE.format(file=path, value=low))
    return CheckedImage(image, tuple(warnings))


def read_mask(path: Path) -> nib.Nifti1Image:
    """Read a user's mask (uint8, one above zero), checked as an image is.

    Raises
    ------
    ImageError
        As `read_image`, and if the mask is empty.
    """
    image = _read(path, [])
    inside = np.asanyarray(image.dataobj) > 0
    if not inside.any():
        raise ImageError(messages.MASK_EMPTY.format(file=path))
    return image_like(inside.astype(np.uint8), image)


def _read(path: Path, warnings: list[str]) -> nib.Nifti1Image:
    file = open_image(path)
    shape = _shape(file, warnings)
    affine = find_affine(file, shape, warnings)
    data = _finite(path, file.data().reshape(shape), warnings)
    return image_like(data, nib.Nifti1Image(data, affine))


def _shape(file: ImageFile, warnings: list[str]) -> tuple[int, int, int]:
    """The three dimensions; further ones must have length one."""
    if file.dtype.fields is not None or file.dtype.kind not in "biuf":
        raise ImageError(messages.IMAGE_NOT_SCALAR.format(file=file.path))
    shape = file.shape
    if len(shape) < 3 or any(length != 1 for length in shape[3:]):
        raise ImageError(messages.IMAGE_NOT_3D.format(file=file.path, shape=" x ".join(map(str, shape))))
    if len(shape) > 3:
        warnings.append(messages.IMAGE_SQUEEZED.format(file=file.path))
    if min(shape[:3]) < FEWEST_SLICES:
        raise ImageError(messages.IMAGE_FEW_SLICES.format(file=file.path, slices=min(shape[:3])))
    return shape[0], shape[1], shape[2]


def _finite(path: Path, data: NDArray[np.float32], warnings: list[str]) -> NDArray[np.float32]:
    """`data` with its few NaN and infinite values set to zero."""
    bad = ~np.isfinite(data)
    part = float(bad.mean())
    if part > NOT_FINITE_TOLERATED:
        raise ImageError(messages.IMAGE_MUCH_NAN.format(file=path, percent=100 * part))
    if part:
        warnings.append(messages.IMAGE_NAN_ZEROED.format(file=path, count=int(bad.sum())))
        data = np.where(bad, np.float32(0), data)
    return data
