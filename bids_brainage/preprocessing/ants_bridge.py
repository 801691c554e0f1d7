"""ANTs at arm's length: nibabel images in and out, threads and seed explicit."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import nibabel as nib
import numpy as np

LOGGER = logging.getLogger(__name__)

# NIfTI's world is RAS, ITK's is LPS.
_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
_THREADS = "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"
_started: dict[str, int] = {}


def start(threads: int) -> ModuleType:
    """Import ANTs with `threads` threads.

    ITK reads its number of threads once, at its first computation, and keeps it for the life of the
    process (measured with antspyx 0.6.3), so the first call of a process decides.
    """
    fix_threads(threads)
    if _started["threads"] != threads:
        LOGGER.debug("ANTs keeps the %d thread(s) this process started with.", _started["threads"])
    import ants

    return ants


def fix_threads(threads: int) -> None:
    """Decide how many threads ANTs has in this process, unless that is decided already."""
    if not _started:
        os.environ[_THREADS] = str(max(1, int(threads)))
        _started["threads"] = threads


def to_ants(image: nib.Nifti1Image, threads: int = 1) -> Any:
    """An ANTs image of 32-bit floats on the same grid."""
    ants = start(threads)
    affine = _LPS @ np.asarray(image.affine, dtype=float)
    spacing = np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
    # ITK takes orthonormal directions only; the nearest ones by polar decomposition.
    left, _, right = np.linalg.svd(affine[:3, :3] / spacing)
    data = np.ascontiguousarray(image.get_fdata(dtype=np.float32))
    return ants.from_numpy(
        data, origin=affine[:3, 3].tolist(), spacing=spacing.tolist(), direction=left @ right
    )


def from_ants(image: Any) -> nib.Nifti1Image:
    """A nibabel image of 32-bit floats on the same grid."""
    affine = np.eye(4)
    affine[:3, :3] = np.asarray(image.direction) * np.asarray(image.spacing)
    affine[:3, 3] = image.origin
    return nib.Nifti1Image(image.numpy().astype(np.float32), _LPS @ affine)


def run_registration(arguments: list[Any], threads: int = 1) -> None:
    """Run ``antsRegistration`` with its command-line arguments; images may stand for file names.

    Raises
    ------
    RuntimeError
        If it reports failure. Its silence proves nothing: see `transforms`.
    """
    start(threads).registration(fixed=arguments, moving=None)


def bias_field(
    image: Any,
    mask: Any,
    *,
    iterations: Sequence[int],
    tolerance: float,
    spline_distance: float,
    threads: int = 1,
) -> Any:
    """Run ``N4BiasFieldCorrection`` at full resolution and give the field alone.

    Parameters
    ----------
    image, mask : ants.ANTsImage
    iterations : sequence of int
        By level.
    tolerance : float
    spline_distance : float
        mm, halved from level to level.

    Raises
    ------
    RuntimeError
        If N4 reports failure; antspyx's own function does not check and returns the image as the field.
    """
    start(threads)
    from ants.internal import get_lib_fn, process_arguments

    corrected, field = image.clone("float"), image * 0  # what N4 does not fill is not a field
    levels = "x".join(str(count) for count in iterations)
    arguments = {
        "d": image.dimension,
        "i": image,
        "s": 1,
        "c": f"[{levels}, {tolerance:.10f}]",
        "b": f"[{spline_distance:.0f}]",
        "x": mask,
        "r": 0,
        "o": f"[{pointer(corrected)},{pointer(field)}]",
        "v": 0,
    }
    code = get_lib_fn("N4BiasFieldCorrection")(process_arguments(arguments))
    if code != 0:
        raise RuntimeError(f"N4 ended with exit code {code}")
    return field


def pointer(image: Any) -> str:
    """How an image of this process is named on ANTs' command line."""
    from ants.internal import get_pointer_string

    return str(get_pointer_string(image))
