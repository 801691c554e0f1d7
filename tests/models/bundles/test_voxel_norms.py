"""z maps by norms of blocks against numbers worked by hand, before and after they are packed."""

from __future__ import annotations

import numpy as np
import pytest

from bids_brainage.models.bundles.schema import PlaceNorms, VoxelNorms
from bids_brainage.models.bundles.voxel_norms import (
    LARGEST_Z,
    KnownVoxels,
    MapNorms,
    pack_voxels,
    places_that_vary,
    unpack_voxels,
)
from bids_brainage.statistics.people.norms import Norms
from bids_brainage.statistics.people.smooth import AgeBasis

# Blocks (0, 0, 0), (0, 0, 1) and (45, 54, 45) of the standard grid; the last is a single voxel.
PLACES = np.array([0, 1, 46 * 55 * 46 - 1], np.int32)
MEAN, SPREAD = np.array([0.01, -0.02, 0.0]), np.array([0.004, 0.01, 0.5])
VOXELS = VoxelNorms(edge=2, pieces=4, beyond=0.05)
FACTS = PlaceNorms(
    ensemble="TypeI", modalities=("T1w",), aggregation="heads", sub_ensembles=("WholeBrain_T1w",), regions=1,
    n=50, ends=(20, 80), pieces=8, beyond=0.05, voxels=VOXELS,
)  # fmt: skip


def norms(mean: np.ndarray, shape: np.ndarray | float, scale: np.ndarray) -> Norms:
    basis = AgeBasis(20.0, 80.0, 4)
    numbers = (np.broadcast_to(each, (7, len(scale))).astype(np.float32) for each in (mean, shape))
    return Norms(basis, {}, np.zeros(0), *numbers, scale.astype(np.float32), 50)


def packed_again(known: KnownVoxels) -> KnownVoxels:
    return unpack_voxels(FACTS, pack_voxels(known))


@pytest.mark.parametrize("age", [15.0, 20.0, 47.3, 80.0])
def test_z_is_the_blocks_sum_less_the_mean_over_the_spread(age: float) -> None:
    known = KnownVoxels(VOXELS, {"": MapNorms(PLACES, norms(MEAN, np.log(2), SPREAD / 2))})
    values = np.zeros((91, 109, 91))
    values[:2, :2, :2] = 0.003  # 0.024 in the block: 0.014 above the mean, 3.5 spreads
    values[1, 1, 3] = -0.04  # 0.02 below the mean, 2 spreads
    values[90, 108, 90] = -0.25
    for own in (known, packed_again(known)):
        z = own.z("", values, age, {})
        assert z.shape == (91, 109, 91)
        assert z.dtype == np.float32
        assert z[:2, :2, :2] == pytest.approx(np.full((2, 2, 2), 3.5), rel=2e-3)
        assert z[:2, :2, 2:4] == pytest.approx(np.full((2, 2, 2), -2.0), rel=2e-3)
        assert z[90, 108, 90] == pytest.approx(-0.5, rel=2e-3)
        assert np.count_nonzero(z) == 17


def test_a_z_of_many_is_that_many_at_most() -> None:
    known = KnownVoxels(VOXELS, {"": MapNorms(PLACES, norms(MEAN, 0, SPREAD))})
    assert known.z("", np.full((91, 109, 91), 1e20), 40.0, {})[0, 0, 0] == LARGEST_Z


def test_packing_costs_little_precision_and_little_space() -> None:
    rng = np.random.default_rng(0)
    places = np.sort(rng.choice(46 * 55 * 46, 5000, replace=False)).astype(np.int32)
    scale = 10 ** rng.uniform(-6, -1, 5000)
    own = norms(rng.normal(size=(7, 5000)) * scale, rng.normal(0, 0.5, (7, 5000)), scale)
    known = KnownVoxels(VOXELS, {"": MapNorms(places, own)})
    values = np.zeros((92, 110, 92))
    sums = np.zeros(46 * 55 * 46)
    sums[places] = 2 * rng.normal(size=5000) * scale
    values[::2, ::2, ::2] = sums.reshape(46, 55, 46)
    whole = values[:91, :109, :91]
    before, after = (each.z("", whole, 33.0, {}) for each in (known, packed_again(known)))
    assert np.abs(before - after).max() < 0.03
    assert np.abs(before - after).mean() < 2e-3
    assert sum(array.nbytes for array in pack_voxels(known).values()) == 5000 * (14 * 2 + 4 + 4)


def test_places_that_hardly_vary_are_told() -> None:
    own = norms(np.array([1.0, 1.0, 0.0]), 0, np.array([0.1, 0.001, 0.0]))
    assert places_that_vary(own).tolist() == [True, False, False]
