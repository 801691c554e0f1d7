"""The map that is usual at an age: means of cells by hand, a slope of age, bytes that keep zero."""

from __future__ import annotations

import numpy as np
import pytest

from bids_brainage.models.ensembles import parabolas
from bids_brainage.models.ensembles.parabolas import Ages
from bids_brainage.models.ensembles.usual_map import UsualMap, cells_of

BOX = (3, 4, 5)
AGES = Ages(50.0, 10.0, (30.0, 70.0))


def test_each_cell_has_the_mean_of_its_voxels(monkeypatch):
    """The cell at the end of three holds one voxel along that axis, and no air beside the box."""
    monkeypatch.setattr(parabolas, "RIDGE", 0.0)
    volume = np.arange(60.0).reshape(BOX)
    known = np.array([30.0, 40.0, 50.0, 60.0])
    found = UsualMap.fit([(volume, 0.0)] * 4, known, AGES, BOX).at(45.0)[..., 0]
    assert found.shape == BOX
    np.testing.assert_allclose(found[:2, :2, :2], volume[:2, :2, :2].mean(), rtol=1e-5)
    np.testing.assert_allclose(found[2, 2:, 4], volume[2, 2:, 4].mean(), rtol=1e-5)
    assert found.sum() == pytest.approx(volume.sum(), rel=1e-5)


def test_it_follows_age_and_stops_at_the_ends(monkeypatch):
    monkeypatch.setattr(parabolas, "RIDGE", 0.0)
    known = np.linspace(30, 70, 21)
    found = UsualMap.fit([(np.full(BOX, 0.1 * age), -0.01 * age) for age in known], known, AGES, BOX)
    for age in (30, 44.4, 70):
        np.testing.assert_allclose(found.at(age), 0.1 * age, rtol=1e-4)
        assert found.left_at(age) == pytest.approx(-0.01 * age, rel=1e-4)
    np.testing.assert_array_equal(found.at(90), found.at(70))


def test_bytes_lose_at_most_half_a_step_and_keep_zero():
    rng = np.random.default_rng(2)
    coefficients = rng.normal(0, 1e-3, (3, *cells_of(BOX))).astype(np.float32)
    coefficients[:, 0] = 0
    found = UsualMap(coefficients, np.zeros(3, np.float32), AGES, BOX)
    back = UsualMap.unpacked(found.packed(), BOX, AGES)
    steps = np.abs(coefficients).max(axis=(1, 2, 3)) / 127
    assert (np.abs(back.coefficients - coefficients) <= steps[:, None, None, None] * 0.501).all()
    assert not back.at(55.0)[:2].any()


def test_maps_of_another_box_are_refused():
    packed = UsualMap(np.zeros((3, *cells_of(BOX)), np.float32), np.zeros(3, np.float32), AGES, BOX).packed()
    with pytest.raises(ValueError, match="box"):
        UsualMap.unpacked(packed, (3, 4, 8), AGES)
