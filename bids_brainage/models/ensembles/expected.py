"""The input that is expected at an age."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bids_brainage.models.ensembles.parabolas import TERMS, Ages, fit_parabolas

#: Arrays of a packed input: which voxels (one bit each), their numbers as bytes, and what these mean.
VOXELS, LEVELS, SCALES = "voxels", "levels", "scales"


@dataclass(frozen=True, eq=False)
class ExpectedInput:
    """What a sub-ensemble's input is like on average, by age (or by what else is estimated).

    Attributes
    ----------
    voxels : bool array (*box,)
        Where anything but zero is expected.
    coefficients : float32 array (3, n)
        Mean, slope and curvature of these voxels, grey values 0 to 255; see `Ages.terms`.
    ages : Ages
        Of the people whom it was fitted on.
    """

    voxels: NDArray[np.bool_]
    coefficients: NDArray[np.float32]
    ages: Ages

    @classmethod
    def fit(cls, volumes: np.ndarray, people: np.ndarray, ages: np.ndarray) -> ExpectedInput:
        """Fit to some people.

        Parameters
        ----------
        volumes : uint8 array (n, *box)
            May be memory-mapped; one is read at a time.
        people : array of int
            Whom to fit to.
        ages : array (n,)
            Of everybody; those of `people` must not all be the same.
        """
        own = np.asarray(ages, np.float64)[people]
        known = Ages.of(own)
        read = (np.asarray(volumes[person], np.float64) for person in people)
        solved = fit_parabolas(read, own, known, volumes.shape[1:])
        voxels = np.rint(solved[0]) > 0
        return cls(voxels, solved[:, voxels].astype(np.float32), known)

    @property
    def mean(self) -> NDArray[np.float32]:
        """Mean over the people (*box, 1), in [0, 1]."""
        return self._volume(self.coefficients[0])

    def at(self, age: float) -> NDArray[np.float32]:
        """The expected input (*box, 1), in [0, 1], at the nearest known age."""
        return self._volume(self.ages.terms(self.ages.nearest(age)).astype(np.float32) @ self.coefficients)

    def _volume(self, grey: NDArray[np.float32]) -> NDArray[np.float32]:
        volume = np.zeros(self.voxels.shape, np.float32)
        volume[self.voxels] = np.clip(grey / np.float32(255), 0, 1)
        return volume[..., None]

    def packed(self) -> dict[str, np.ndarray]:
        """The coefficients in 255 steps from the least to the largest of each kind: three bytes a voxel."""
        low = self.coefficients.min(axis=1, initial=np.inf)
        high = self.coefficients.max(axis=1, initial=-np.inf)
        low, high = (np.where(np.isfinite(end), end, 0) for end in (low, high))
        steps = (high - low) / 255
        safe = np.where(steps > 0, steps, 1)
        levels = np.rint((self.coefficients - low[:, None]) / safe[:, None])
        return {
            VOXELS: np.packbits(self.voxels),
            LEVELS: levels.astype(np.uint8),
            SCALES: np.stack([low, steps], axis=1).astype(np.float32),
        }

    @classmethod
    def unpacked(cls, arrays: Mapping[str, np.ndarray], box: tuple[int, ...], ages: Ages) -> ExpectedInput:
        """What `packed` made arrays of; ValueError if these are not for inputs of `box`."""
        size = int(np.prod(box))
        bits, levels, scales = arrays[VOXELS], arrays[LEVELS], arrays[SCALES]
        if bits.dtype != np.uint8 or bits.shape != (-(-size // 8),):
            raise ValueError("its voxels are not those of the box")
        voxels = np.unpackbits(bits, count=size).astype(bool).reshape(box)
        if levels.dtype != np.uint8 or levels.shape != (TERMS, int(voxels.sum())):
            raise ValueError("it does not have three bytes for each voxel")
        if scales.dtype != np.float32 or scales.shape != (TERMS, 2) or not np.isfinite(scales).all():
            raise ValueError("its scales are not two finite numbers for each term")
        coefficients = (scales[:, :1] + scales[:, 1:] * levels).astype(np.float32)
        return cls(voxels, coefficients, ages)
