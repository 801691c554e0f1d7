"""Changed images keep what they must keep."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from bids_brainage.models.training.augmentation import AugmentationPlan, augment


@pytest.fixture
def images() -> np.ndarray:
    rng = np.random.default_rng(0)
    volumes = np.zeros((40, 12, 10, 8), np.uint8)
    volumes[:, 3:9, 2:8, 2:6] = rng.integers(50, 200, (40, 6, 6, 4))
    return volumes


def test_nothing_is_changed_that_is_not_asked_for(images: np.ndarray) -> None:
    same = augment(images, AugmentationPlan(), np.random.default_rng(1), flip=False)
    np.testing.assert_array_equal(same, images)
    assert same is not images


def test_the_mirror_turns_left_and_right_of_about_half(images: np.ndarray) -> None:
    changed = augment(images, AugmentationPlan(), np.random.default_rng(1), flip=True)
    mirrored = [np.array_equal(new, old[::-1]) for new, old in zip(changed, images, strict=True)]
    kept = [np.array_equal(new, old) for new, old in zip(changed, images, strict=True)]
    assert all(a != b for a, b in zip(mirrored, kept, strict=True))
    assert 10 < sum(mirrored) < 30


def test_a_shift_moves_the_centre_and_keeps_the_mass(images: np.ndarray) -> None:
    plan = AugmentationPlan(shift=1.5)
    changed = augment(images, plan, np.random.default_rng(1), flip=False)
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in images.shape[1:]), indexing="ij"), axis=-1)

    def centre(volume: np.ndarray) -> np.ndarray:
        return np.average(grid.reshape(-1, 3), axis=0, weights=volume.ravel().astype(float))

    moved = np.array([centre(new) - centre(old) for new, old in zip(changed, images, strict=True)])
    assert 0.5 < np.abs(moved).max() <= 1.55
    sums = changed.reshape(40, -1).sum(axis=1) / images.reshape(40, -1).sum(axis=1)
    np.testing.assert_allclose(sums, 1, atol=0.02)


def test_scaling_changes_the_volume_within_its_bounds(images: np.ndarray) -> None:
    blocks = np.zeros((60, 24, 24, 24), np.uint8)
    blocks[:, 6:18, 6:18, 6:18] = 200
    changed = augment(blocks, AugmentationPlan(scaling=0.1), np.random.default_rng(2), flip=False)
    volumes = changed.reshape(60, -1).sum(axis=1) / blocks[0].sum()
    assert volumes.min() > 0.9**3 - 0.05
    assert volumes.max() < 1.1**3 + 0.05
    assert volumes.std() > 0.05


def test_gain_and_noise_leave_the_background_black(images: np.ndarray) -> None:
    plan = AugmentationPlan(intensity=0.1, noise=5)
    changed = augment(images, plan, np.random.default_rng(3), flip=False)
    assert not changed[images == 0].any()
    assert changed.dtype == np.uint8
    ratio = [new[old > 0].mean() / old[old > 0].mean() for new, old in zip(changed, images, strict=True)]
    assert 0.88 < min(ratio) < 0.97
    assert 1.03 < max(ratio) < 1.12


def test_the_same_seed_changes_alike(images: np.ndarray) -> None:
    plan = AugmentationPlan(rotation=10, scaling=0.1, shift=1, intensity=0.1, noise=3)
    first, second = (augment(images, plan, np.random.default_rng(4), flip=True) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_absurd_plans_are_refused() -> None:
    for wrong in ({"rotation": 90}, {"scaling": 0.6}, {"noise": -1}, {"blur": 1}):
        with pytest.raises(ValidationError):
            AugmentationPlan.model_validate(wrong)
