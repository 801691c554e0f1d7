"""Is this file a usable image of a head? Checked before anything is computed."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np
from nibabel.affines import voxel_sizes
from numpy.typing import NDArray

from bids_brainage import messages
from bids_brainage.errors import ImageError
from bids_brainage.preprocessing.background import subtract_background
from bids_brainage.preprocessing.image_file import ImageFile, open_image
from bids_brainage.preprocessing.not_finite import zero_not_finite
from bids_brainage.preprocessing.position import find_affine
from bids_brainage.preprocessing.resampling import image_like
from bids_brainage.preprocessing.uniform_noise import remove_uniform_noise
from bids_brainage.preprocessing.wrapping import wrapped_bits

FEWEST_SLICES = 10
HEAD = 0.1  # of the 98th percentile: brighter is head
MOST_OF_ONE_VALUE = 0.3  # part of the head
SAMPLE = 100_000  # voxels, enough to see that
THICK_SLICES = 3.5  # mm
THICK_AGAINST_PLANE = 1.5  # times the voxels within a slice
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
    file, image = _read(path, warnings)
    data = np.asanyarray(image.dataobj)
    low, high = float(data.min()), float(data.max())
    if high - low <= FAINTEST_SIGNAL * max(abs(low), abs(high)):
        raise ImageError(messages.IMAGE_CONSTANT.format(file=path, value=low))
    _check_wrapped(file, data)
    data = _about_zero(path, data, warnings)
    _check_tissue_varies(path, data)
    sizes = voxel_sizes(image.affine)
    if sizes.max() > THICK_SLICES and sizes.max() > THICK_AGAINST_PLANE * sizes.min():
        warnings.append(messages.IMAGE_THICK.format(file=path, size=float(sizes.max())))
    low, high = float(data.min()), float(data.max())
    if low < -0.05 * high:
        warnings.append(messages.IMAGE_NEGATIVE.format(file=path, value=low))
    return CheckedImage(image_like(data, image), tuple(warnings))


def read_as_it_is(path: Path) -> CheckedImage:
    """Read an image that a user prepared, every finite value as it stands there.

    Raises
    ------
    ImageError
        If it is not a 3D image of numbers with a position, damaged, or all the same.
    """
    warnings: list[str] = []
    _, image = _read(path, warnings)
    data = np.asanyarray(image.dataobj)
    if data.min() == data.max():
        raise ImageError(messages.IMAGE_CONSTANT.format(file=path, value=float(data.min())))
    return CheckedImage(image, tuple(warnings))


def read_grid(path: Path) -> tuple[tuple[int, int, int], NDArray[np.float64]]:
    """Shape and affine of a user's image, by its header alone.

    Raises
    ------
    ImageError
        If it is not a 3D image with a position.
    """
    file = open_image(path)
    shape = _shape(file, [])
    return shape, find_affine(file, shape, [])


def read_mask(path: Path, empty: str = messages.MASK_EMPTY) -> nib.Nifti1Image:
    """Read a user's mask (uint8, one above zero), checked as an image is.

    Parameters
    ----------
    path : Path
    empty : str
        What is said of a mask that is empty.

    Raises
    ------
    ImageError
        As `read_image`, and if the mask is empty.
    """
    _, image = _read(path, [])
    inside = np.asanyarray(image.dataobj) > 0
    if not inside.any():
        raise ImageError(empty.format(file=path))
    return image_like(inside.astype(np.uint8), image)


def read_labels(path: Path) -> nib.Nifti1Image:
    """Read a user's atlas (int32, regions from one), checked as an image is.

    Raises
    ------
    ImageError
        As `read_image`, and if values are not whole numbers from zero.
    """
    _, image = _read(path, [])
    data = np.asanyarray(image.dataobj)
    if (data != np.rint(data)).any() or data.min() < 0 or data.max() > np.iinfo(np.int32).max:
        raise ImageError(messages.ATLAS_NOT_LABELS.format(path=path))
    return nib.Nifti1Image(data.astype(np.int32), image.affine)


def _read(path: Path, warnings: list[str]) -> tuple[ImageFile, nib.Nifti1Image]:
    file = open_image(path)
    shape = _shape(file, warnings)
    affine = find_affine(file, shape, warnings)
    data = _finite(path, file.data().reshape(shape), warnings)
    return file, image_like(data, nib.Nifti1Image(data, affine))


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
    """`data` with NaN and infinite values set to zero, where they are few or lie outside the head."""
    bad = ~np.isfinite(data)
    if not bad.any():
        return data
    zeroed = zero_not_finite(data)
    if zeroed is None:
        raise ImageError(messages.IMAGE_MUCH_NAN.format(file=path, percent=100 * float(bad.mean())))
    warnings.append(messages.IMAGE_NAN_ZEROED.format(file=path, count=int(bad.sum())))
    return zeroed


def _check_wrapped(file: ImageFile, data: NDArray[np.float32]) -> None:
    """Refuse integers that were read with the wrong sign."""
    slope, intercept = file.scaling
    bits = wrapped_bits((data - np.float32(intercept)) / np.float32(slope), file.dtype.kind != "f")
    if bits is not None:
        raise ImageError(messages.IMAGE_WRAPPED.format(file=file.path, bits=bits))


def _check_tissue_varies(path: Path, data: NDArray[np.float32]) -> None:
    """Refuse what shows one value in much of the head: a mask, or an image beyond the range of its type."""
    head = data[data > HEAD * np.percentile(data, 98)]
    sample = head[:: max(head.size // SAMPLE, 1)]
    if sample.size and np.unique(sample, return_counts=True)[1].max() > MOST_OF_ONE_VALUE * sample.size:
        raise ImageError(messages.IMAGE_SATURATED.format(file=path))


def _about_zero(path: Path, data: NDArray[np.float32], warnings: list[str]) -> NDArray[np.float32]:
    """`data` with a background of about zero."""
    quiet = remove_uniform_noise(data)
    if quiet is not None:
        warnings.append(messages.IMAGE_MP2RAGE.format(file=path))
        return quiet
    data, level = subtract_background(data)
    if level:
        warnings.append(messages.BACKGROUND_SUBTRACTED.format(file=path, level=level))
    return data
