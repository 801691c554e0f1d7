"""What is expected at an age: parabolas by hand, means that are the people's, bytes that lose little."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bids_brainage.models.ensembles import parabolas
from bids_brainage.models.ensembles.expected import ExpectedInput
from bids_brainage.models.ensembles.parabolas import Ages

BOX = (3, 4, 5)


def bent_volumes(ages, rng):
    """Volumes that are a parabola of age in each voxel, but for rounding; the last voxel is outside."""
    start, slope, bend = 120 + 20 * rng.random(BOX), rng.uniform(-1, 1, BOX), rng.uniform(-0.01, 0.01, BOX)
    start[-1, -1, -1] = slope[-1, -1, -1] = bend[-1, -1, -1] = 0

    def at(age):
        return start + slope * (age - 50) + bend * (age - 50) ** 2

    return np.rint([at(age) for age in ages]).astype(np.uint8), at


@pytest.fixture
def random():
    return np.random.default_rng(4)


def test_parabolas_are_found_again(random, monkeypatch):
    monkeypatch.setattr(parabolas, "RIDGE", 0.0)
    ages = random.uniform(20, 80, 200)
    volumes, at = bent_volumes(ages, random)
    found = ExpectedInput.fit(volumes, np.arange(200), ages)
    for age in (25, 50, 75):
        np.testing.assert_allclose(255 * found.at(age)[..., 0], at(age), atol=0.4)
    assert not found.voxels[-1, -1, -1]
    assert found.at(50)[-1, -1, -1] == 0


def test_it_is_ridge_regression_of_some_of_the_people(random):
    """Against scikit-learn, of the even people alone."""
    from sklearn.linear_model import Ridge

    ages, people = random.uniform(20, 80, 60), np.arange(0, 60, 2)
    volumes = random.integers(60, 200, (60, *BOX)).astype(np.uint8)
    found = ExpectedInput.fit(volumes, people, ages)
    z = (ages[people] - ages[people].mean()) / ages[people].std()
    model = Ridge(parabolas.RIDGE).fit(np.stack([z, z**2 - 1], axis=1), volumes[people].reshape(30, -1))
    new = (62.0 - ages[people].mean()) / ages[people].std()
    np.testing.assert_allclose(255 * found.at(62.0).ravel(), model.predict([[new, new**2 - 1]])[0], rtol=1e-4)


def test_its_mean_is_that_of_the_people(random):
    ages = random.uniform(20, 80, 40)
    volumes, _ = bent_volumes(ages, random)
    found = ExpectedInput.fit(volumes, np.arange(40), ages)
    np.testing.assert_allclose(255 * found.mean[..., 0], volumes.mean(axis=0), atol=0.5)


def test_beyond_the_youngest_and_the_oldest_it_is_theirs(random):
    ages = np.linspace(30, 70, 41)
    volumes, _ = bent_volumes(ages, random)
    found = ExpectedInput.fit(volumes, np.arange(41), ages)
    assert [found.ages.nearest(age) for age in (12, 30, 55.5, 99)] == [30, 30, 55.5, 70]
    np.testing.assert_array_equal(found.at(99), found.at(70))
    np.testing.assert_array_equal(found.at(12), found.at(30))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1000), age=st.floats(20, 80))
def test_bytes_lose_at_most_half_a_step_of_each_term(seed, age):
    rng = np.random.default_rng(seed)
    ages = rng.uniform(20, 80, 30)
    volumes = rng.integers(0, 256, (30, *BOX)).astype(np.uint8)
    found = ExpectedInput.fit(volumes, np.arange(30), ages)
    back = ExpectedInput.unpacked(found.packed(), BOX, found.ages)
    np.testing.assert_array_equal(back.voxels, found.voxels)
    z = (found.ages.nearest(age) - found.ages.centre) / found.ages.spread
    steps = np.ptp(found.coefficients, axis=1) / 255
    most = steps @ np.abs([1, z, z**2 - 1]) / 2
    assert 255 * np.abs(back.at(age) - found.at(age)).max() <= most + 1e-3


def test_arrays_of_another_box_are_refused(random):
    ages = random.uniform(20, 80, 30)
    packed = ExpectedInput.fit(bent_volumes(ages, random)[0], np.arange(30), ages).packed()
    for box in ((3, 4, 4), (9, 9, 9)):
        with pytest.raises(ValueError, match=r"box|voxel"):
            ExpectedInput.unpacked(packed, box, Ages(50, 10, (20, 80)))
    scales = np.full((3, 2), np.nan, np.float32)
    with pytest.raises(ValueError, match="finite"):
        ExpectedInput.unpacked({**packed, "scales": scales}, BOX, Ages(50, 10, (20, 80)))
