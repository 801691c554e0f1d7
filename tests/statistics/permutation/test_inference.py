"""p values of whole tests, beside full enumeration by force, nilearn, and a null that is known."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, pairwise, product

import numpy as np
import pytest
from scipy import stats

from bids_brainage.errors import InputError
from bids_brainage.statistics.design import Contrast, Design, Exchangeability
from bids_brainage.statistics.permutation.chunks import Chunk, Observed, PermutationTest, observe, run_chunk
from bids_brainage.statistics.permutation.enhancement import TFCE, Clusters, Voxels
from bids_brainage.statistics.permutation.inference import Outcome, check_together, exceeding_share, infer
from bids_brainage.statistics.permutation.partition import partition
from bids_brainage.statistics.permutation.rearrangements import rearrangements

MASK = np.ones((4, 5, 6), dtype=bool)
VOXELS = MASK.size


def made(
    matrix,
    contrast: Contrast,
    asked: int,
    two_tailed: bool,
    allowed: Exchangeability | None = None,
    seed: int = 0,
) -> PermutationTest:
    matrix = np.asarray(matrix, dtype=float)
    names = tuple(f"c{i}" for i in range(matrix.shape[1]))
    design = Design(matrix, names, (contrast,), allowed or Exchangeability())
    every = rearrangements(design, [contrast], asked, seed)
    measures = (Voxels(), TFCE(), Clusters("mass", 0.05))
    return PermutationTest(partition(matrix, contrast), every, measures, two_tailed, MASK)


def ran(data: np.ndarray, test: PermutationTest) -> tuple[PermutationTest, Observed, list[Chunk]]:
    total = test.rearrangements.total
    bounds = [0, total // 3, total]
    return (
        test,
        observe(data, test),
        [run_chunk(data, test, *pair) for pair in pairwise(bounds)],
    )


def noise(n: int, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal((n, VOXELS)) + 3).astype(np.float32)


def by_force(statistics: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Uncorrected and corrected p of the first of all maps (all, voxels)."""
    first = statistics[0] - 1e-9 * np.abs(statistics[0])
    return (statistics >= first).mean(axis=0), (statistics.max(axis=1)[:, None] >= first).mean(axis=0)


def test_two_small_groups_have_the_p_values_of_all_their_divisions():
    data = noise(8)
    data[:4] += 0.4
    group = np.repeat([1.0, 0.0], 4)
    divisions = sorted(combinations(range(8), 4), key=lambda chosen: chosen != (0, 1, 2, 3))
    maps = []
    for chosen in divisions:
        inside = np.isin(np.arange(8), chosen)
        maps.append(stats.ttest_ind(data[inside].astype(float), data[~inside].astype(float)).statistic)
    for two_tailed in (True, False):
        test = made(
            np.column_stack([group, 1 - group]), Contrast("x", np.array([[1, -1.0]])), 5000, two_tailed
        )
        found = infer([ran(data, test)])[0]["voxel"]
        uncorrected, corrected = by_force(np.abs(maps) if two_tailed else np.array(maps))
        assert found.enumerated
        assert len(found.null) == 70
        np.testing.assert_allclose(found.uncorrected, uncorrected, rtol=1e-12)
        np.testing.assert_allclose(found.fwe, corrected, rtol=1e-12)
        assert found.fwe.min() >= (2 if two_tailed else 1) / 70


def test_few_people_have_the_p_values_of_all_their_signs():
    data = noise(6) - np.float32(2.5)
    maps = []
    for signs in product([1, -1], repeat=6):
        maps.append(stats.ttest_1samp(np.array(signs)[:, None] * data.astype(float), 0).statistic)
    test = made(np.ones((6, 1)), Contrast("x", np.ones((1, 1))), 100, True, Exchangeability(False, True))
    found = infer([ran(data, test)])[0]
    uncorrected, corrected = by_force(np.abs(maps))
    np.testing.assert_allclose(found["voxel"].uncorrected, uncorrected, rtol=1e-12)
    np.testing.assert_allclose(found["voxel"].fwe, corrected, rtol=1e-12)
    # Signs of all turned are as far from zero: no p of two tails is below 2 / 64, whatever the measure.
    for name in ("voxel", "tfce", "clustermass"):
        assert found[name].fwe.min() >= 2 / 64


def test_false_discoveries_are_adjusted_among_voxels_that_vary():
    data = noise(9)
    data[:, :10] = 0
    data[:5, 10:40] += 2
    test = made(
        np.column_stack([np.arange(9) < 5, np.ones(9)]), Contrast("x", np.array([[1.0, 0]])), 5000, True
    )
    found = infer([ran(data, test)])[0]["voxel"]
    p = found.uncorrected[10:]
    order = np.argsort(p)
    ranked = p[order] * len(p) / np.arange(1, len(p) + 1)
    by_hand = np.empty(len(p))
    by_hand[order] = np.minimum.accumulate(ranked[::-1])[::-1]
    np.testing.assert_allclose(found.fdr[10:], np.minimum(by_hand, 1))
    assert found.fdr[:10].tolist() == [1] * 10
    assert found.fwe[:10].tolist() == [1] * 10
    assert found.uncorrected[:10].tolist() == [1] * 10


