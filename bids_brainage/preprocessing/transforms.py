"""Transforms as ANTs writes them, read back: are they complete, and do they lead there and back again?

ANTs may report success although its file was not written to its end (a full disk), and the missing part
reads as zeros. So no transform counts until it has been read back here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.affines import apply_affine
from numpy.typing import NDArray
from scipy import ndimage

MOST_VALUES = 2**27  # of a displacement field; a 1 mm one of the template has 22 million
SAMPLE = 2000  # points of the brain
STRAY = 0.05  # share of them that may miss
# Points may miss by this much (mm), there and back; in a good SyN, one in twenty misses by 0.07 mm.
FARTHEST = 2.0
ROTATION_TOLERANCE = 1e-3
VOLUME_RATIOS = (0.1, 10.0)

# NIfTI's world is RAS, ITK's is LPS.
_LPS = np.array([-1.0, -1.0, 1.0])


class TransformError(ValueError):
    """A transform that cannot be used; the text says why, to follow a name."""


@dataclass(frozen=True, eq=False)
class Linear:
    """An affine map of points in ITK's world (LPS, mm).

    Attributes
    ----------
    matrix : ndarray (3, 3)
    offset : ndarray (3,)
    """

    matrix: NDArray[np.float64]
    offset: NDArray[np.float64]

    def __call__(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Move points (n, 3)."""
        return points @ self.matrix.T + self.offset


@dataclass(frozen=True, eq=False)
class Warp:
    """A field of displacements in ITK's world; linear between its points, none beyond them.

    Attributes
    ----------
    displacements : ndarray (x, y, z, 3)
        mm.
    to_voxel : ndarray (4, 4)
        From mm to voxels of the field.
    """

    displacements: NDArray[np.float32]
    to_voxel: NDArray[np.float64]

    def __call__(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Move points (n, 3)."""
        voxels = apply_affine(self.to_voxel, points).T
        moves = [
            ndimage.map_coordinates(self.displacements[..., axis], voxels, order=1, mode="constant")
            for axis in range(3)
        ]
        return points + np.stack(moves, axis=-1)


Step = Linear | Warp


def read_steps(path: Path) -> tuple[Step, ...]:
    """Read a composite transform (ITK's HDF5), each step in the order in which points pass through them.

    Raises
    ------
    TransformError
        If the file is not one, ends too early, or holds numbers that are not finite.
    """
    import h5py

    try:
        if not path.is_file():
            raise TransformError("no file was written")
        with h5py.File(path, "r") as file:
            groups = file["TransformGroup"]
            steps = [_step(groups[str(number)]) for number in range(len(groups))]
    except TransformError:
        raise
    except (OSError, KeyError, ValueError, TypeError, IndexError, np.linalg.LinAlgError) as error:
        raise TransformError("its file is incomplete") from error
    # ITK keeps the one that is applied first last.
    return tuple(step for step in reversed(steps) if step is not None)


def _step(group: Any) -> Step | None:
    """A transform of the file; None for the head of the composite, which holds no numbers."""
    kind = group["TransformType"][0].decode().split("_")[0]
    if kind == "CompositeTransform":
        return None
    fixed = _numbers(group["TransformFixedParameters"], 18)
    values = _numbers(group["TransformParameters"], MOST_VALUES)
    if kind == "DisplacementFieldTransform":
        return _warp(fixed, values)
    if values.size != 12 or fixed.size != 3:
        raise TransformError(f"it is of an unknown kind ({kind})")
    matrix = values[:9].reshape(3, 3).astype(np.float64)
    return Linear(matrix, values[9:].astype(np.float64) + fixed - matrix @ fixed)


def _numbers(data: Any, most: int) -> NDArray[Any]:
    if data.size > most:
        raise TransformError("its file claims to hold too much")
    values = np.asarray(data)
    if not np.isfinite(values).all():
        raise TransformError("it holds numbers that are not finite")
    return values


def _warp(fixed: NDArray[np.float64], values: NDArray[np.float32]) -> Warp:
    """A field from its grid (size, origin, spacing, direction) and its vectors, x fastest."""
    size = [int(length) for length in fixed[:3]]
    if min(size) < 2 or math.prod(size) * 3 != values.size:
        raise TransformError("its field has another size than its grid")
    to_world = np.eye(4)
    to_world[:3, :3] = fixed[9:].reshape(3, 3) * fixed[6:9]
    to_world[:3, 3] = fixed[3:6]
    return Warp(values.reshape(*size[::-1], 3).transpose(2, 1, 0, 3), np.linalg.inv(to_world))


def move(points: NDArray[np.float64], steps: Sequence[Step]) -> NDArray[np.float64]:
    """Take points (n, 3, in LPS) through the steps of a transform."""
    for step in steps:
        points = step(points)
    return points


def check_rigid(path: Path) -> None:
    """Make sure that a file holds one rotation and shift.

    Raises
    ------
    TransformError
    """
    steps = read_steps(path)
    _check_kinds(steps, (Linear,))
    matrix = steps[0].matrix if isinstance(steps[0], Linear) else np.zeros((3, 3))
    if np.abs(matrix @ matrix.T - np.eye(3)).max() > ROTATION_TOLERANCE or np.linalg.det(matrix) < 0:
        raise TransformError("it is not a rotation")


def check_both_ways(forward: Path, inverse: Path, brain: nib.Nifti1Image, *, warped: bool) -> None:
    """Make sure that two files hold an affine, with a warp or not, and lead to a brain and back.

    Parameters
    ----------
    forward, inverse : Path
        Forward takes points of the fixed image to the moving one, as ITK does to resample.
    brain : nibabel.Nifti1Image
        The fixed brain, zero outside; points in it are sent there and back.
    warped : bool
        Whether there must be a warp too.

    Raises
    ------
    TransformError
    """
    there, back = read_steps(forward), read_steps(inverse)
    # Points are warped in the fixed image's space, on either way.
    _check_kinds(there, (Warp, Linear) if warped else (Linear,))
    _check_kinds(back, (Linear, Warp) if warped else (Linear,))
    for step in (*there, *back):
        if isinstance(step, Linear):
            if not VOLUME_RATIOS[0] < np.linalg.det(step.matrix) < VOLUME_RATIOS[1]:
                raise TransformError("its affine is absurd")
        elif not step.displacements.any():
            raise TransformError("its warp is zero everywhere")
    points = _sample(brain)
    missed = np.linalg.norm(move(move(points, there), back) - points, axis=1)
    if (missed > FARTHEST).mean() > STRAY:
        worst = float(np.quantile(missed, 1 - STRAY))
        raise TransformError(f"there and back leads {worst:.1f} mm aside")


def _check_kinds(steps: Sequence[Step], expected: tuple[type, ...]) -> None:
    if tuple(type(step) for step in steps) != expected:
        found = " and ".join(type(step).__name__.lower() for step in steps) or "nothing"
        raise TransformError(f"it holds {found}")


def _sample(brain: nib.Nifti1Image) -> NDArray[np.float64]:
    """Points all over a brain, in LPS."""
    voxels = np.argwhere(np.asanyarray(brain.dataobj) > 0)
    chosen = voxels[:: max(1, len(voxels) // SAMPLE)]
    return apply_affine(brain.affine, chosen) * _LPS
