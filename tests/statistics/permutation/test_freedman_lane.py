"""Statistics of rearranged data, beside those of data that are rearranged and fitted one by one."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bids_brainage.errors import InputError
from bids_brainage.statistics.design import Contrast, Design, Exchangeability
from bids_brainage.statistics.permutation.freedman_lane import BATCH, FreedmanLane, moving, prepare
from bids_brainage.statistics.permutation.partition import partition
from bids_brainage.statistics.permutation.rearrangements import rearrangements

VOXELS = 12


def fitted(data: np.ndarray, matrix: np.ndarray, contrast: Contrast) -> np.ndarray:
    """t or F by the textbook, in double precision."""
    weights = np.atleast_2d(contrast.weights)
    inverse = np.linalg.pinv(matrix.T @ matrix)
    coefficients = inverse @ matrix.T @ data
    error = ((data - matrix @ coefficients) ** 2).sum(axis=0) / (len(data) - np.linalg.matrix_rank(matrix))
    asked, spread = weights @ coefficients, weights @ inverse @ weights.T
    if contrast.statistic == "t":
        return asked[0] / np.sqrt(error * spread[0, 0])
    return (asked * (np.linalg.pinv(spread) @ asked)).sum(axis=0) / np.linalg.matrix_rank(weights) / error


def freedman_lane(data, matrix, contrast, nuisance, rearrangement) -> np.ndarray:
    """Errors without the nuisance are rearranged in fact, then fitted by the whole model."""
    data = data.astype(np.float64)
    errors = data - nuisance @ np.linalg.lstsq(nuisance, data, rcond=None)[0] if nuisance.size else data
    moved = np.empty_like(errors)
    moved[rearrangement.source] = rearrangement.signs[:, None] * errors
    return fitted(moved, matrix, contrast)


def designs() -> dict[str, tuple[Design, np.ndarray]]:
    """Designs with one contrast each, and the nuisance that the contrast leaves, written down by hand."""
    rng = np.random.default_rng(5)
    n = 24
    one, age, group = np.ones(n), rng.uniform(20, 80, n), np.arange(n) % 2.0
    people, site = np.repeat(np.arange(n // 2), 2), np.arange(n) // 8
    dummies = np.eye(n // 2)[people]
    sites = np.eye(3)[site]

    def t(*weights: float) -> Contrast:
        return Contrast("t", np.array([weights]))

    def made(columns, contrast, nuisance, exchangeability=None) -> tuple[Design, np.ndarray]:
        matrix = np.column_stack(columns)
        names = tuple(f"c{i}" for i in range(matrix.shape[1]))
        left = np.column_stack(nuisance) if nuisance else np.zeros((n, 0))
        return Design(matrix, names, (contrast,), exchangeability or Exchangeability()), left

    flips = Exchangeability(permute=False, flip=True)
    within = Exchangeability(blocks=people)
    return {
        "one sample": made([one], t(1), [], flips),
        "one sample, covariate": made([one, age - age.mean()], t(1, 0), [age - age.mean()], flips),
        "both": made([one, group], t(1, 0), [group], Exchangeability(flip=True)),
        "two groups": made([group, 1 - group], t(1, -1), [one]),
        "nuisance": made([one, group, age, age**2], t(0, 1, 0, 0), [one, age, age**2]),
        "a sum of slopes": made([one, group, age], t(0, 0.5, 2), [one, group * 2 - age * 0.5]),
        "rank deficient": made([one, group, 1 - group, age], t(0, 1, -1, 0), [one, age]),
        "F": made(
            [one, group, age],
            Contrast("F", np.array([[0, 1, 0], [0, 0, 1.0]]), "F"),
            [one],
        ),
        "F with a row twice": made(
            [one, group, age],
            Contrast("F", np.array([[0, 1, 0], [0, 2.0, 0]]), "F"),
            [one, age],
        ),
        "paired": made([group, dummies], t(1, *[0] * (n // 2)), [dummies], within),
        "sites": made([group, sites, age], t(1, 0, 0, 0, 0), [sites, age], Exchangeability(blocks=site)),
        "whole blocks": made(
            [one, np.repeat(rng.random(n // 2) > 0.5, 2)],
            t(0, 1),
            [one],
            Exchangeability(blocks=people, within=False, whole=True),
        ),
        "whole blocks flip": made(
            [one],
            t(1),
            [],
            Exchangeability(permute=False, flip=True, blocks=people, within=False, whole=True),
        ),
        "anyhow": made(
            [one, age, group],
            t(0, 0, 1),
            [one, age],
            Exchangeability(blocks=people, within=True, whole=True),
        ),
    }


@pytest.fixture
def data() -> np.ndarray:
    """Values far from zero with little spread, and voxels that cannot be tested."""
    rng = np.random.default_rng(3)
    values = rng.standard_normal((24, VOXELS)) * rng.uniform(0.5, 2, VOXELS) + rng.uniform(-50, 50, VOXELS)
    values[:, 0], values[:, 1] = 0, 7.3
    return values.astype(np.float32)


@pytest.mark.parametrize("name", designs())
def test_the_observed_statistic_is_that_of_the_textbook(name, data):
    design, _ = designs()[name]
    found = prepare(data, partition(design.matrix, design.contrasts[0]))
    expected = fitted(data[:, 2:].astype(np.float64), design.matrix, design.contrasts[0])
    np.testing.assert_allclose(found.observed[2:], expected, rtol=1e-5)
    assert not found.tested[:2].any()
    assert found.tested[2:].all()
    assert not found.observed[:2].any()


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("name", designs())
def test_rearranged_statistics_are_those_of_data_rearranged_in_fact(name, exact, data):
    design, nuisance = designs()[name]
    contrast = design.contrasts[0]
    part = partition(design.matrix, contrast)
    every = rearrangements(design, design.contrasts, 200, 1)
    engine = FreedmanLane(data, part, prepare(data, part), every.orbits, exact)
    found = engine({index: every[index] for index in range(1, 40)}, threads=2)
    assert found.shape == (BATCH, VOXELS)
    assert not found[40:].any()
    assert not found[:, :2].any()
    for index in range(1, 40):
        expected = freedman_lane(data[:, 2:], design.matrix, contrast, nuisance, every[index])
        np.testing.assert_allclose(found[index, 2:], expected, rtol=1e-5, atol=1e-5)


def test_t_of_two_groups_and_of_one_are_scipys(data):
    _, two = designs()["one sample"], designs()["two groups"][0]
    group = two.matrix[:, 0] == 1
    found = prepare(data, partition(two.matrix, two.contrasts[0])).observed[2:]
    values = data[:, 2:].astype(np.float64)
    np.testing.assert_allclose(found, stats.ttest_ind(values[group], values[~group]).statistic, rtol=1e-5)
    one = designs()["one sample"][0]
    found = prepare(data, partition(one.matrix, one.contrasts[0])).observed[2:]
    np.testing.assert_allclose(found, stats.ttest_1samp(values, 0).statistic, rtol=1e-5)


@pytest.mark.parametrize("mean", [1e2, 1e4])
def test_means_far_larger_than_spreads_cost_no_precision(mean):
    rng = np.random.default_rng(8)
    n = 300
    matrix = np.column_stack([np.ones(n), rng.uniform(20, 80, n), rng.standard_normal(n)])
    contrast = Contrast("x", np.array([[0, 0, 1.0]]))
    design = Design(matrix, ("1", "age", "x"), (contrast,))
    data = (mean + rng.standard_normal((n, 50)) + 0.1 * matrix[:, 1:2]).astype(np.float32)
    part = partition(matrix, contrast)
    every = rearrangements(design, [contrast], 20, 4)
    found = FreedmanLane(data, part, prepare(data, part), every.orbits, False)({7: every[7]})[7]
    expected = freedman_lane(data, matrix, contrast, matrix[:, :2], every[7])
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_only_nuisance_that_moves_is_multiplied():
    paired = designs()["paired"][0]
    part = partition(paired.matrix, paired.contrasts[0])
    assert part.nuisance.shape[1] == 12
    assert moving(part.nuisance, paired.exchangeability.blocks).shape[1] == 0
    assert moving(part.nuisance, np.zeros(24, dtype=int)).shape[1] == 11
    assert moving(part.nuisance, None).shape[1] == 12


def test_data_that_are_not_finite_are_refused_by_row(data):
    design, _ = designs()["two groups"]
    data[[4, 9], 3] = np.nan, np.inf
    with pytest.raises(InputError, match=r"rows 5, 10 of 24"):
        prepare(data, partition(design.matrix, design.contrasts[0]))


def test_data_of_others_are_refused(data):
    design, _ = designs()["two groups"]
    with pytest.raises(InputError, match="23 observations"):
        prepare(data[1:], partition(design.matrix, design.contrasts[0]))


def test_a_fit_without_error_is_no_evidence():
    """A voxel that is the effect itself, and one that is nearly so: neither infinite nor NaN."""
    group = np.repeat([1.0, 0.0], 10)
    contrast = Contrast("x", np.array([[1.0, -1.0]]))
    design = Design(np.column_stack([group, 1 - group]), ("a", "b"), (contrast,))
    nearly = group + 1e-6 * np.random.default_rng(0).standard_normal(20)
    data = np.column_stack([group, nearly, np.random.default_rng(1).standard_normal(20)]).astype(np.float32)
    for kind in ("t", "F"):
        part = partition(design.matrix, Contrast("x", contrast.weights, kind))
        found = prepare(data, part)
        assert found.tested.tolist() == [False, True, True]
        assert found.observed[0] == 0
        assert 1e3 < found.observed[1] < 1e10
        every = rearrangements(design, [contrast], 50, 1)
        many = FreedmanLane(data, part, found, every.orbits, False)({i: every[i] for i in range(51)})
        assert np.isfinite(many).all()
        assert not many[:, 0].any()
