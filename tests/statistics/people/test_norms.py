"""Norms: z scores of other people are calibrated, known spreads are found, and limits are said."""

from __future__ import annotations

import json
from importlib.resources import files

import numpy as np
import pytest
import yaml

from bids_brainage.errors import InputError
from bids_brainage.statistics.people.norm_fitting import calibration_of, fit_norms
from bids_brainage.statistics.people.norms import Norms

PLACES = 30


def people(seed: int, n: int, freedom: float = 1e6) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Places whose mean bends and whose spread grows threefold with age, with a shift between sexes."""
    rng = np.random.default_rng(seed)
    ages, sex = rng.uniform(20, 85, n), np.where(rng.random(n) < 0.5, "f", "m")
    noise = rng.standard_t(freedom, (n, PLACES)) / np.sqrt(freedom / (freedom - 2))
    return mean_at(ages) + spread_at(ages) * noise + 0.6 * (sex == "f")[:, None], ages, {"sex": sex}


def mean_at(ages: np.ndarray) -> np.ndarray:
    return np.outer(np.sin(ages / 12), np.linspace(-1, 1, PLACES))


def spread_at(ages: np.ndarray) -> np.ndarray:
    return np.outer(np.exp((ages - 50) / 55), np.linspace(0.2, 1, PLACES))


@pytest.fixture(scope="module")
def norms() -> Norms:
    return fit_norms(*people(0, 300))[0]


def test_z_scores_of_other_people_are_calibrated(norms: Norms) -> None:
    values, ages, groups = people(1, 2000)
    z = norms.deviations(values, ages, groups).z
    assert abs(z.mean()) < 0.1
    for low in (20, 42, 64):
        own = z[(ages >= low) & (ages < low + 22)]
        assert abs(own.mean()) < 0.1
        assert own.std() == pytest.approx(1, abs=0.1)
        assert 0.03 < np.mean(np.abs(own) > 1.96) < 0.07


def test_heavy_tails_do_not_widen_the_middle() -> None:
    norms, found = fit_norms(*people(2, 300, freedom=5))
    z = norms.deviations(*people(3, 2000, freedom=5)).z
    assert z.std() == pytest.approx(1, abs=0.1)
    assert found.sd == pytest.approx(np.ones(PLACES), abs=0.02)


def test_the_spread_that_grows_with_age_is_found(norms: Norms) -> None:
    grid = np.linspace(25, 80, 12)
    found = norms.deviations(np.zeros((12, PLACES)), grid)
    ratio = found.spread / spread_at(grid)
    assert np.abs(np.log(ratio)).mean() < 0.1
    middle = mean_at(grid) + 0.3  # half of them are of the sex that is shifted by 0.6
    assert np.abs((found.expected - middle) / spread_at(grid)).mean() < 0.15


def test_reference_people_are_judged_by_the_others() -> None:
    """The z score out of fold is that by norms made without the person (who chose the penalty, though)."""
    values, ages, groups = people(4, 120)
    z = np.empty_like(values)
    _, found = fit_norms(values, ages, groups, out_of_fold=z)
    again = []
    for left_out in range(0, 120, 12):
        keep = np.arange(120) != left_out
        without, _ = fit_norms(values[keep], ages[keep], {"sex": groups["sex"][keep]})
        one = slice(left_out, left_out + 1)
        again.append(without.deviations(values[one], ages[one], {"sex": groups["sex"][one]}).z[0])
    own = z[::12]
    assert np.corrcoef(own.ravel(), np.ravel(again))[0, 1] > 0.98
    assert np.std(own) == pytest.approx(np.std(again), rel=0.1)
    np.testing.assert_allclose(found.sd, calibration_of(z).sd)


def test_blocks_change_nothing_but_rounding(norms: Norms) -> None:
    other, _ = fit_norms(*people(0, 300), block=7)
    np.testing.assert_allclose(other.mean, norms.mean, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(other.scale, norms.scale, rtol=1e-4)


def test_sexes_are_told_apart_and_unknown_ones_lie_between(norms: Norms) -> None:
    groups = {"sex": np.array(["f", "m", "x", None], dtype=object)}
    found = norms.deviations(np.zeros((4, PLACES)), np.full(4, 50.0), groups)
    apart = (found.expected[0] - found.expected[1]) / found.spread[0]
    assert np.mean(apart * spread_at(np.array([50.0]))[0]) == pytest.approx(0.6, abs=0.1)
    np.testing.assert_array_equal(found.unknown, [False, False, True, True])
    assert (found.expected[2] < found.expected[0]).all()
    assert (found.expected[2] > found.expected[1]).all()


def test_people_outside_of_the_range_are_flagged_and_taken_at_its_end(norms: Norms) -> None:
    ages = np.array([5.0, norms.basis.low, norms.basis.high, 101])
    found = norms.deviations(np.zeros((4, PLACES)), ages)
    np.testing.assert_array_equal(found.outside, [True, False, False, True])
    np.testing.assert_array_equal(found.z[0], found.z[1])
    np.testing.assert_array_equal(found.z[3], found.z[2])


def test_places_where_nobody_varies_have_no_z() -> None:
    values, ages, groups = people(5, 60)
    values[:, 0], values[:, 1] = 0, 3.5
    norms, found = fit_norms(values, ages, groups)
    z = norms.deviations(values, ages, groups).z
    assert np.isnan(z[:, :2]).all()
    assert np.isfinite(z[:, 2:]).all()
    assert np.isnan(found.tails[:2]).all()
    assert all(np.isfinite(array).all() for array in norms.packed()[0].values())


def test_packed_and_unpacked_they_say_the_same(norms: Norms) -> None:
    arrays, record = norms.packed()
    again = Norms.unpacked(arrays, json.loads(json.dumps(record)))
    values, ages, groups = people(6, 20)
    np.testing.assert_array_equal(
        again.deviations(values, ages, groups).z, norms.deviations(values, ages, groups).z
    )


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("norms_mean", lambda a: a[:-1]),
        ("norms_scale", lambda a: a[:-1]),
        ("norms_shape", lambda a: a * np.nan),
        ("norms_shares", lambda a: a[:1]),
    ],
)
def test_altered_arrays_are_refused(norms: Norms, name: str, change) -> None:  # type: ignore[no-untyped-def]
    arrays, record = norms.packed()
    with pytest.raises(ValueError, match="norms"):
        Norms.unpacked({**arrays, name: change(arrays[name])}, record)


def test_a_range_that_is_none_is_refused(norms: Norms) -> None:
    arrays, record = norms.packed()
    with pytest.raises(ValueError, match="range of ages"):
        Norms.unpacked(arrays, {**record, "high": record["low"]})


def test_too_few_people_or_values_that_are_none_are_refused() -> None:
    values, ages, _ = people(0, 40)
    with pytest.raises(InputError, match="from 29 people"):
        fit_norms(values[:29], ages[:29])
    with pytest.raises(InputError, match="standard deviation"):
        fit_norms(values, np.full(40, 50.0))
    values[3, 3] = np.nan
    with pytest.raises(InputError, match="not numbers"):
        fit_norms(values, ages)


def test_rows_have_described_columns() -> None:
    values, ages, _ = people(0, 40)
    rows = fit_norms(values, ages)[1].rows([f"r{i}" for i in range(PLACES)])
    assert len(rows) == PLACES
    path = files("bids_brainage") / "data" / "group" / "norms.yaml"
    described = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert rows[0].keys() - {"place"} <= described.keys()
    assert [row["place"] for row in rows[:2]] == ["r0", "r1"]


def test_few_people_make_calibrated_norms_and_a_place_that_bends_is_followed() -> None:
    """With a penalty of its own for each place, 8 % of other people lay beyond 1.96 at n = 30."""
    rng, beyond, missed = np.random.default_rng(8), [], []
    grid = np.linspace(25, 80, 12)
    for _ in range(20):
        values, ages = rng.standard_normal((30, 60)), rng.uniform(20, 85, 30)
        values[:, 0] = 5 * np.sin(ages / 12) + rng.normal(0, 0.5, 30)
        norms, _ = fit_norms(values, ages)
        others = np.clip(rng.uniform(20, 85, 200), ages.min(), ages.max())
        z = norms.deviations(rng.standard_normal((200, 60)), others).z[:, 1:]
        beyond.append(np.mean(np.abs(z) > 1.96))
        missed.append(norms.deviations(np.zeros((12, 60)), grid).expected[:, 0] - 5 * np.sin(grid / 12))
    assert np.mean(beyond) < 0.065
    assert np.median(np.abs(missed)) < 0.5
