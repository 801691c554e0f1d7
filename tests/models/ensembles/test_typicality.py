"""Inputs unlike training are found, those like it are not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from bids_brainage.models.ensembles.typicality import Norms, measure_input, training_norms, unusual_inputs

SHAPE = (14, 14, 14)


def person(rng: np.random.Generator, radius: float = 5.5, gain: float = 1.0) -> np.ndarray:
    """A ball with a dark hole in the middle; size, place and grey values differ a little."""
    centre = 6.5 + rng.uniform(-0.3, 0.3, 3)
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij"), axis=-1)
    distance = np.linalg.norm(grid - centre, axis=-1)
    volume = np.where(distance < 2, 60, 120) + rng.normal(0, 6, SHAPE)
    inside = distance < radius + rng.normal(0, 0.1)
    return np.where(inside, np.clip(gain * volume, 1, 255), 0).astype(np.uint8)


@dataclass(frozen=True)
class Training:
    """What is known of the inputs that a model was trained on."""

    norms: Norms
    mean: np.ndarray


@pytest.fixture(scope="module")
def training() -> Training:
    rng = np.random.default_rng(0)
    volumes = np.stack([person(rng) for _ in range(60)])
    mean = np.rint(volumes.mean(axis=0)).astype(np.uint8)
    return Training(training_norms(volumes, np.arange(60), mean), mean)


def found(training: Training, volume: np.ndarray) -> set[str]:
    arrays = {"WholeBrain_T1w": volume[..., None].astype(np.float32) / 255}
    norms, means = {"WholeBrain_T1w": training.norms}, {"WholeBrain_T1w": training.mean}
    return {item.measure for item in unusual_inputs(arrays, norms, means)}


def test_new_people_like_those_of_training_are_not_told_of(training: Training) -> None:
    rng = np.random.default_rng(1)
    told = [found(training, person(rng)) for _ in range(200)]
    assert sum(map(bool, told)) <= 2


def test_what_is_unlike_training_is_named(training: Training) -> None:
    rng = np.random.default_rng(2)
    assert "brightness" in found(training, person(rng, gain=1.5))
    assert "size" in found(training, person(rng, radius=3.5))
    turned = np.roll(person(rng), 4, axis=0)
    assert found(training, turned) == {"anatomy"}
    assert "anatomy" not in found(training, training.mean)


def test_an_empty_input_breaks_nothing(training: Training) -> None:
    assert "size" in found(training, np.zeros(SHAPE, np.uint8))
    assert measure_input(np.zeros(SHAPE), np.zeros(SHAPE))["anatomy"] == 0


def test_without_norms_nothing_is_told(training: Training) -> None:
    assert found(Training({}, training.mean), np.zeros(SHAPE, np.uint8)) == set()
