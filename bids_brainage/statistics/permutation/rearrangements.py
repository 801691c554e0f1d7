"""The rearrangements that leave errors as likely as they were, each known by its number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from bids_brainage import messages
from bids_brainage.errors import InputError
from bids_brainage.statistics.design import Contrast, Design, Exchangeability
from bids_brainage.statistics.permutation.partition import partition
from bids_brainage.statistics.permutation.pools import Pools, pools

# Regressors that differ by less than this share of the largest are the same.
_SAME = 1e-9


@dataclass(frozen=True, eq=False)
class Rearrangement:
    """One rearrangement, told by what it makes of the design; the errors go the other way.

    Attributes
    ----------
    source : ndarray of int, shape (n,)
        The row of the design that each observation is given.
    signs : ndarray of float64, shape (n,)
        What that row is multiplied with: 1 or -1.
    """

    source: np.ndarray
    signs: np.ndarray

    def __call__(self, columns: np.ndarray) -> np.ndarray:
        """Columns of a design (n, k), rearranged."""
        return self.signs[:, None] * columns[self.source]


@dataclass(frozen=True, eq=False)
class Rearrangements:
    """A numbered set of rearrangements; number 0 leaves everything as it is.

    Each is made from its number and the seed alone, so that work can be divided at will.

    Attributes
    ----------
    total : int
        How many are in the set, number 0 included.
    distinct : int
        How many different ones there are of this design and these contrasts.
    seed : int
    orbits : ndarray of int, shape (n,), or None
        Observations with the same number can take each other's place; None if signs change.
    """

    total: int
    distinct: int
    seed: int
    orbits: np.ndarray | None
    _blocks: np.ndarray
    _pools: Pools
    _flipped: np.ndarray | None

    @property
    def enumerated(self) -> bool:
        """Whether the set is all the different ones, each once; else they are drawn, with replacement."""
        return self.total == self.distinct

    def __getitem__(self, index: int) -> Rearrangement:
        if not 0 <= index < self.total:
            raise IndexError(index)
        unmoved = Rearrangement(np.arange(len(self._blocks)), np.ones(len(self._blocks)))
        if index == 0:
            return unmoved
        return self._counted(index, unmoved) if self.enumerated else self._drawn(index, unmoved)

    def _counted(self, index: int, unmoved: Rearrangement) -> Rearrangement:
        """The digits of `index` choose an order in each pool, the rest, in binary, the signs."""
        source, signs = unmoved.source, unmoved.signs
        for pool in (*self._pools.within, *self._pools.whole):
            index, digit = divmod(index, pool.count)
            source = _moved(source, pool.units, pool.orders[digit])
        if self._flipped is not None:
            bits = np.array([index >> unit & 1 for unit in range(int(self._flipped.max()) + 1)])
            signs = 1.0 - 2.0 * bits[self._flipped]
        return Rearrangement(source, signs)

    def _drawn(self, index: int, unmoved: Rearrangement) -> Rearrangement:
        """Each is as likely as any other."""
        source, signs = unmoved.source, unmoved.signs
        generator = np.random.default_rng((self.seed, index))
        if self._pools.within:
            source = _shuffled_within(self._blocks, generator)
        for pool in self._pools.whole:
            source = _moved(source, pool.units, generator.permutation(len(pool.units)))
        if self._flipped is not None:
            signs = generator.choice([1.0, -1.0], int(self._flipped.max()) + 1)[self._flipped]
        return Rearrangement(source, signs)


def rearrangements(design: Design, contrasts: Sequence[Contrast], asked: int, seed: int) -> Rearrangements:
    """The set that contrasts of a design are tested with.

    Two are different if they bring the regressors of the contrasts into another order or give them other
    signs; nuisance does not count (as PALM has it; Winkler et al. 2014). If there are no more than `asked`
    besides the first, all are taken, each once.

    Parameters
    ----------
    design : Design
    contrasts : sequence of Contrast
        Those that are tested with the same rearrangements: one, or all that are corrected together.
    asked : int
        How many are wanted besides that which changes nothing.
    seed : int
        Number `i` is drawn by a generator that is seeded with (`seed`, `i`).

    Raises
    ------
    InputError
        There is only one (the sentence says why), or a contrast cannot be tested at all.
    """
    exchangeability, n = design.exchangeability, len(design.matrix)
    blocks = np.zeros(n, dtype=np.intp)
    if exchangeability.blocks is not None:
        blocks = np.unique(exchangeability.blocks, return_inverse=True)[1].reshape(n)
    parts = [partition(design.matrix, contrast) for contrast in contrasts]
    labels = _equal_rows(np.hstack([part.regressors for part in parts]))
    found = pools(exchangeability, blocks, labels)
    flipped = _flipped_together(exchangeability, blocks)
    distinct = prod(pool.count for pool in (*found.within, *found.whole))
    if flipped is not None:
        distinct *= 2 ** (int(flipped.max()) + 1)
    if distinct == 1:
        names = ", ".join(part.name for part in parts)
        raise InputError(
            messages.ONE_REARRANGEMENT.format(names=names, reason=_reason(exchangeability, labels))
        )
    total = min(distinct, asked + 1)
    orbits = _orbits(exchangeability, blocks) if flipped is None else None
    return Rearrangements(total, distinct, seed, orbits, blocks, found, flipped)


def _equal_rows(regressors: np.ndarray) -> np.ndarray:
    """The same number for equal rows."""
    largest = np.abs(regressors).max(axis=0)
    largest[largest == 0] = 1.0
    rounded = np.round(regressors / largest / _SAME).astype(np.int64)
    return np.unique(rounded, axis=0, return_inverse=True)[1].reshape(len(regressors))


def _flipped_together(exchangeability: Exchangeability, blocks: np.ndarray) -> np.ndarray | None:
    """The number of the sign that each observation has, or None if signs do not change."""
    if not exchangeability.flip:
        return None
    as_wholes = exchangeability.whole and not exchangeability.within
    return blocks if as_wholes else np.arange(len(blocks))


def _orbits(exchangeability: Exchangeability, blocks: np.ndarray) -> np.ndarray:
    """Where exchanges can bring an observation."""
    sizes = np.bincount(blocks)[blocks]
    if not exchangeability.whole:
        return blocks
    if exchangeability.within:
        return sizes
    order = np.argsort(blocks, kind="stable")
    starts = np.concatenate(([0], np.cumsum(np.bincount(blocks))[:-1]))
    place = np.empty_like(order)
    place[order] = np.arange(len(blocks)) - starts[blocks[order]]
    return np.unique(np.stack([sizes, place], axis=1), axis=0, return_inverse=True)[1].reshape(len(blocks))


def _shuffled_within(groups: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A random order of all, in which each stays in its group."""
    source = np.empty(len(groups), dtype=np.intp)
    source[np.argsort(groups, kind="stable")] = np.lexsort((generator.random(len(groups)), groups))
    return source


def _moved(source: np.ndarray, units: np.ndarray, order: np.ndarray) -> np.ndarray:
    """`source` after units have moved as a whole."""
    moved = source.copy()
    moved[units] = source[units[order]]
    return moved


def _reason(exchangeability: Exchangeability, labels: np.ndarray) -> str:
    """Why nothing can be rearranged."""
    if not exchangeability.permute or not (exchangeability.within or exchangeability.whole):
        return messages.NOTHING_EXCHANGED
    if len(np.unique(labels)) == 1:
        return messages.EFFECT_THE_SAME
    return messages.EFFECT_BETWEEN_BLOCKS if exchangeability.within else messages.NO_EQUAL_BLOCKS
