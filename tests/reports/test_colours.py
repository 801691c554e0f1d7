"""Colours against values worked by hand from the paper's legend (figure 3)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bids_brainage.reports import colours


@pytest.mark.parametrize(
    ("value", "colour"),
    [
        (0.0, (0, 0, 0)),
        (0.25, (0.5, 0, 0)),
        (0.5, (1, 0, 0)),
        (0.75, (1, 0.5, 0)),
        (1.0, (1, 1, 0)),
        (-0.25, (0, 0, 0.5)),
        (-0.5, (0, 0, 1)),
        (-0.75, (0, 0.5, 1)),
        (-1.0, (0, 1, 1)),
    ],
)
def test_the_ramp_without_gain(value: float, colour: tuple[float, ...]) -> None:
    np.testing.assert_allclose(colours.black_fire_red(np.array(value), gain=1), colour)


def test_gain_multiplies_colours_and_clips_them() -> None:
    # Ramp at 0.05 is (0.1, 0, 0): five times that is half red. At 0.55: (1, 0.1, 0) gives (1, 0.5, 0).
    shown = colours.black_fire_red(np.array([0.05, 0.55, -0.05]))
    np.testing.assert_allclose(shown, [[0.5, 0, 0], [1, 0.5, 0], [0, 0, 0.5]])


@given(st.floats(0.001, 1))
def test_older_and_younger_mirror_red_and_blue(value: float) -> None:
    older, younger = colours.black_fire_red(np.array([value, -value]))
    np.testing.assert_allclose(older, younger[::-1])
    assert older[0] > 0
    assert older[2] == 0


def test_the_limit_is_the_99th_percentile_of_absolute_values_that_are_not_zero() -> None:
    values = np.arange(1, 102, dtype=float) * np.where(np.arange(101) % 2, 1, -1)
    assert colours.symmetric_limit(values) == 100.0
    padded = np.concatenate([values, np.zeros(10_000)])
    assert colours.symmetric_limit(padded) == 100.0


def test_a_map_without_relevance_is_black() -> None:
    empty = np.zeros((3, 3))
    assert colours.symmetric_limit(empty) == 0
    assert not colours.black_fire_red(colours.normalise(empty, 0)).any()


def test_clipping_is_symmetric() -> None:
    np.testing.assert_allclose(colours.normalise(np.array([-9, -1, 0, 1, 9.0]), 2), [-1, -0.5, 0, 0.5, 1])


def test_anatomy_shows_where_there_is_no_relevance() -> None:
    shown = colours.over_anatomy(np.array([0.0, 1.0]), np.array([0.6, 0.6]), opacity=1.0)
    np.testing.assert_allclose(shown, [[0.6, 0.6, 0.6], [1, 1, 0]])
