"""What is usual at an age: in each voxel a parabola of age, fitted to many people's volumes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: As many people's worth of doubt whether anything depends on age: it steadies slopes where people are few.
RIDGE = 2.0
#: Numbers of a voxel: mean, slope, curvature.
TERMS = 3


@dataclass(frozen=True)
class Ages:
    """Of some people (or their values of what else is estimated).

    Attributes
    ----------
    centre, spread : float
        Mean and standard deviation (population).
    ends : tuple of float
        Youngest and oldest; outside, nothing is known.
    """

    centre: float
    spread: float
    ends: tuple[float, float]

    @classmethod
    def of(cls, ages: np.ndarray) -> Ages:
        """From people's ages (n,), which must not all be the same."""
        return cls(float(ages.mean()), float(ages.std()), (float(ages.min()), float(ages.max())))

    def nearest(self, age: float) -> float:
        """The age itself, or the nearest for which anything is known."""
        return float(np.clip(age, *self.ends))

    def terms(self, age: float) -> NDArray[np.float64]:
        """1, z and z^2 - 1 (3,), with z = (age - centre) / spread; the last two are 0 on average."""
        z = (age - self.centre) / self.spread
        return np.array([1.0, z, z**2 - 1])


def fit_parabolas(
    volumes: Iterable[np.ndarray], known: Iterable[float], ages: Ages, shape: tuple[int, ...]
) -> NDArray[np.float64]:
    """Mean, slope and curvature (3, *shape) by least squares, the last two with a ridge penalty.

    Parameters
    ----------
    volumes : iterable of array (*shape,)
        One person's after the other; no more than one is held.
    known : iterable of float
        The people's ages.
    ages : Ages
        What the terms refer to.
    shape : tuple of int
    """
    sums, matrix = np.zeros((TERMS, *shape)), np.diag([0.0, RIDGE, RIDGE])
    for volume, age in zip(volumes, known, strict=True):
        terms = ages.terms(age)
        matrix += np.outer(terms, terms)
        for total, term in zip(sums, terms, strict=True):
            total += term * volume
    return np.linalg.solve(matrix, sums.reshape(TERMS, -1)).reshape(sums.shape)
