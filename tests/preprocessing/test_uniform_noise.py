"""MP2RAGE images lose the noise around the head, and nothing of the head."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from bids_brainage.preprocessing.header import read_image
from bids_brainage.preprocessing.uniform_noise import remove_uniform_noise


def _quotient(seed: int, *signals: np.ndarray) -> np.ndarray:
    """UNI as it is defined, of two complex images with noise of variance 1 in either part."""
    generator = np.random.default_rng(seed)
    first, second = (
        signal + generator.normal(size=signal.shape) + 1j * generator.normal(size=signal.shape)
        for signal in signals
    )
    return np.real(np.conj(first) * second) / (np.abs(first) ** 2 + np.abs(second) ** 2)


@pytest.fixture
def uni() -> tuple[np.ndarray, np.ndarray]:
    """A ball of two tissues with a cavity, without signal around it: values, and where the ball is."""
    places = np.indices((60, 62, 64)) - np.array([30, 30, 32]).reshape(3, 1, 1, 1)
    radius = np.sqrt((places**2).sum(axis=0))
    ball = (radius < 24) & (radius > 3)
    signal = np.where(ball, 60.0, 0)
    ratio = np.where(radius < 15, 0.5, 0.1)  # white matter 0.4, grey matter 0.1
    return _quotient(2, signal, ratio * signal), radius < 24


STORED: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "-0.5 to 0.5": lambda uni: uni.astype(np.float32),
    "0 to 4095": lambda uni: np.rint((uni + 0.5) * 4095).astype(np.int16),
    "-2048 to 2047": lambda uni: np.rint(uni * 4095).astype(np.int16),
    "all of int16": lambda uni: np.rint(uni * 65534).astype(np.int16),
    "inverted": lambda uni: (-uni).astype(np.float32),
}


@pytest.mark.parametrize("name", STORED)
def test_noise_around_the_head_is_zero_and_the_head_is_shifted(
    name: str, uni: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    values, inside = uni
    stored = STORED[name](values)
    path = tmp_path / "sub-01_UNIT1.nii.gz"
    nib.save(nib.Nifti1Image(stored, np.diag([3.0, 3, 3, 1])), path)
    image, warnings = read_image(path)
    data = image.get_fdata()
    tissue = ndimage.binary_erosion(inside, iterations=2) & ~ndimage.binary_dilation(values == 0)
    np.testing.assert_allclose(
        data[tissue], stored[tissue].astype(float) - stored.min(), rtol=1e-4, atol=1e-5
    )
    beyond = ~ndimage.binary_dilation(inside, iterations=2)
    assert (data[beyond] == 0).mean() > 0.999
    assert data.min() >= 0
    assert len(warnings) == 1
    assert "MP2RAGE" in warnings[0]


def test_other_images_are_none(head: nib.Nifti1Image) -> None:
    data = head.get_fdata(dtype=np.float32)
    generator = np.random.default_rng(1)
    noise = generator.normal(size=(2, *data.shape))
    for sigma in (0, 5, 30):
        assert (
            remove_uniform_noise(np.hypot(data + sigma * noise[0], sigma * noise[1]).astype(np.float32))
            is None
        )
    # Tissue at the border, and what an MP2RAGE image is when its noise was removed by the scanner.
    assert remove_uniform_noise(data[8:34, 12:42, 10:34]) is None
    assert remove_uniform_noise((data / data.max() - 0.5).astype(np.float32)) is None
