"""Fluid at the surface, by a ball with a fissure whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from bids_brainage.preprocessing.surface import without_fluid

SHAPE = (60, 60, 60)
CENTRE = np.indices(SHAPE) - 29.5
RADIUS = np.sqrt((CENTRE**2).sum(axis=0))


def _head() -> tuple[np.ndarray, np.ndarray]:
    """Tissue of 100 up to 20 mm with a fissure 4 mm wide from the top to its middle; fluid of 20 around."""
    fissure = (np.abs(CENTRE[0]) < 2) & (CENTRE[2] > 0)
    tissue = (RADIUS < 20) & ~fissure
    hidden = (np.abs(CENTRE) < 3).all(axis=0) & (CENTRE[2] < -0.5)
    return tissue, np.where(tissue & ~hidden, 100, 20).astype(np.float32)


@pytest.mark.parametrize("wider", [0, 2, 5])
def test_how_much_fluid_a_mask_holds_does_not_matter(wider: int) -> None:
    tissue, t1w = _head()
    peeled = [without_fluid(t1w, 20 + extra > RADIUS, 100.0, 6.0) for extra in (1, 1 + wider)]
    assert np.mean(peeled[0] != peeled[1]) < 1e-4
    surface = tissue ^ ndimage.binary_erosion(tissue, iterations=2)
    sure = (RADIUS < 24) & ~surface & ~ndimage.binary_dilation(surface)
    shallow = RADIUS > 16
    assert (peeled[1] == tissue)[sure & shallow].mean() > 0.98


def test_deep_fluid_and_fluid_inside_stay() -> None:
    _, t1w = _head()
    peeled = without_fluid(t1w, RADIUS < 22, 100.0, 6.0)
    assert peeled[29, 29, 35]  # of the fissure, 15 mm below the hull
    assert not peeled[29, 29, 47]  # 2 mm below it
    assert peeled[29, 29, 28]  # enclosed by tissue


def test_bright_surroundings_of_a_mask_stay() -> None:
    t1w = np.full(SHAPE, 80, np.float32)
    mask = RADIUS < 20
    assert (without_fluid(t1w, mask, 100.0, 6.0) == mask).mean() > 0.999
