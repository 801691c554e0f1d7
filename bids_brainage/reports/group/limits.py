"""What so few people cannot show, in plain words with numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bids_brainage.records.group import ContrastRecord
from bids_brainage.statistics.power import critical_correlation, detectable_correlation, detectable_t

LEVEL = 0.05
#: Of more people, correlations of this size are found anyway.
FEW = 60


@dataclass(frozen=True, eq=False)
class DesignFacts:
    """A design as the page needs it.

    Attributes
    ----------
    matrix : array (n, columns)
    columns : tuple of str
        What each holds.
    weights : array (rank, columns)
        Of one contrast.
    """

    matrix: NDArray[np.float64]
    columns: tuple[str, ...]
    weights: NDArray[np.float64]


def of_people(n: int, ages: NDArray[np.float64]) -> Iterator[str]:
    """What correlations and errors of n people with these ages can tell.

    Parameters
    ----------
    n : int
        People with an estimate and what it is compared with.
    ages : array (n,)
        What estimates are compared with, to say if all are alike.
    """
    if n < 3:
        yield (
            f"With {_people(n)}, nothing can be correlated and no groups compared: numbers describe these "
            "people alone."
        )
        return
    if n >= FEW:
        return
    least, found = critical_correlation(n), detectable_correlation(n)
    told = (
        f"With {_people(n)}, a correlation must be at least {least:.2f} to reach p ≤ 0.05 at all, before any "
        "correction"
    )
    if found < 1:
        told += f"; only one of {found:.2f} or more is found in 4 of 5 such groups"
    yield f"{told}. That nothing is found says little."
    if np.ptp(ages) == 0:
        yield "All are of one age: r, R² and everything that is corrected for age mean nothing here."


def of_contrast(contrast: ContrastRecord, design: DesignFacts, regions: int) -> Iterator[str]:
    """What a contrast of this design can tell.

    Parameters
    ----------
    contrast : ContrastRecord
    design : DesignFacts
    regions : int
        How many regions are tested, at most; 0 if none are.
    """
    least = 1 / contrast.rearrangements
    if contrast.enumerated:
        yield (
            f"There are only {contrast.rearrangements} ways to rearrange these people, and all were taken: p "
            f"values are exact, but none can be smaller than {least:.2g}."
        )
    elif least > LEVEL / 10:
        yield (
            f"By {contrast.rearrangements} rearrangements, no p value can be smaller than {least:.2g}; take "
            "more for a publication."
        )
    if least > LEVEL:
        yield "So nothing here can be significant, whatever the effect."
    if contrast.statistic == "t" and contrast.degrees_of_freedom[1] > 0:
        yield _power(contrast, design, regions)


def _power(contrast: ContrastRecord, design: DesignFacts, regions: int) -> str:
    freedom, two_sided = contrast.degrees_of_freedom[1], contrast.two_sided
    one = _effect(detectable_t(freedom, two_sided=two_sided), design)
    told = f"To be found in 4 of 5 such groups, an effect in a single place chosen beforehand must be {one}"
    if regions > 1:
        more = detectable_t(freedom, LEVEL / regions, two_sided=two_sided)
        told += f"; where {regions} regions are tested, {_effect(more, design)}"
    return f"{told}. Tests of all voxels need larger effects, or wider ones."


def _effect(t: float, design: DesignFacts) -> str:
    """An expected t as an effect: d of groups or of a mean, or a partial correlation."""
    n = len(design.matrix)
    kind, column = _kind(design)
    if kind == "mean":
        return f"a mean of at least {t / np.sqrt(n):.2f} standard deviations"
    if kind == "groups":
        weights = design.weights[0]
        spread = weights @ np.linalg.pinv(design.matrix.T @ design.matrix) @ weights
        step = np.ptp(design.matrix[:, column]) if column is not None else 1.0
        return f"a difference of at least {t * np.sqrt(spread) * step:.2f} standard deviations (Cohen's d)"
    return f"a partial correlation of at least {t / np.sqrt(t**2 + n):.2f}"


def _kind(design: DesignFacts) -> tuple[str, int | None]:
    """Whether a contrast is about a mean, a difference of groups, or a slope; its column, if it is one."""
    used = np.flatnonzero(np.any(design.weights != 0, axis=0))
    levels: Sequence[int] = [len(np.unique(design.matrix[:, column])) for column in used]
    if len(used) == 1:
        column = int(used[0])
        return ("mean", None) if levels[0] == 1 else ("groups", column) if levels[0] == 2 else ("slope", None)
    return ("groups", None) if all(level == 2 for level in levels) else ("slope", None)


def _people(n: int) -> str:
    return "one person" if n == 1 else f"{n} people"
