"""Effects are found where they were put, as often as the noncentral t distribution predicts."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.ndimage import gaussian_filter

from bids_brainage.statistics.design import Contrast, Design, Exchangeability
from bids_brainage.statistics.permutation.chunks import PermutationTest, observe, run_chunk
from bids_brainage.statistics.permutation.enhancement import TFCE, Voxels
from bids_brainage.statistics.permutation.inference import Outcome, infer
from bids_brainage.statistics.permutation.partition import partition
from bids_brainage.statistics.permutation.rearrangements import rearrangements

MASK = np.ones((8, 8, 8), dtype=bool)
SIZE = 1.0
CENTRE = np.linalg.norm(np.indices(MASK.shape) - 3.5, axis=0)[MASK] < 2


def power(n: int, size: float, tests: int) -> float:
    """That of a t test of two halves, `size` standard deviations apart, corrected for independent tests."""
    threshold = stats.t.isf(0.05 / tests, n - 2)
    return float(stats.nct.sf(threshold, n - 2, size * np.sqrt(n) / 2))


def outcomes_of(data: np.ndarray, asked: int, seed: int) -> dict[str, Outcome]:
    """Whether the first half has more than the second."""
    group = np.arange(len(data)) < len(data) // 2
    contrast = Contrast("more", np.array([[1.0, -1.0]]))
    design = Design(
        np.column_stack([group, ~group]).astype(float), ("a", "b"), (contrast,), Exchangeability()
    )
    every = rearrangements(design, [contrast], asked, seed)
    test = PermutationTest(partition(design.matrix, contrast), every, (Voxels(), TFCE()), False, MASK)
    return infer([(test, observe(data, test), [run_chunk(data, test, 0, every.total)])])[0]


def test_the_calculation_is_statsmodels():
    from statsmodels.stats.power import TTestIndPower

    theirs = TTestIndPower().power(SIZE, 30, 0.05 / 512, alternative="larger")
    assert power(60, SIZE, 512) == pytest.approx(theirs, rel=1e-6)


def test_effects_are_found_where_they_were_put_as_often_as_predicted():
    n = next(n for n in range(20, 400, 2) if power(n, SIZE, MASK.size) >= 0.8)
    effect = np.zeros(MASK.size)
    effect[::64] = SIZE
    there, elsewhere = [], []
    for seed in range(60):
        data = np.random.default_rng(seed).standard_normal((n, MASK.size))
        data[: n // 2] += effect
        found = outcomes_of(data.astype(np.float32), 199, seed)["voxel"].fwe <= 0.05
        there.append(found[effect > 0].mean())
        elsewhere.append(found[effect == 0].any())
    predicted = power(n, SIZE, MASK.size)
    assert 0.8 <= predicted < 0.83
    # 480 voxels, and thresholds that are known from 199 rearrangements each.
    assert np.mean(there) == pytest.approx(predicted, abs=0.06)
    assert np.mean(elsewhere) <= stats.binom.ppf(0.995, 60, 0.05) / 60


def test_tfce_finds_more_of_a_smooth_effect_than_voxels_do_and_little_far_from_it():
    shares: dict[str, list[float]] = {"voxel": [], "tfce": []}
    far = np.linalg.norm(np.indices(MASK.shape) - 3.5, axis=0)[MASK] > 4.5
    false = []
    for seed in range(15):
        rng = np.random.default_rng(seed)
        noise = np.stack([gaussian_filter(rng.standard_normal(MASK.shape), 1)[MASK] for _ in range(40)])
        data = noise / noise.std()
        data[:20] += 0.9 * CENTRE
        outcomes = outcomes_of(data.astype(np.float32), 199, seed)
        for name, found in shares.items():
            found.append((outcomes[name].fwe <= 0.05)[CENTRE].mean())
        false.append((outcomes["tfce"].fwe <= 0.05)[far].mean())
    assert np.mean(shares["tfce"]) > np.mean(shares["voxel"]) + 0.1
    assert np.mean(shares["tfce"]) > 0.5
    assert np.mean(false) < 0.05
