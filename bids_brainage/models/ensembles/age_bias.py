"""Regression to the mean age: against it in training, and taken off afterwards.

The young come out too old and the old too young. Training can show rare ages more often; the rest can be
taken off by a line fitted on people held out (de Lange and Cole 2020, NeuroImage: Clinical 26, 102229). The
corrected value knows the person's age, so it is not an estimate of it: it is written beside the raw one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Ages are smoothed over so many years before their density is turned round, and nobody is shown more often
# than so many times a usual person: one person in a gap is not to be shown all the time.
BANDWIDTH = 4.0
LARGEST_WEIGHT = 5.0


def even_age_weights(ages: np.ndarray) -> np.ndarray:
    """Probability (n,) of showing each person, so that all ages are shown about equally often.

    Parameters
    ----------
    ages : array (n,)
        Years.
    """
    ages = np.asarray(ages, dtype=np.float64)
    apart = (ages[:, None] - ages) / BANDWIDTH
    density = np.exp(-0.5 * apart**2).mean(axis=1)
    weights = np.minimum(np.median(density) / density, LARGEST_WEIGHT)
    return weights / weights.sum()


@dataclass(frozen=True)
class AgeBias:
    """The line (years): estimate - age = intercept + slope * age, on people held out."""

    intercept: float
    slope: float

    @classmethod
    def fit(cls, estimates: np.ndarray, ages: np.ndarray) -> AgeBias:
        """Fit by least squares on estimates (n,) of people of `ages` (n,) that no model saw."""
        ages = np.asarray(ages, dtype=np.float64)
        slope, intercept = np.polyfit(ages, np.asarray(estimates) - ages, 1)
        return cls(float(intercept), float(slope))

    def corrected(self, estimate: float, age: float) -> float:
        """The estimate without what its age alone makes of it, in years."""
        return estimate - (self.intercept + self.slope * age)
