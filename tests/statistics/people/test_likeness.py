"""Likeness of maps against a case worked by hand, NumPy, and chance."""

from __future__ import annotations

import numpy as np
import pytest

from bids_brainage.statistics.people.likeness import compare_maps
from tests.statistics.people.columns import check_row


def test_a_case_worked_by_hand() -> None:
    maps = np.array([[9.0, 8, 1, 0, -5, 2, 3, 1, 0, 0], [9.0, 0, 8, 1, -9, 0, 1, 2, 2, 1]])
    found = compare_maps(maps, ["T1w", "FLAIR"], shares=(0.2, 0.3))
    # Largest 2: voxels 0, 1 and 0, 2. Largest 3: 0, 1, 6 and 0, 2, 7 (the first of two 2s).
    np.testing.assert_allclose(found.dice[:, 0, 1], [1 / 2, 1 / 3])
    np.testing.assert_allclose(found.r, np.corrcoef(maps))
    signed = compare_maps(maps, ["T1w", "FLAIR"], shares=(0.2,), absolute=True)
    assert signed.dice[0, 0, 1] == pytest.approx(1 / 2)  # 0, 1 and 0, 4
    assert [row["share"] for row in found.rows()] == [0.2, 0.3]
    check_row(found.rows()[0], "likeness")


def test_unrelated_maps_overlap_as_by_chance() -> None:
    maps = np.random.default_rng(0).normal(size=(2, 200_000))
    found = compare_maps(maps, ["a", "b"])
    np.testing.assert_allclose(found.dice[:, 0, 1], found.shares, atol=0.01)
    np.testing.assert_array_equal(found.dice[:, 0, 0], 1)


def test_a_flat_map_has_no_correlation() -> None:
    found = compare_maps(np.array([[0.0, 0, 0], [1, 2, 3]]), ["a", "b"], shares=(0.5,))
    assert np.isnan(found.r[0, 1])
    assert found.r[1, 1] == pytest.approx(1)
