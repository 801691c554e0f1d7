"""Maps of many people as one memory-mapped array, so that statistics read them in pieces."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from bids_brainage import messages
from bids_brainage.atomic import replacing
from bids_brainage.errors import InputError
from bids_brainage.group.members import MapPlace
from bids_brainage.preprocessing.templates import SHAPES
from bids_brainage.statistics.blocks import block_sums

LOGGER = logging.getLogger(__name__)
#: A voxel is tested if at least this share of people have a map that is not zero there.
CARRYING = 0.5
# Voxels that are copied at once.
COLUMNS = 65536

#: The maps that make up one person's: one, or those of sub-ensembles to be added up by their weights.
Parts = Sequence[MapPlace]


@dataclass(frozen=True, eq=False)
class Stack:
    """Maps of n people.

    Attributes
    ----------
    path : Path
        ``.npy``: float32, shape (n, voxels of the mask in C order).
    mask : ndarray of bool, shape (91, 109, 91)
        Voxels that are tested.
    coverage : ndarray of float32, shape (91, 109, 91)
        Share of people whose map is not zero.
    """

    path: Path
    mask: NDArray[np.bool_]
    coverage: NDArray[np.float32]

    def data(self) -> NDArray[np.float32]:
        """The maps, memory-mapped and read-only."""
        return np.load(self.path, mmap_mode="r", allow_pickle=False)

    def save(self) -> Path:
        """Write mask and coverage beside the maps."""
        with replacing(_about(self.path)) as temporary, temporary.open("wb") as stream:
            np.savez_compressed(stream, mask=self.mask, coverage=self.coverage)
        return self.path


def load_stack(path: Path) -> Stack:
    """A stack that was saved."""
    with np.load(_about(path), allow_pickle=False) as about:
        return Stack(path, about["mask"], about["coverage"])


def is_built(path: Path) -> bool:
    """Whether a stack is there as a whole: what is beside the maps is written last."""
    return path.is_file() and _about(path).is_file()


def build_stack(
    people: Sequence[Parts],
    within: NDArray[np.bool_],
    path: Path,
    *,
    fwhm: float = 0.0,
    edge: int = 1,
    told: Callable[[int], None] = lambda done: None,
) -> Stack:
    """Read everybody's map once.

    Parameters
    ----------
    people : sequence
        For each person, the maps that make up theirs.
    within : ndarray of bool, shape (91, 109, 91)
        Voxels that may be tested; of these, those are that carry anything in at least half of the people.
    path : Path
        Where the array goes.
    fwhm : float
        Full width at half maximum of a Gaussian that smooths the maps, mm; 0 for none.
    edge : int
        Voxels along each edge of blocks whose sums are taken: `within` is of blocks then.
    told : callable
        Called with the number of people that were read.

    Raises
    ------
    InputError
        A map cannot be read, lies on another grid, or holds what is not finite.
    """
    count = np.zeros(int(within.sum()), dtype=np.int64)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        shape = (len(people), len(count))
        whole = _new_array(temporary, shape)
        for row, parts in enumerate(people):
            carried, values = _person(parts, within, fwhm, edge)
            whole[row] = values
            count += carried
            told(row + 1)
        kept = count >= CARRYING * len(people)
        if not kept.any():
            raise InputError(messages.GROUP_EMPTY_MAPS.format(path=people[0][0].path.parent))
        whole.flush()
        if not kept.all():
            _narrow(temporary, whole, kept)
    mask, coverage = within.copy(), np.zeros(within.shape, dtype=np.float32)
    mask[within] = kept
    coverage[within] = count / len(people)
    stack = Stack(path, mask, coverage)
    stack.save()
    return stack


def derived_stack(
    stack: Stack, n: int, made: Callable[[NDArray[np.float32]], NDArray[np.float32]], path: Path
) -> Stack:
    """What is made of a stack as an array of its own.

    Parameters
    ----------
    stack : Stack
    n : int
        Rows of the new one.
    made : callable
        Makes values (n, k) of those (people, k) of k voxels.
    path : Path
    """
    source = stack.data()
    with replacing(path) as temporary:
        shape = (n, source.shape[1])
        target = _new_array(temporary, shape)
        for begin in range(0, shape[1], COLUMNS):
            target[:, begin : begin + COLUMNS] = made(source[:, begin : begin + COLUMNS])
        target.flush()
    own = Stack(path, stack.mask, stack.coverage)
    own.save()
    return own


def _new_array(path: Path, shape: tuple[int, int]) -> np.memmap[Any, np.dtype[np.float32]]:
    """A memory-mapped array whose space is taken at once: a full disk is an error, not the process's end."""
    array = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
    with path.open("r+b") as file:
        os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return array


def _person(
    parts: Parts, within: NDArray[np.bool_], fwhm: float, edge: int
) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    """Where a person's map carries anything, and its values."""
    total = np.zeros(SHAPES[2], dtype=np.float32)
    for part in parts:
        total += (part.weight if len(parts) > 1 else 1.0) * _voxels(part.path, SHAPES[2])
    values = _coarse(total, edge)[within]
    return values != 0, _coarse(_smoothed(total, fwhm), edge)[within] if fwhm else values


def _coarse(data: NDArray[np.float32], edge: int) -> NDArray[np.float32]:
    return block_sums(data, edge).astype(np.float32) if edge > 1 else data


def _voxels(path: Path, shape: tuple[int, ...]) -> NDArray[np.float32]:
    try:
        image = nib.Nifti1Image.from_filename(path)
        data = np.asanyarray(image.dataobj, dtype=np.float32)
    except (OSError, EOFError, ValueError, nib.filebasedimages.ImageFileError) as error:
        raise InputError(messages.GROUP_MAP_UNREADABLE.format(path=path)) from error
    if data.shape != shape:
        raise InputError(messages.GROUP_MAP_GRID.format(path=path))
    if not np.isfinite(data).all():
        raise InputError(messages.GROUP_MAP_NOT_FINITE.format(path=path))
    return data


def _smoothed(data: NDArray[np.float32], fwhm: float) -> NDArray[np.float32]:
    from nilearn.image import smooth_img

    from bids_brainage.preprocessing.templates import grid

    image = nib.Nifti1Image(data, grid(2).affine)
    return np.asanyarray(smooth_img(image, fwhm).dataobj, dtype=np.float32)


def _narrow(path: Path, whole: NDArray[np.float32], kept: NDArray[np.bool_]) -> None:
    """Leave out columns, row by row."""
    with replacing(path) as temporary:
        shape = (len(whole), int(kept.sum()))
        target = _new_array(temporary, shape)
        for row in range(len(whole)):
            target[row] = whole[row][kept]
        target.flush()


def _about(path: Path) -> Path:
    return path.with_suffix(".npz")
