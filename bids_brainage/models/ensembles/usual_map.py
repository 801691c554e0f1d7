"""The map against the expected input that is usual at an age.

A mean of brains is smoother than any brain, so that a network may say of it what it says of no one, and the
maps of all people have in common what makes a brain sharp. What is usual is taken off a person's map: what is
left is theirs, and adds up from what the model usually says of people of that age.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bids_brainage.models.ensembles.parabolas import TERMS, Ages, fit_parabolas

#: Voxels along each edge of a cell, all of which have the same: what is usual is smooth, and the file small.
CELL = 2
#: Arrays of a packed map: its numbers as signed bytes, and the step of each kind.
LEVELS, STEPS = "usual_levels", "usual_steps"


@dataclass(frozen=True, eq=False)
class UsualMap:
    """The mean map, by age.

    Attributes
    ----------
    coefficients : float32 array (3, *cells)
        Mean, slope and curvature, in years a voxel; see `Ages.terms`.
    ages : Ages
    box : tuple of int
        Shape of the map.
    """

    coefficients: NDArray[np.float32]
    ages: Ages
    box: tuple[int, ...]

    @classmethod
    def fit(
        cls, maps: Iterable[np.ndarray], known: Iterable[float], ages: Ages, box: tuple[int, ...]
    ) -> UsualMap:
        """Fit to the maps (*box,) of people whose ages are `known`."""
        solved = fit_parabolas((_cells(own) for own in maps), known, ages, cells_of(box))
        return cls(solved.astype(np.float32), ages, box)

    def at(self, age: float) -> NDArray[np.float32]:
        """The map (*box, 1) that is usual at the nearest known age, in years."""
        terms = self.ages.terms(self.ages.nearest(age)).astype(np.float32)
        fine = np.einsum("t,txyz->xyz", terms, self.coefficients)
        for axis in range(3):
            fine = np.repeat(fine, CELL, axis)
        x, y, z = self.box
        return fine[:x, :y, :z, None]

    def packed(self) -> dict[str, np.ndarray]:
        """The coefficients in 127 steps of each sign: three bytes a cell; zero stays zero."""
        steps = np.abs(self.coefficients).max(axis=(1, 2, 3)) / 127
        safe = np.where(steps > 0, steps, 1)[:, None, None, None]
        return {
            LEVELS: np.rint(self.coefficients / safe).astype(np.int8),
            STEPS: steps.astype(np.float32),
        }

    @classmethod
    def unpacked(cls, arrays: Mapping[str, np.ndarray], box: tuple[int, ...], ages: Ages) -> UsualMap:
        """What `packed` made arrays of; ValueError if these are not for maps of `box`."""
        levels, steps = arrays[LEVELS], arrays[STEPS]
        if levels.dtype != np.int8 or levels.shape != (TERMS, *cells_of(box)):
            raise ValueError("its usual map is not of the box")
        if steps.dtype != np.float32 or steps.shape != (TERMS,) or not np.isfinite(steps).all():
            raise ValueError("the steps of its usual map are not a finite number for each term")
        return cls(levels * steps[:, None, None, None], ages, box)


def cells_of(box: tuple[int, ...]) -> tuple[int, ...]:
    """How many cells there are along each axis."""
    return tuple(-(-extent // CELL) for extent in box)


def _cells(volume: np.ndarray) -> NDArray[np.float64]:
    """The mean of a volume (*box,) in each cell; those at the end hold fewer voxels, all inside the box."""
    cells = cells_of(volume.shape)
    padded = np.zeros([CELL * count for count in cells])
    inside = np.zeros_like(padded)
    box = tuple(slice(extent) for extent in volume.shape)
    padded[box], inside[box] = volume, 1
    x, y, z = cells
    blocks = (x, CELL, y, CELL, z, CELL)
    return padded.reshape(blocks).sum(axis=(1, 3, 5)) / inside.reshape(blocks).sum(axis=(1, 3, 5))
