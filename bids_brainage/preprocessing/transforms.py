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

from bids_brainage.errors import InputError
from bids_brainage.networks.readers.hdf5 import floats, member, open_hdf5

MOST_VALUES = 2**27  # of a displacement field; a 1 mm one of the template has 22 million
MOST_STEPS = 16
LONGEST_LINEAR = 64  # numbers; what holds more is a displacement field
STEPS_A_MM = np.float32(1024)
LONGEST_NAME = 64  # of a transform's kind
SAMPLE = 2000  # points of the brain
STRAY = 0.05  # share of them that may miss
# Points may miss by this much (mm), there and back; in a good SyN, one in twenty misses by 0.07 mm.
FARTHEST = 2.0
ROTATION_TOLERANCE = 1e-3
VOLUME_RATIOS = (0.1, 10.0)

NOT_READ = "its file is incomplete, holds numbers that are not finite, or is not a transform"

# NIfTI's world is RAS, ITK's is LPS.
LPS = np.array([-1.0, -1.0, 1.0])


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


def inverse_of(steps: Sequence[Step]) -> tuple[Linear, ...]:
    """Linear steps the other way round.

    Raises
    ------
    TransformError
        If one of them is a warp, whose inverse is not known.
    """
    found = []
    for step in reversed(steps):
        if not isinstance(step, Linear):
            raise TransformError("it is no linear transform, and only these are turned round")
        matrix = np.linalg.inv(step.matrix)
        found.append(Linear(matrix, -matrix @ step.offset))
    return tuple(found)


def read_steps(path: Path) -> tuple[Step, ...]:
    """Read a composite transform (ITK's HDF5), each step in the order in which points pass through them.

    Parameters
    ----------
    path : Path
        Ours or a stranger's: no link in it is followed, and sizes are checked before they are read.

    Raises
    ------
    TransformError
        If the file is not one, ends too early, or holds numbers that are not finite.
    """
    if not path.is_file():
        raise TransformError("no file was written")
    try:
        with open_hdf5(path) as root:
            groups = [_member(root, f"TransformGroup/{number}") for number in range(_count(root))]
            steps = [_step(group) for group in groups]
    except (InputError, AttributeError) as error:
        if isinstance(error.__cause__, TransformError):
            raise error.__cause__ from None
        raise TransformError(NOT_READ) from error
    # ITK keeps the one that is applied first last.
    return tuple(step for step in reversed(steps) if step is not None)


def copy_transform(source: Path, target: Path) -> None:
    """Copy a transform and read it back.

    Without the times that HDF5 notes: the same transform is the same file, byte for byte. Displacements
    are rounded to 1/1024 mm, a hundredth of what a warp and its inverse disagree by, for a third of the size.

    Raises
    ------
    TransformError
        If either is not a transform that can be read.
    """
    import h5py

    read_steps(source)
    with open_hdf5(source) as root, h5py.File(target, "w") as copy:
        _copy_group(root, copy)
    read_steps(target)


def _copy_group(source: Any, target: Any) -> None:
    for name in source:
        node = _member(source, name)
        if hasattr(node, "keys"):
            _copy_group(node, target.create_group(name))
        elif node.dtype == np.float32 and node.size > LONGEST_LINEAR:
            rounded = np.rint(node[()] * STEPS_A_MM) / STEPS_A_MM
            packed = {"chunks": True, "compression": "gzip", "shuffle": True}
            target.create_dataset(name, data=rounded, dtype=node.dtype, track_times=False, **packed)
        else:
            target.create_dataset(name, data=node[()], dtype=node.dtype, track_times=False)


def _count(root: Any) -> int:
    """How many transforms a file holds."""
    count = len(_member(root, "TransformGroup"))
    if count > MOST_STEPS:
        raise TransformError(f"it holds {count} transforms")
    return count


def _member(group: Any, *names: str) -> Any:
    """What stands under the first of the names that there is."""
    found = next((node for name in names if (node := member(group, name)) is not None), None)
    if found is None:
        raise TransformError(NOT_READ)
    return found


def _step(group: Any) -> Step | None:
    """A transform of the file; None for the head of the composite, which holds no numbers."""
    kind = _kind(_member(group, "TransformType"))
    if kind == "CompositeTransform":
        return None
    # ITK before version 5 spelt it that way.
    fixed = _numbers(_member(group, "TransformFixedParameters", "TranformFixedParameters"), 18).astype(float)
    values = _numbers(_member(group, "TransformParameters", "TranformParameters"), MOST_VALUES)
    if kind == "DisplacementFieldTransform":
        return _warp(fixed, values)
    if values.size != 12 or fixed.size != 3:
        raise TransformError(f"it is of an unknown kind ({kind})")
    matrix = values[:9].reshape(3, 3).astype(np.float64)
    return Linear(matrix, values[9:] + fixed - matrix @ fixed)


def _kind(data: Any) -> str:
    """The class of a transform, without its precision and dimensions."""
    if data.shape != (1,) or data.dtype.itemsize > LONGEST_NAME:
        raise TransformError(NOT_READ)
    return str(data[0].decode("ascii").split("_")[0])[:LONGEST_NAME]


def _numbers(data: Any, most: int) -> NDArray[Any]:
    """A row of finite numbers, as float32."""
    if data.size > most or math.prod(data.chunks or ()) > most or len(data.shape) != 1:
        raise TransformError("its file claims to hold too much")
    return floats(data, data.shape)


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
    return apply_affine(brain.affine, chosen) * LPS
