"""The map against the expected input that is usual at an age.

A mean of brains is smoother than any brain, so that a network may say of it what it says of no one, and the
maps of all people have in common what makes a brain sharp. What is usual is taken off a person's map: what is
left is theirs, and adds up from what the model usually says of people of that age.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bids_brainage.models.ensembles.parabolas import TERMS, Ages, fit_parabolas
from bids_brainage.statistics.blocks import block_sums, blocks_of, filled_blocks

#: Voxels along each edge of a cell, all of which have the same: what is usual is smooth, and the file small.
CELL = 2
#: Arrays of a packed map: its numbers as signed bytes, the step of each kind, and what quadratures leave.
LEVELS, STEPS, LEFT = "usual_levels", "usual_steps", "usual_left"


@dataclass(frozen=True, eq=False)
class UsualMap:
    """The mean map, by age.

    Attributes
    ----------
    coefficients : float32 array (3, *cells)
        Mean, slope and curvature, in years a voxel; see `Ages.terms`.
    left : float32 array (3,)
        The same of what the maps' quadratures leave, in years.
    ages : Ages
    box : tuple of int
        Shape of the map.
    """

    coefficients: NDArray[np.float32]
    left: NDArray[np.float32]
    ages: Ages
    box: tuple[int, ...]

    @classmethod
    def fit(
        cls, maps: Iterable[tuple[np.ndarray, float]], known: np.ndarray, ages: Ages, box: tuple[int, ...]
    ) -> UsualMap:
        """Fit to the maps (*box,) of people whose ages are `known`, each with what its quadrature leaves."""
        rests: list[np.ndarray] = []

        def cells() -> Iterator[np.ndarray]:
            for own, rest in maps:
                rests.append(np.array([rest]))
                yield _cells(own)

        solved = fit_parabolas(cells(), known, ages, cells_of(box))
        left = fit_parabolas(rests, known, ages, (1,))[:, 0]
        return cls(solved.astype(np.float32), left.astype(np.float32), ages, box)

    def at(self, age: float) -> NDArray[np.float32]:
        """The map (*box, 1) that is usual at the nearest known age, in years."""
        cells = np.einsum("t,txyz->xyz", self._terms(age), self.coefficients)
        return filled_blocks(cells, CELL, self.box)[..., None]

    def left_at(self, age: float) -> float:
        """Years that quadratures usually leave at the nearest known age."""
        return float(self._terms(age) @ self.left)

    def _terms(self, age: float) -> NDArray[np.float32]:
        return self.ages.terms(self.ages.nearest(age)).astype(np.float32)

    def packed(self) -> dict[str, np.ndarray]:
        """The coefficients in 127 steps of each sign: three bytes a cell; zero stays zero."""
        steps = np.abs(self.coefficients).max(axis=(1, 2, 3)) / 127
        safe = np.where(steps > 0, steps, 1)[:, None, None, None]
        return {
            LEVELS: np.rint(self.coefficients / safe).astype(np.int8),
            STEPS: steps.astype(np.float32),
            LEFT: self.left,
        }

    @classmethod
    def unpacked(cls, arrays: Mapping[str, np.ndarray], box: tuple[int, ...], ages: Ages) -> UsualMap:
        """What `packed` made arrays of; ValueError if these are not for maps of `box`."""
        levels, steps, left = arrays[LEVELS], arrays[STEPS], arrays[LEFT]
        if levels.dtype != np.int8 or levels.shape != (TERMS, *cells_of(box)):
            raise ValueError("its usual map is not of the box")
        for numbers in (steps, left):
            if numbers.dtype != np.float32 or numbers.shape != (TERMS,) or not np.isfinite(numbers).all():
                raise ValueError("its usual map does not have a finite number for each term")
        return cls(levels * steps[:, None, None, None], left, ages, box)


def cells_of(box: tuple[int, ...]) -> tuple[int, ...]:
    """How many cells there are along each axis."""
    return blocks_of(box, CELL)


def _cells(volume: np.ndarray) -> NDArray[np.float64]:
    """The mean of a volume (*box,) in each cell; those at the end hold fewer voxels, all inside the box."""
    return block_sums(volume, CELL) / block_sums(np.ones(volume.shape), CELL)
