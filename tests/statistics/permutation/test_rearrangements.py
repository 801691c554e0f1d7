"""Rearrangements, beside all permutations tried by force."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bids_brainage.errors import InputError
from bids_brainage.statistics.design import Contrast, Design, Exchangeability
from bids_brainage.statistics.permutation.rearrangements import Rearrangements, rearrangements

ALL = 10**6


def design(effect, exchangeability: Exchangeability | None = None) -> Design:
    """An effect beside a constant; a constant effect alone."""
    effect = np.asarray(effect, dtype=float)
    constant = np.ptp(effect) == 0
    matrix = effect[:, None] if constant else np.column_stack([effect, np.ones(len(effect))])
    contrast = Contrast("x", np.eye(1, matrix.shape[1]))
    return Design(matrix, ("x", "1")[: matrix.shape[1]], (contrast,), exchangeability or Exchangeability())


def every(
    effect, exchangeability: Exchangeability | None = None, asked: int = ALL, seed: int = 0
) -> Rearrangements:
    made = design(effect, exchangeability)
    return rearrangements(made, made.contrasts, asked, seed)


def by_force(effect, allowed: Exchangeability) -> set[tuple[float, ...]]:
    """What allowed permutations and signs make of the effect: all are tried."""
    n, found = len(effect), set()
    blocks = np.zeros(n, dtype=int) if allowed.blocks is None else np.asarray(allowed.blocks)
    for order in permutations(range(n)) if allowed.permute else [tuple(range(n))]:
        if not permitted(order, blocks, allowed):
            continue
        for signs in product([1, -1], repeat=n) if allowed.flip else [(1,) * n]:
            together = allowed.whole and not allowed.within
            if together and any(
                len({signs[i] for i in np.flatnonzero(blocks == b)}) > 1 for b in set(blocks)
            ):
                continue
            found.add(tuple(s * effect[i] for s, i in zip(signs, order, strict=True)))
    return found


def permitted(order, blocks: np.ndarray, allowed: Exchangeability) -> bool:
    """Whether a permutation does only what blocks allow."""
    order = np.asarray(order)
    for block in set(blocks.tolist()):
        places = np.flatnonzero(blocks == block)
        from_blocks = set(blocks[order[places]].tolist())
        if len(from_blocks) > 1:
            return False
        theirs = np.flatnonzero(blocks == from_blocks.pop())
        if len(theirs) != len(places):
            return False
        if not allowed.whole and blocks[order[places[0]]] != block:
            return False
        if not allowed.within and (order[places] != theirs).any():
            return False
    return True


CASES = {
    "two groups": ([0, 0, 0, 1, 1, 1, 1], Exchangeability()),
    "a slope": ([1, 2, 3, 4, 7], Exchangeability()),
    "ties": ([1, 1, 2, 2, 2, 5], Exchangeability()),
    "one sample": ([1] * 6, Exchangeability(permute=False, flip=True)),
    "one sample, exchanged too": ([1] * 5, Exchangeability(flip=True)),
    "pairs": ([0, 1, 1, 0, 0, 1], Exchangeability(blocks=np.array([7, 7, 2, 2, 9, 9]))),
    "unequal sites": ([0, 1, 1, 0, 1, 2], Exchangeability(blocks=np.array([1, 1, 1, 2, 2, 3]))),
    "wholes": (
        [0, 0, 1, 1, 2, 1, 1],
        Exchangeability(blocks=np.array([0, 0, 1, 1, 2, 2, 5]), within=False, whole=True),
    ),
    "equal wholes": (
        [0, 1, 0, 1, 1, 0],
        Exchangeability(blocks=np.array([0, 0, 1, 1, 2, 2]), within=False, whole=True),
    ),
    "wholes of mixed rows": (
        [0, 1, 1, 0, 2, 1, 3],
        Exchangeability(blocks=np.array([0, 1, 0, 1, 2, 2, 2]), within=False, whole=True),
    ),
    "both": (
        [0, 0, 0, 1, 1, 1],
        Exchangeability(blocks=np.array([0, 0, 1, 1, 2, 2]), within=True, whole=True),
    ),
    "both, mixed blocks": (
        [0, 1, 1, 0, 1, 1],
        Exchangeability(blocks=np.array([0, 0, 1, 1, 2, 2]), within=True, whole=True),
    ),
    "wholes flip": (
        [1] * 6,
        Exchangeability(False, True, np.array([0, 0, 1, 1, 2, 2]), within=False, whole=True),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_all_are_enumerated_each_once(name):
    effect, allowed = CASES[name]
    found = every(effect, allowed)
    expected = by_force(effect, allowed)
    columns = np.array(effect, dtype=float)[:, None]
    made = [tuple(found[i](columns)[:, 0].tolist()) for i in range(found.total)]
    assert found.enumerated
    assert found.total == found.distinct == len(expected)
    assert made[0] == tuple(effect)
    assert set(made) == expected


@pytest.mark.parametrize("name", CASES)
def test_those_drawn_are_allowed_and_all_are_drawn_as_often(name):
    effect, allowed = CASES[name]
    expected = by_force(effect, allowed)
    found = every(effect, allowed, asked=1, seed=3)
    many = replace(found, total=60 * len(expected) + 1, distinct=10**9)
    assert not many.enumerated
    columns = np.array(effect, dtype=float)[:, None]
    made = [tuple(many[i](columns)[:, 0].tolist()) for i in range(1, many.total)]
    assert set(made) == expected
    counts = np.array([made.count(each) for each in expected])
    # Chi-squared over its degrees of freedom.
    assert ((counts - 60) ** 2 / 60).sum() / max(1, len(expected) - 1) < 2.5


def test_number_0_changes_nothing_and_numbers_do_not_depend_on_each_other():
    first, again = every(range(30), asked=50, seed=7), every(range(30), asked=500, seed=7)
    assert (first.total, again.total) == (51, 501)
    assert not first.enumerated
    assert first[0].source.tolist() == list(range(30))
    assert first[0].signs.tolist() == [1] * 30
    for index in (50, 3, 20):
        np.testing.assert_array_equal(first[index].source, again[index].source)
    assert (first[1].source != every(range(30), asked=50, seed=8)[1].source).any()
    with pytest.raises(IndexError):
        first[51]


def test_as_many_as_there_are_besides_the_first_are_all():
    assert every([0, 0, 0, 1, 1, 1], asked=19).enumerated
    assert not every([0, 0, 0, 1, 1, 1], asked=18).enumerated
    assert every([0, 0, 0, 1, 1, 1], asked=5000).total == 20


def test_contrasts_corrected_together_are_told_apart_by_all_their_regressors():
    matrix = np.column_stack([[0, 0, 1, 1, 1.0], [0, 1, 0, 1, 1.0], np.ones(5)])
    contrasts = (Contrast("a", np.eye(1, 3)), Contrast("b", np.eye(3)[1:2]))
    made = Design(matrix, ("a", "b", "1"), contrasts)
    assert rearrangements(made, contrasts[:1], ALL, 0).distinct == 10
    assert rearrangements(made, contrasts, ALL, 0).distinct == 60


def test_counts_of_many_people_are_exact_integers():
    found = every(np.arange(2000) % 2, asked=10)
    assert found.distinct > 10**500
    assert every([1] * 3000, Exchangeability(False, True), asked=10).distinct == 2**3000


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 4), min_size=2, max_size=6),
    within=st.booleans(),
    flip=st.booleans(),
    seed=st.integers(0, 999),
)
def test_orbits_tell_where_exchanges_lead(sizes, within, flip, seed):
    rng = np.random.default_rng(seed)
    blocks = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    allowed = Exchangeability(True, flip, blocks, within=within, whole=not within)
    try:
        found = every(rng.standard_normal(len(blocks)), allowed, asked=20, seed=seed)
    except InputError:
        return
    for index in range(found.total):
        moved = found[index]
        assert sorted(moved.source.tolist()) == list(range(len(blocks)))
        if within:
            np.testing.assert_array_equal(blocks[moved.source], blocks)
        if flip:
            assert found.orbits is None
        else:
            np.testing.assert_array_equal(found.orbits[moved.source], found.orbits)


@pytest.mark.parametrize(
    ("effect", "exchangeability", "said"),
    [
        ([1, 1, 1], Exchangeability(), "changes of sign"),
        ([1, 2, 3], Exchangeability(permute=False), "nothing may be exchanged"),
        ([1, 2, 3], Exchangeability(blocks=np.zeros(3), within=False), "nothing may be exchanged"),
        ([1, 1, 2, 2], Exchangeability(blocks=np.array([0, 0, 1, 1])), "does not vary within any block"),
        (
            [1, 1, 2, 2, 2],
            Exchangeability(blocks=np.array([0, 0, 1, 1, 1]), within=False, whole=True),
            "no two blocks of the same size",
        ),
    ],
)
def test_a_single_rearrangement_is_refused_with_the_reason(effect, exchangeability, said):
    with pytest.raises(InputError, match=said):
        every(effect, exchangeability)
