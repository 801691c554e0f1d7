"""Inputs unlike training are found, those like it are not."""

from __future__ import annotations

import numpy as np
import pytest

from bids_brainage.models.typicality import measure_input, training_norms, unusual_inputs

SHAPE = (14, 14, 14)


def person(rng: np.random.Generator, radius: float = 5.5, gain: float = 1.0) -> np.ndarray:
    """A ball with a dark hole in the middle; size, place and grey values differ a little."""
    centre = 6.5 + rng.uniform(-0.3, 0.3, 3)
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij"), axis=-1)
    distance = np.linalg.norm(grid - centre, axis=-1)
    volume = np.where(distance < 2, 60, 120) + rng.normal(0, 6, SHAPE)
    inside = distance < radius + rng.normal(0, 0.1)
    return np.where(inside, np.clip(gain * volume, 1, 255), 0).astype(np.uint8)


class _Bundle:
    """As much of a bundle as is asked for."""

    def __init__(self, norms: dict, mean: np.ndarray) -> None:
        self.norms, self.mean = norms, mean

    def ensemble_record(self, name: str) -> object:
        from types import SimpleNamespace

        return SimpleNamespace(sub_ensembles=[SimpleNamespace(name="WholeBrain_T1w", norms=self.norms)])

    def reference_inputs(self) -> dict[str, np.ndarray]:
        return {"TypeI/WholeBrain_T1w": self.mean[..., None]}


@pytest.fixture(scope="module")
def bundle() -> _Bundle:
    rng = np.random.default_rng(0)
    volumes = np.stack([person(rng) for _ in range(60)])
    mean = np.rint(volumes.mean(axis=0)).astype(np.uint8)
    return _Bundle(training_norms(volumes, np.arange(60), mean), mean)


def found(bundle: _Bundle, volume: np.ndarray) -> set[str]:
    arrays = {"WholeBrain_T1w": volume[..., None].astype(np.float32) / 255}
    return {item.measure for item in unusual_inputs(bundle, "TypeI", arrays)}  # type: ignore[arg-type]


def test_new_people_like_those_of_training_are_not_told_of(bundle: _Bundle) -> None:
    rng = np.random.default_rng(1)
    told = [found(bundle, person(rng)) for _ in range(200)]
    assert sum(map(bool, told)) <= 2


def test_what_is_unlike_training_is_named(bundle: _Bundle) -> None:
    rng = np.random.default_rng(2)
    assert "brightness" in found(bundle, person(rng, gain=1.5))
    assert "size" in found(bundle, person(rng, radius=3.5))
    turned = np.roll(person(rng), 4, axis=0)
    assert found(bundle, turned) == {"anatomy"}
    assert "anatomy" not in found(bundle, bundle.mean)


def test_an_empty_input_breaks_nothing(bundle: _Bundle) -> None:
    assert "size" in found(bundle, np.zeros(SHAPE, np.uint8))
    assert measure_input(np.zeros(SHAPE), np.zeros(SHAPE))["anatomy"] == 0


def test_without_norms_nothing_is_told(bundle: _Bundle) -> None:
    assert found(_Bundle({}, bundle.mean), np.zeros(SHAPE, np.uint8)) == set()
