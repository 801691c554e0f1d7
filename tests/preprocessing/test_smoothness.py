"""Smoothness against noise that was smoothed by a known amount."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from bids_brainage.preprocessing.smoothness import smoothness

SIZES = np.array([1.0, 1.5, 2.0])


@pytest.mark.parametrize("fwhm", [4.0, 6.0, 9.0])
def test_smoothed_noise_is_as_smooth_as_it_was_made(fwhm: float) -> None:
    noise = np.random.default_rng(3).standard_normal((70, 60, 50))
    smooth = ndimage.gaussian_filter(noise, fwhm / np.sqrt(8 * np.log(2)) / SIZES)
    inside = np.zeros(noise.shape, bool)
    inside[5:-5, 5:-5, 5:-5] = True
    assert smoothness(smooth, inside, SIZES) == pytest.approx(fwhm, rel=0.06)
    # Scale and level do not matter, nor what lies outside.
    changed = np.where(inside, 7 * smooth + 100, 1e5)
    assert smoothness(changed, inside, SIZES) == pytest.approx(fwhm, rel=0.06)


def test_it_is_not_defined_for_one_value_few_voxels_or_what_alternates() -> None:
    everywhere = np.ones((20, 20, 20), bool)
    assert smoothness(np.ones(everywhere.shape), everywhere, SIZES) is None
    noise = np.random.default_rng(3).standard_normal(everywhere.shape)
    few = np.zeros_like(everywhere)
    few[:2, :2, :2] = True
    assert smoothness(noise, few, SIZES) is None
    board = np.indices(everywhere.shape).sum(axis=0) % 2
    assert smoothness(board.astype(float), everywhere, SIZES) is None
