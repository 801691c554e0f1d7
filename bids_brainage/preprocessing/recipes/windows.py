"""Windows: where in the grid a network's box begins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_brainage import messages
from bids_brainage.errors import ImageError
from bids_brainage.preprocessing.input_spec import Triple
from bids_brainage.preprocessing.recipes.vocabulary import InputRecipe
from bids_brainage.preprocessing.resampling import bounding_box

#: Slices in which MIDI's rule looks for a head, as shares of their number.
SAGITTAL, AXIAL = (0.4, 0.45, 0.5, 0.55, 0.6), (0.35, 0.4, 0.45, 0.5, 0.55, 0.6)


@dataclass(frozen=True)
class Box:
    """A window's place.

    Attributes
    ----------
    start : tuple of int
        Its first voxel in the grid; may be negative where the box reaches beyond it.
    shape : tuple of int
    kept : tuple of slice
        What of the grid may be seen in it.
    pad : float
        The value of the rest.
    """

    start: Triple
    shape: Triple
    kept: tuple[slice, ...]
    pad: float = 0.0

    def cut(self, data: NDArray[np.float32]) -> NDArray[np.float32]:
        """The window of an image on the grid."""
        result = np.full(self.shape, self.pad, dtype=data.dtype)
        source, target = [], []
        for first, length, kept in zip(self.start, self.shape, self.kept, strict=True):
            low = max(first, kept.start)
            high = max(min(first + length, kept.stop), low)
            source.append(slice(low, high))
            target.append(slice(low - first, high - first))
        result[tuple(target)] = data[tuple(source)]
        return result

    def placed(self, values: NDArray[np.float64], shape: Triple) -> NDArray[np.float64]:
        """Values of the window on the grid; what lies beyond its edge goes to the nearest voxel."""
        rows = [
            np.clip(np.arange(first, first + length), 0, size - 1)
            for first, length, size in zip(self.start, self.shape, shape, strict=True)
        ]
        result = np.zeros(shape)
        np.add.at(result, np.ix_(*rows), values)
        return result


def box_of(recipe: InputRecipe, data: NDArray[np.float32], brain: NDArray[np.bool_] | None, name: str) -> Box:
    """Where a recipe's window lies in an image on its grid.

    Raises
    ------
    ImageError
        If the brain does not fit, or the head cannot be found.
    """
    return WINDOWS[recipe.window.kind](recipe, data, brain, name)


def _whole(recipe: InputRecipe, data: NDArray, _: object, name: str) -> Box:
    x, y, z = data.shape
    return Box((0, 0, 0), (x, y, z), _all(data))


def _fixed(recipe: InputRecipe, data: NDArray, _: object, name: str) -> Box:
    window: Any = recipe.window
    return Box(window.start, window.shape, _all(data), window.pad)


def _brain_box(recipe: InputRecipe, data: NDArray, brain: NDArray[np.bool_] | None, name: str) -> Box:
    window: Any = recipe.window
    found = data > 0 if brain is None else brain
    if not found.any():
        raise ImageError(messages.MASK_EMPTY.format(file=name))
    sides = bounding_box(found, 0)
    if any(side.stop - side.start > n for side, n in zip(sides, window.shape, strict=True)):
        size = " x ".join(str(side.stop - side.start) for side in sides)
        box = " x ".join(map(str, window.shape))
        raise ImageError(messages.BRAIN_TOO_LARGE.format(file=name, size=size, box=box, region="WholeBrain"))
    x, y, z = ((side.start + side.stop - n) // 2 for side, n in zip(sides, window.shape, strict=True))
    return Box((x, y, z), window.shape, _all(data), window.pad)


def _extents(recipe: InputRecipe, data: NDArray, _: object, name: str) -> Box:
    """MIDI's rule (MIDIconsortium/BrainAge 028f4c6, pre_process.py), on a RAS grid.

    The height is found in sagittal slices, and reaches at most a window's height below the top; then length
    and width in axial slices of what is left. A first voxel at the very border does not count there.
    """
    window: Any = recipe.window
    bright = data > data.std(dtype=np.float64)
    slices = [bright[int(share * len(bright))] for share in SAGITTAL]
    low, top = _ends(slices, 1, name)
    kept = slice(max(data.shape[2] - top - window.shape[2], low), data.shape[2] - top)
    part = data[:, :, kept]
    bright = part > part.std(dtype=np.float64)
    slices = [bright[:, :, int(share * part.shape[2])] for share in AXIAL]
    sides = [
        slice(first, data.shape[axis] - last)
        for axis, (first, last) in enumerate((_ends(slices, 0, name), _ends(slices, 1, name)))
    ]
    sides.append(kept)
    if any(side.stop <= side.start for side in sides):
        raise ImageError(messages.HEAD_NOT_FOUND.format(file=name))
    x, y, z = (_centred(side, n) for side, n in zip(sides, window.shape, strict=True))
    return Box((x, y, z), window.shape, tuple(sides), window.pad)


def _ends(slices: list[NDArray[np.bool_]], axis: int, name: str) -> tuple[int, int]:
    """How many voxels before the first and after the last true one, over all rows; none may be zero."""
    found = []
    for turned in (slices, [np.flip(one, axis) for one in slices]):
        first = np.concatenate([one.argmax(axis=axis) for one in turned])
        if not first.any():
            raise ImageError(messages.HEAD_NOT_FOUND.format(file=name))
        found.append(int(first[first > 0].min()))
    return found[0], found[1]


def _centred(side: slice, length: int) -> int:
    """Where a box begins if it is laid around the middle of a side as MONAI does it."""
    extent = int(side.stop - side.start)
    if extent >= length:
        return int(side.start) + extent // 2 - length // 2
    return int(side.start) - (length - extent) // 2


def _all(data: NDArray) -> tuple[slice, ...]:
    return tuple(slice(0, n) for n in data.shape)


WINDOWS: dict[str, Callable[..., Box]] = {
    "whole": _whole,
    "fixed": _fixed,
    "brain-box": _brain_box,
    "extents-midi": _extents,
}
