"""Grids and random fields."""

from __future__ import annotations

import numpy as np
import pytest

from bids_brainage.simulation.grid import Grid, block_mean, random_field, resample, sample


def test_voxel_centres_follow_the_affine() -> None:
    grid = Grid((-3.0, 1.0, 2.0), (4, 5, 6), 2.0)
    x, y, z = grid.axes()
    corner = grid.affine @ [3, 4, 5, 1]
    assert np.allclose([x.ravel()[-1], y.ravel()[-1], z.ravel()[-1]], corner[:3])
    assert np.allclose(grid.to_voxels(corner[:3].astype(np.float32)), [3, 4, 5])


def test_linear_fields_are_resampled_exactly() -> None:
    coarse, fine = Grid((0, 0, 0), (6, 6, 6), 4.0), Grid((4, 4, 4), (16, 16, 16), 1.0)

    def ramp(grid: Grid) -> np.ndarray:
        x, y, z = grid.axes()
        return (x + 2 * y - 3 * z).astype(np.float32)

    assert np.allclose(resample(ramp(coarse), coarse, fine), ramp(fine), atol=1e-4)
    points = np.stack(np.broadcast_arrays(*fine.axes())).astype(np.float32)
    assert np.allclose(sample(ramp(coarse), coarse, points), ramp(fine), atol=1e-3)


@pytest.mark.parametrize("wavelength", [24.0, 64.0])
def test_random_fields_have_unit_variance_and_are_alike_on_every_grid(wavelength: float) -> None:
    head, brain = Grid.of_box("head", 8.0), Grid.of_box("brain", 8.0)
    fields = [random_field(np.random.default_rng(i), wavelength, brain) for i in range(12)]
    assert np.std(fields) == pytest.approx(0.9, abs=0.2)
    whole = random_field(np.random.default_rng(0), wavelength, head)
    first = round((brain.low[2] - head.low[2]) / 8)
    assert np.allclose(whole[:, :, first : first + brain.shape[2]], fields[0], atol=1e-4)


def test_block_mean_conserves_the_mean() -> None:
    volume = np.random.default_rng(0).random((8, 4, 12), dtype=np.float32)
    assert block_mean(volume, 2).shape == (4, 2, 6)
    assert block_mean(volume, 4).mean() == pytest.approx(volume.mean(), rel=1e-5)
    assert block_mean(volume, 2)[1, 0, 3] == pytest.approx(volume[2:4, 0:2, 6:8].mean(), rel=1e-5)
