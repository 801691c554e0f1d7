"""Is this file an image of a head that can be worked on? Checked before anything is computed."""

from __future__ import annotations

import gzip
import logging
import zlib
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.affines import voxel_sizes
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from bids_brainage import messages
from bids_brainage.errors import ImageError
from bids_brainage.preprocessing.resampling import image_like

LOGGER = logging.getLogger(__name__)

VOXEL_SIZES = (0.2, 8.0)  # mm
FIELD_OF_VIEW = (60.0, 400.0)  # mm, along each axis
FEWEST_SLICES = 10
MOST_VOXELS = 2**28  # 1 GB as float32
MOST_BYTES = 2**32
CHUNK = 2**22
NOT_FINITE_TOLERATED = 0.01  # part of the voxels
FARTHEST_CENTRE = 1000.0  # mm from the scanner's origin
SHEAR_TOLERATED = 0.02  # cosine between two axes
FAINTEST_SIGNAL = 1e-6  # spread of the values against their size


def load_image(path: Path) -> nib.Nifti1Image:
    """Read an image and make sure that it can be used.

    Parameters
    ----------
    path : Path
        NIfTI or MGH file.

    Returns
    -------
    nibabel.Nifti1Image
        3D, float32, all values finite.

    Raises
    ------
    ImageError
        One sentence with the file, what is wrong with it and what to do.
    """
    image, warnings = _load(Path(path))
    for warning in warnings:
        LOGGER.warning(warning)
    return image


def check_image(path: Path) -> tuple[str, ...]:
    """The warnings of `load_image` as sentences; raises as it does."""
    return _load(Path(path))[1]


def _load(path: Path) -> tuple[nib.Nifti1Image, tuple[str, ...]]:
    image = _open(path)
    warnings: list[str] = []
    shape = _shape(path, image, warnings)
    affine = _affine(path, image, shape)
    data = _data(path, image).reshape(shape)
    data = _finite(path, data, warnings)
    low, high = float(data.min()), float(data.max())
    if high - low <= FAINTEST_SIGNAL * max(abs(low), abs(high)):
        raise ImageError(messages.IMAGE_CONSTANT.format(file=path, value=low))
    if low < -0.05 * high:
        warnings.append(messages.IMAGE_NEGATIVE.format(file=path, value=low))
    return image_like(data, nib.Nifti1Image(data, affine)), tuple(warnings)


def _open(path: Path) -> nib.spatialimages.SpatialImage:
    """Open the file, without its data."""
    if not path.is_file():
        raise ImageError(messages.IMAGE_MISSING.format(file=path))
    if path.stat().st_size == 0:
        raise ImageError(messages.IMAGE_NO_BYTES.format(file=path))
    try:
        image = nib.load(path)
    except (ImageFileError, HeaderDataError, OSError, EOFError, ValueError, zlib.error) as error:
        raise ImageError(messages.IMAGE_UNREADABLE.format(file=path)) from error
    if not isinstance(image, (nib.Nifti1Pair, nib.MGHImage, nib.AnalyzeImage)):
        raise ImageError(messages.IMAGE_UNREADABLE.format(file=path))
    return image


def _shape(path: Path, image: nib.spatialimages.SpatialImage, warnings: list[str]) -> tuple[int, int, int]:
    """The three dimensions; further ones may only be of length one."""
    kind = image.get_data_dtype()
    if kind.fields is not None or kind.kind not in "biuf":
        raise ImageError(messages.IMAGE_NOT_SCALAR.format(file=path))
    shape = tuple(int(n) for n in image.shape)
    if len(shape) < 3 or any(n != 1 for n in shape[3:]):
        raise ImageError(messages.IMAGE_NOT_3D.format(file=path, shape=" x ".join(map(str, shape))))
    if len(shape) > 3:
        warnings.append(messages.IMAGE_SQUEEZED.format(file=path))
    if min(shape[:3]) < FEWEST_SLICES:
        raise ImageError(messages.IMAGE_FEW_SLICES.format(file=path, slices=min(shape[:3])))
    if np.prod(shape, dtype=float) > MOST_VOXELS:
        raise ImageError(messages.IMAGE_TOO_LARGE.format(file=path, shape=" x ".join(map(str, shape))))
    return shape[0], shape[1], shape[2]


def _affine(
    path: Path, image: nib.spatialimages.SpatialImage, shape: tuple[int, int, int]
) -> NDArray[np.float64]:
    """The map from voxels to mm; absent or absurd ones are refused."""
    header: Any = image.header
    codes = [int(header[name]) for name in ("sform_code", "qform_code") if name in header]
    if isinstance(image, nib.AnalyzeImage) and not any(codes):
        raise ImageError(messages.AFFINE_MISSING.format(file=path))
    affine = np.asarray(image.affine, dtype=np.float64)
    sizes = voxel_sizes(affine) if np.isfinite(affine).all() else np.zeros(3)
    if (sizes == 0).any():
        raise ImageError(messages.AFFINE_ABSURD.format(file=path))
    axes = affine[:3, :3] / sizes
    shear = np.abs(axes.T @ axes - np.eye(3)).max()
    centre = affine[:3, :3] @ ((np.array(shape) - 1) / 2) + affine[:3, 3]
    if shear > SHEAR_TOLERATED or np.abs(centre).max() > FARTHEST_CENTRE:
        raise ImageError(messages.AFFINE_ABSURD.format(file=path))
    _check_sizes(path, sizes, shape)
    return affine


def _check_sizes(path: Path, sizes: NDArray, shape: tuple[int, int, int]) -> None:
    """Voxels and field of view as those of a head."""
    text = " x ".join(f"{size:.3g}" for size in sizes)
    if (sizes < VOXEL_SIZES[0]).any() or (sizes > VOXEL_SIZES[1]).any():
        raise ImageError(messages.VOXELS_ABSURD.format(file=path, sizes=text))
    extent = sizes * shape
    if (extent < FIELD_OF_VIEW[0]).any() or (extent > FIELD_OF_VIEW[1]).any():
        field = " x ".join(f"{length:.0f}" for length in extent)
        raise ImageError(messages.FIELD_ABSURD.format(file=path, field=field))


def _data(path: Path, image: nib.spatialimages.SpatialImage) -> NDArray[np.float32]:
    try:
        data = np.asanyarray(image.dataobj, dtype=np.float32)
        if path.name.endswith((".gz", ".mgz")):
            _check_sum(path)
        return data
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise ImageError(messages.IMAGE_TRUNCATED.format(file=path)) from error


def _check_sum(path: Path) -> None:
    """Read a gzip file to its end, where its check sum is compared; nibabel stops before it."""
    with gzip.open(path) as stream:
        for _ in range(MOST_BYTES // CHUNK):
            if not stream.read(CHUNK):
                return


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
