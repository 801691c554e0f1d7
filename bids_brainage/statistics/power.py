"""What a number of people can show: effects that a t test finds with a given power."""

from __future__ import annotations

import math

import numpy as np

POWER = 0.8
LEVEL = 0.05


def detectable_t(
    freedom: int, level: float = LEVEL, power: float = POWER, *, two_sided: bool = True
) -> float:
    """The expected t (noncentrality) at which a t test is significant with a given probability.

    Parameters
    ----------
    freedom : int
        Degrees of freedom of the errors.
    level : float
        Of significance; divided by the number of tests, that of Bonferroni's correction.
    power : float
    two_sided : bool

    Returns
    -------
    float
        Of a difference between two groups, d is this times sqrt(1/n1 + 1/n2); of one group's mean, this over
        sqrt(n) (Cohen 1988, Statistical power analysis for the behavioral sciences, chapter 2).
    """
    from scipy import optimize, special, stats

    critical = float(stats.t.isf(level / (2 if two_sided else 1), freedom))
    # Significance in the other direction adds nothing where power is this large.
    found = optimize.brentq(
        lambda centre: 1 - special.nctdtr(freedom, centre, critical) - power, 0, 10 * critical + 40
    )
    return float(found)


def detectable_correlation(n: int, covariates: int = 0, level: float = LEVEL, power: float = POWER) -> float:
    """The correlation that n people show with a given power, two-sided, by Fisher's z; 1 if there is none.

    Parameters
    ----------
    n, covariates : int
        People, and what is taken off both.
    level, power : float
        See `detectable_t`.
    """
    from scipy import stats

    left = n - covariates - 3
    if left < 1:
        return 1.0
    return math.tanh((stats.norm.isf(level / 2) + stats.norm.ppf(power)) / math.sqrt(left))


def critical_correlation(n: int, covariates: int = 0, level: float = LEVEL) -> float:
    """The smallest correlation that is significant in n people, two-sided; 1 if there is none.

    Parameters
    ----------
    n, covariates : int
        People, and what is taken off both.
    level : float
    """
    from scipy import stats

    freedom = n - covariates - 2
    if freedom < 1:
        return 1.0
    t = float(stats.t.isf(level / 2, freedom))
    return float(t / np.sqrt(t**2 + freedom))
