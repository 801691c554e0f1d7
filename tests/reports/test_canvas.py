"""Figures' files: outlines of straight lines are written shorter, and are the same outlines."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bids_brainage.reports.canvas import _PATH, _shorter

NUMBER = re.compile(r"-?(?:\d+\.?\d*|\.\d+)")
TENTHS = st.integers(-20000, 20000)
POINTS = st.lists(st.tuples(TENTHS, TENTHS), min_size=1, max_size=12)


def shorter(outline: str) -> str:
    found = _PATH.fullmatch(f' d="{outline}"')
    assert found is not None
    return _shorter(found).removeprefix(' d="').removesuffix('"')


@pytest.mark.parametrize(
    ("outline", "short"),
    [
        ("M 10 10 \nL 10.52 9.5 \nL 10.5 9.5 \nL 11 11.04 \nz", "M10 10l.5-.5 .5 1.5z"),
        ("M 0 0 \nL 5 0 \nM -3 2 \nL -3 -0.5", "M0 0l5 0M-3 2l0-2.5"),
        ("M 1 1 L 2 2 z L 1 3", "M1 1l1 1zl0 2"),
        ("M 1 2 Q 3.456 4 5 6 z", "M1 2Q3.4 4 5 6z"),
    ],
)
def test_outlines_by_hand(outline: str, short: str) -> None:
    assert shorter(outline) == short


@given(st.lists(POINTS, min_size=1, max_size=4))
def test_going_along_the_short_outline_reaches_the_same_points(strokes: list[list[tuple[int, int]]]) -> None:
    lines = [
        " ".join(f"{'L' if i else 'M'} {x / 10} {y / 10}" for i, (x, y) in enumerate(own)) for own in strokes
    ]
    reached = []
    for stroke in shorter(" z ".join(lines)).split("M")[1:]:
        first, _, rest = stroke.rstrip("z").partition("l")
        numbers = [round(10 * float(found)) for found in NUMBER.findall(f"{first} {rest}")]
        x, y = 0, 0
        own = [(x := x + dx, y := y + dy) for dx, dy in zip(numbers[::2], numbers[1::2], strict=True)]
        reached.append(own)
    # A point that is told twice is told once.
    assert reached == [[own[0], *(b for a, b in pairwise(own) if a != b)] for own in strokes]
