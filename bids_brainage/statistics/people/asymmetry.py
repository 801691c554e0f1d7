"""Left against right: the difference of years in pairs of regions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from bids_brainage.statistics.people.intervals import LEVEL
from bids_brainage.statistics.people.multiplicity import holm

# What is said of a side in names: left hippocampus, ctx-lh-cuneus, Cerebelum_3_L.
_SIDE = re.compile(r"(?<![a-z])(left|right|lh|rh|l|r)(?![a-z])", re.IGNORECASE)


class Pair(NamedTuple):
    """A region on both sides: its name without the side, and where left and right stand."""

    name: str
    left: int
    right: int


@dataclass(frozen=True, eq=False)
class Asymmetry:
    """Left minus right in a group.

    Attributes
    ----------
    pairs : tuple of str
    left, right, difference : ndarray (pairs,)
        Means, years.
    low, high : ndarray (pairs,)
        95 % interval of the difference, Student's.
    t, p, p_holm : ndarray (pairs,)
        Paired, two-sided; corrected over the pairs. Not a number where nobody differs.
    n : int
    """

    pairs: tuple[str, ...]
    left: np.ndarray
    right: np.ndarray
    difference: np.ndarray
    low: np.ndarray
    high: np.ndarray
    t: np.ndarray
    p: np.ndarray
    p_holm: np.ndarray
    n: int

    def rows(self) -> list[dict[str, Any]]:
        """Cells of a table: a row for each pair."""
        names = ("left", "right", "difference", "low", "high", "t", "p", "p_holm")
        return [
            {"pair": pair, "n": self.n, **{name: float(getattr(self, name)[i]) for name in names}}
            for i, pair in enumerate(self.pairs)
        ]


def pair_sides(names: Sequence[str], hemispheres: Sequence[str]) -> tuple[Pair, ...]:
    """Pairs of regions whose names differ by the side alone.

    Parameters
    ----------
    names : sequence of str
    hemispheres : sequence of str
        L, R, or anything else for regions of no side.
    """
    sides: dict[str, dict[str, int]] = {}
    for index, (name, side) in enumerate(zip(names, hemispheres, strict=True)):
        if side in ("L", "R"):
            sides.setdefault(_without_side(name), {})[side] = index
    return tuple(Pair(key, own["L"], own["R"]) for key, own in sides.items() if len(own) == 2)


def measure_asymmetry(values: np.ndarray, pairs: Sequence[Pair]) -> Asymmetry:
    """Compare the sides within people.

    Parameters
    ----------
    values : array (n, regions)
        Years.
    pairs : sequence of Pair
    """
    from scipy.stats import t

    n = len(values)
    left = np.asarray(values, float)[:, [pair.left for pair in pairs]]
    right = np.asarray(values, float)[:, [pair.right for pair in pairs]]
    apart = left - right
    difference = apart.mean(axis=0)
    error = apart.std(axis=0, ddof=1) / np.sqrt(n) if n > 1 else np.full(len(pairs), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = np.where(error > 0, difference / error, np.nan)
    p = 2 * t.sf(np.abs(statistic), n - 1)
    reach = t.ppf((1 + LEVEL) / 2, n - 1) * error
    return Asymmetry(
        pairs=tuple(pair.name for pair in pairs),
        left=left.mean(axis=0),
        right=right.mean(axis=0),
        difference=difference,
        low=difference - reach,
        high=difference + reach,
        t=statistic,
        p=p,
        p_holm=holm(p),
        n=n,
    )


def _without_side(name: str) -> str:
    """The name without its word for a side, nor the separator that is left over."""
    plain = re.sub(r"([\s_-])[\s_-]+", r"\1", _SIDE.sub("", name, count=1))
    return plain.strip(" _-")