def test_values_that_differ_by_rounding_are_equal():
    null = np.array([4.0, 3.0, 2.0, 1.0], dtype=np.float32)
    values = np.array([3.0, 3.00001, 3.001, -1.0, 5.0])
    assert exceeding_share(values, null).tolist() == [0.5, 0.5, 0.25, 1.0, 0.0]
    negative = np.array([-1.0, -2.0])
    assert exceeding_share(np.array([-1.000001, -0.999999]), negative).tolist() == [0.5, 0.5]


def test_the_first_counts_once_among_those_drawn():
    data = noise(30)
    data[:15, 7] += 20
    test = made(
        np.column_stack([np.arange(30) < 15, np.ones(30)]), Contrast("x", np.array([[1.0, 0]])), 99, False
    )
    found = infer([ran(data, test)])[0]["voxel"]
    assert not found.enumerated
    assert len(found.null) == 100
    assert found.fwe[7] == found.uncorrected[7] == 1 / 100
    above = found.observed > found.threshold(0.05)
    np.testing.assert_array_equal(above, found.fwe <= 0.05)


@pytest.mark.parametrize("two_tailed", [True, False])
def test_p_values_are_near_nilearns(two_tailed):
    from nilearn.mass_univariate import permuted_ols

    data = noise(24)
    rng = np.random.default_rng(1)
    age, score = rng.uniform(20, 80, 24), rng.standard_normal(24)
    data[:, 30:40] += (0.5 * score[:, None]).astype(np.float32)
    matrix = np.column_stack([score, np.ones(24), age])
    test = made(matrix, Contrast("score", np.array([[1.0, 0, 0]])), 2000, two_tailed)
    found = infer([ran(data, test)])[0]
    theirs = permuted_ols(
        score[:, None],
        data,
        age[:, None],
        n_perm=2000,
        two_sided_test=two_tailed,
        random_state=0,
        output_type="dict",
    )
    np.testing.assert_allclose(found["voxel"].observed, theirs["t"][0], rtol=1e-4, atol=1e-5)
    p = 10.0 ** -theirs["logp_max_t"][0]
    # Both are counts of 2,000.
    np.testing.assert_allclose(found["voxel"].fwe, p, atol=5 * np.sqrt(0.25 / 2000))


def test_t_and_f_are_nilearns():
    from nilearn.glm import compute_contrast
    from nilearn.glm.first_level import run_glm

    data = noise(24)
    rng = np.random.default_rng(1)
    matrix = np.column_stack([np.ones(24), rng.uniform(20, 80, (24, 2)), rng.standard_normal(24)])
    labels, fits = run_glm(data.astype(np.float64), matrix, noise_model="ols")
    for weights, kind in ((np.array([[0, 1.0, 0, -2]]), "t"), (np.eye(4)[1:3], "F")):
        contrast = Contrast("x", weights, kind)
        theirs = compute_contrast(labels, fits, weights if kind == "F" else weights[0], stat_type=kind)
        ours = observe(data, made(matrix, contrast, 5, True)).statistic
        np.testing.assert_allclose(ours, np.ravel(theirs.stat()), rtol=1e-5)


def test_tests_corrected_together_share_the_largest():
    matrix = np.column_stack([np.arange(20) < 10, np.random.default_rng(4).standard_normal(20), np.ones(20)])
    contrasts = [Contrast("a", np.eye(1, 3)), Contrast("b", np.eye(3)[1:2])]
    design = Design(matrix, ("a", "b", "1"), tuple(contrasts))
    every = rearrangements(design, contrasts, 200, 5)
    tests = [
        PermutationTest(partition(matrix, contrast), every, (Voxels(), TFCE()), True, MASK)
        for contrast in contrasts
    ]
    results = [ran(noise(20, seed), test) for seed in (0, 1) for test in tests]
    alone = [infer([each])[0] for each in results]
    together = infer(results)
    for name in ("voxel", "tfce"):
        largest = np.max([each[name].null for each in alone], axis=0)
        for one, all_of_them in zip(alone, together, strict=True):
            np.testing.assert_array_equal(all_of_them[name].null, largest)
            assert (all_of_them[name].fwe >= one[name].fwe).all()
            np.testing.assert_array_equal(all_of_them[name].uncorrected, one[name].uncorrected)


def test_tests_of_different_things_are_not_corrected_together():
    matrix = np.column_stack([np.arange(20) < 10, np.ones(20)])
    contrast = Contrast("x", np.eye(1, 2))
    first = ran(noise(20), made(matrix, contrast, 20, True))
    for other in (
        made(matrix, replace(contrast, statistic="F"), 20, True),
        made(matrix, contrast, 20, True, seed=1),
        made(matrix, contrast, 21, True),
        made(matrix, contrast, 20, False),
        replace(first[0], measures=(Voxels(),)),
    ):
        with pytest.raises(InputError, match="cannot be corrected together"):
            infer([first, ran(noise(20), other)])
        with pytest.raises(InputError, match="cannot be corrected together"):
            check_together([first[0], other])


def test_missing_and_doubled_chunks_are_refused():
    test, observed, (first, second) = ran(
        noise(20),
        made(np.column_stack([np.arange(20) < 10, np.ones(20)]), Contrast("x", np.eye(1, 2)), 20, True),
    )
    for chunks in ([first], [second], [first, first, second], []):
        with pytest.raises(InputError, match="do not cover the 21"):
            infer([(test, observed, chunks)])
    assert isinstance(infer([(test, observed, [second, first])])[0]["tfce"], Outcome)
