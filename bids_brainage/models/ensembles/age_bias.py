"""Regression to the mean age: prevented in training, and corrected afterwards.

Young people are estimated too old and old people too young. Training can show rare ages more often; the
rest can be corrected by a line fitted on held-out people (de Lange and Cole 2020, NeuroImage: Clinical 26,
102229). The corrected value uses the person's age, so it is not an estimate of it: it is written beside the
raw one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Ages are smoothed over this many years before their density is inverted, and nobody is shown more than
# this many times as often as usual: one person in a gap must not be shown all the time.
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
    """The line (years): estimate - age = intercept + slope * age, on held-out people."""

    intercept: float
    slope: float

    @classmethod
    def fit(cls, estimates: np.ndarray, ages: np.ndarray) -> AgeBias:
        """Fit by least squares on estimates (n,) of people of `ages` (n,) that no model saw."""
        ages = np.asarray(ages, dtype=np.float64)
        slope, intercept = np.polyfit(ages, np.asarray(estimates) - ages, 1)
        return cls(float(intercept), float(slope))

    def corrected(self, estimate: float, age: float) -> float:
        """The estimate without the part explained by age alone, in years."""
        return estimate - (self.intercept + self.slope * age)
