"""Norms learnt from a reference group, and how its own z scores are distributed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bids_brainage import messages
from bids_brainage.errors import InputError
from bids_brainage.statistics.people.accuracy import MISSING, level_names
from bids_brainage.statistics.people.norms import Groups, Norms, level_columns
from bids_brainage.statistics.people.smooth import MARGIN, PIECES, AgeBasis, Smoother

#: People, and standard deviation of their ages in years, that norms need at least.
FEWEST, LEAST_SPREAD = 30, 5.0
#: People of a sex or site without whom it is not told from the others.
FEWEST_OF_LEVEL = 5
#: Beyond it lie 5 % of people.
TAIL = 1.96
# Residuals smaller than this share of a place's typical one are taken to be as large: their logarithm would
# say more of them than there is.
_LEAST_RESIDUAL = 0.01


@dataclass(frozen=True, eq=False)
class Calibration:
    """z scores of people: mean 0, sd 1 and 5 % beyond 1.96 if all is well.

    Those of the reference group, each by the norms of the others, have a mean square of 1 by construction:
    how far that holds for others, only others tell.

    Attributes
    ----------
    mean, sd, tails : ndarray (places,)
        Of the z scores, and the share of those beyond 1.96; not a number where nobody varies.
    n : int
        People.
    """

    mean: np.ndarray
    sd: np.ndarray
    tails: np.ndarray
    n: int

    def rows(self, places: Sequence[str]) -> list[dict[str, Any]]:
        """Cells of a table: a row for each place, by name."""
        return [
            {"place": place, "n": self.n, "z_mean": float(mean), "z_sd": float(sd), "z_tails": float(tails)}
            for place, mean, sd, tails in zip(places, self.mean, self.sd, self.tails, strict=True)
        ]


def calibration_of(z: np.ndarray) -> Calibration:
    """How z scores (m, places) are distributed."""
    tails = np.where(np.isnan(z).any(axis=0), np.nan, np.mean(np.abs(z) > TAIL, axis=0))
    return Calibration(z.mean(axis=0), z.std(axis=0, ddof=1), tails, len(z))


def fit_norms(
    values: np.ndarray,
    ages: np.ndarray,
    groups: Groups | None = None,
    out_of_fold: np.ndarray | None = None,
    least_spread: float = LEAST_SPREAD,
    block: int = 4096,
    pieces: int = PIECES,
    margin: float = MARGIN,
) -> tuple[Norms, Calibration]:
    """Learn mean and spread of each place from a reference group.

    The mean is a smooth curve of age (and a shift for each sex and site); the logarithm of the spread is
    another one, fitted to the logarithm of what is left of each person by the mean of the others, and scaled
    so that the z scores of people by the norms of the others have a mean square of 1. How far the two curves
    bend is one choice for all places, unless one is much better predicted by another.

    Parameters
    ----------
    values : array (n, places)
        Years, one row a person; may be mapped from disk, for `block` places are read at a time, three times.
    ages : array (n,)
        Years.
    groups : mapping of str to array (n,), optional
        Labels of further columns, such as sex and site.
    out_of_fold : array (n, places), optional
        Is filled with the z scores of each person by the norms of the others.
    least_spread : float
        Standard deviation that ages must have at least.
    block : int
        Places at a time; the result does not depend on it but for rounding.
    pieces : int
        Of the range of ages: fewer take less space, and cannot bend as often.
    margin : float
        See `Smoother.fit`: among very many places, some seem to be much better predicted by another curve, by
        chance; infinite, all bend alike.

    Returns
    -------
    Norms
    Calibration
        Of the reference group, out of fold.

    Raises
    ------
    InputError
        Too few people, ages too much alike, or values that are not numbers.
    """
    ages = np.asarray(ages, float)
    n, places = values.shape
    if n < FEWEST or not np.isfinite(ages).all() or ages.std() < least_spread:
        raise InputError(messages.NORMS_TOO_FEW.format(n=n, least=FEWEST, spread=least_spread))
    basis = AgeBasis(float(ages.min()), float(ages.max()), pieces)
    levels, shares = _levels(groups or {})
    others, _ = level_columns(levels, shares, n, groups or {})
    smoother = Smoother(basis(ages), others)

    def blocks() -> Iterator[np.ndarray]:
        for first in range(0, places, block):
            own = np.asarray(values[:, first : first + block], np.float64)
            if not np.isfinite(own).all():
                raise InputError(messages.NORMS_NOT_FINITE)
            yield own

    bends = smoother.shared(blocks())
    widens = smoother.shared(_logarithms(smoother.fit(own, bends, margin)[1], own)[0] for own in blocks())
    parts = []
    for number, own in enumerate(blocks()):
        *coefficients, z = _fit_block(smoother, own, bends, widens, margin)
        if out_of_fold is not None:
            out_of_fold[:, number * block : (number + 1) * block] = z
        parts.append((*coefficients, calibration_of(z)))
    mean, shape, scale, found = zip(*parts, strict=True)
    norms = Norms(
        basis=basis,
        levels=levels,
        shares=shares,
        mean=np.concatenate(mean, axis=1),
        shape=np.concatenate(shape, axis=1),
        scale=np.concatenate(scale),
        n=n,
    )
    return norms, _together(found)


def _together(blocks: Sequence[Calibration]) -> Calibration:
    return Calibration(
        np.concatenate([block.mean for block in blocks]),
        np.concatenate([block.sd for block in blocks]),
        np.concatenate([block.tails for block in blocks]),
        blocks[0].n,
    )


def _logarithms(left: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logarithms of what is left of people (n, places) beside its typical size, that size, and who varies."""
    typical = np.sqrt(np.mean(left**2, axis=0))
    varies = np.ptp(values, axis=0) > 1e-9 * np.abs(values).max(axis=0)
    sizes = np.abs(left) / np.where(varies, typical, 1)
    return np.log(np.maximum(np.where(varies, sizes, 1), _LEAST_RESIDUAL)), typical, varies


def _fit_block(
    smoother: Smoother, values: np.ndarray, bends: int, widens: int, margin: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Coefficients of mean and shape, scale and the z scores out of fold."""
    mean, left = smoother.fit(values, bends, margin)
    logarithms, typical, varies = _logarithms(left, values)
    shape, missed = smoother.fit(logarithms, widens, margin)
    spread = np.exp(logarithms - missed) * typical
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(varies, left / spread, np.nan)
    share = np.where(varies, np.sqrt(np.mean(z**2, axis=0)), 0)
    scale = share * typical
    with np.errstate(divide="ignore", invalid="ignore"):
        z /= share
    return mean.astype(np.float32), shape.astype(np.float32), scale.astype(np.float32), z


def _levels(groups: Groups) -> tuple[dict[str, tuple[str, ...]], np.ndarray]:
    """The levels that enough people have, and their shares in order."""
    levels: dict[str, tuple[str, ...]] = {}
    shares = []
    for column, labels in groups.items():
        names, counts = np.unique(level_names(labels).astype(str), return_counts=True)
        kept = (counts >= FEWEST_OF_LEVEL) & (names != MISSING)
        levels[column] = tuple(names[kept].tolist())
        shares.append(counts[kept] / len(labels))
    return levels, np.concatenate(shares) if shares else np.zeros(0)
