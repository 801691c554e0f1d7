"""Units that may take each other's place, and the different ways in which they can."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from functools import cached_property
from math import factorial, prod

import numpy as np

from bids_brainage.statistics.design import Exchangeability


@dataclass(frozen=True, eq=False)
class Pool:
    """Units that may take each other's place: observations of a block, or blocks of one size.

    Attributes
    ----------
    units : ndarray of int, shape (k, size)
        The observations of each unit.
    labels : tuple of k
        What the design says of each; units with equal labels are not told apart.
    """

    units: np.ndarray
    labels: tuple[Hashable, ...]

    @property
    def count(self) -> int:
        """How many different arrangements there are."""
        repeats = (factorial(count) for count in Counter(self.labels).values())
        return factorial(len(self.labels)) // prod(repeats)

    @cached_property
    def orders(self) -> list[np.ndarray]:
        """Each arrangement once, as the unit that comes to each place; the first is the present one."""
        known = {label: code for code, label in enumerate(dict.fromkeys(self.labels))}
        codes = [known[label] for label in self.labels]
        places: list[list[int]] = [[] for _ in known]
        for place, code in enumerate(codes):
            places[code].append(place)
        orders = []
        for arranged in _arrangements(places, len(codes)):
            order = np.empty(len(codes), dtype=np.intp)
            for ours, theirs in zip(places, arranged, strict=True):
                order[theirs] = ours
            orders.append(order)
        first = next(i for i, order in enumerate(orders) if (order == np.arange(len(codes))).all())
        orders.insert(0, orders.pop(first))
        return orders


def _arrangements(places: list[list[int]], n: int) -> Iterator[list[list[int]]]:
    """All ways to give as many of `n` places to each label as it has now."""
    from itertools import combinations

    def rest(left: int, free: list[int]) -> Iterator[list[list[int]]]:
        if left == len(places):
            yield []
            return
        for taken in combinations(free, len(places[left])):
            still = [place for place in free if place not in taken]
            for others in rest(left + 1, still):
                yield [list(taken), *others]

    return rest(0, list(range(n)))


@dataclass(frozen=True, eq=False)
class Pools:
    """What can be exchanged, on two levels.

    Attributes
    ----------
    within : tuple of Pool
        Observations, in each block.
    whole : tuple of Pool
        Blocks, of each size.
    """

    within: tuple[Pool, ...]
    whole: tuple[Pool, ...]


def pools(exchangeability: Exchangeability, blocks: np.ndarray, labels: np.ndarray) -> Pools:
    """The pools of observations.

    Parameters
    ----------
    exchangeability : Exchangeability
    blocks : ndarray of int, shape (n,)
        Numbers of the blocks, from 0 on without gaps.
    labels : ndarray of int, shape (n,)
        Observations with the same label are the same to the contrasts.
    """
    if not exchangeability.permute:
        return Pools((), ())
    order = np.argsort(blocks, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(blocks))[:-1])
    within, whole = [], []
    if exchangeability.within:
        within = [Pool(block[:, None], tuple(labels[block].tolist())) for block in members]
    if exchangeability.whole:
        for size in sorted({len(block) for block in members}):
            alike = np.array([block for block in members if len(block) == size])
            rows = [labels[block].tolist() for block in alike]
            # Where observations change places too, the order in a block tells nothing.
            named = [tuple(sorted(row) if exchangeability.within else row) for row in rows]
            whole.append(Pool(alike, tuple(named)))
    return Pools(tuple(within), tuple(whole))
