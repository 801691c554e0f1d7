"""Integers that were read with the wrong sign are refused; what is negative for other reasons is not."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from bids_brainage.errors import ImageError
from bids_brainage.preprocessing.header import read_image
from bids_brainage.preprocessing.wrapping import wrapped_bits


def _bright(head: nib.Nifti1Image, most: float) -> np.ndarray:
    """The head, its inner tissue (120 with noise) brightest, blurred as by a scanner."""
    data = ndimage.gaussian_filter(head.get_fdata(dtype=np.float32), 0.6)
    return np.rint(data / data.max() * most)


@pytest.mark.parametrize("scale", [None, 0.25, 3.0])
@pytest.mark.parametrize(
    ("unsigned", "signed"),
    [(np.uint16, np.int16), (np.uint8, np.int8), (np.uint32, np.int32)],
    ids=["16 bits", "8 bits", "32 bits"],
)
def test_the_wrong_sign_is_told(
    unsigned: type, signed: type, scale: float | None, head: nib.Nifti1Image, tmp_path: Path
) -> None:
    path = tmp_path / "sub-01_T1w.nii"
    bits = np.dtype(unsigned).itemsize * 8
    right = _bright(head, 0.7 * 2.0**bits).astype(unsigned)
    for data, is_right in ((right, True), (right.astype(signed), False)):
        image = nib.Nifti1Image(data, head.affine)
        if scale is not None:
            image.header.set_slope_inter(scale, 0)
        nib.save(image, path)
        if is_right:
            assert read_image(path).warnings == ()
            continue
        with pytest.raises(ImageError) as caught:
            read_image(path)
        text = str(caught.value)
        assert f"integers of {bits} bits were read with the wrong sign" in text
        assert "Convert it again as unsigned" in text
        assert str(path) in text


@settings(max_examples=30, deadline=None)
@given(most=st.floats(36000, 65535), seed=st.integers(0, 2**16), noise=st.floats(0, 1500))
def test_some_bright_tissue_is_enough(most: float, seed: int, noise: float) -> None:
    places = np.indices((40, 40, 40)) - 19.5
    ball = np.clip(1.2 - (places**2).sum(axis=0) / 17**2, 0, 1)  # fades towards its surface
    data = ball / ball.max() * most + np.random.default_rng(seed).normal(0, noise, ball.shape)
    right = np.rint(data.clip(0, 65535)).astype(np.uint16)
    assert wrapped_bits(right.astype(np.int16).astype(np.float32)) == 16
    assert wrapped_bits(right.astype(np.float32)) is None


def _noise(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(3).uniform(-0.5, 0.5, shape)


GOOD = {
    "ringing around zero": lambda data: data - 120 * (ndimage.laplace(data) > 60),
    "MP2RAGE, floating point": lambda data: np.where(data > 0, data / data.max() - 0.5, _noise(data.shape)),
    "MP2RAGE, integers": lambda data: np.rint(
        65534 * np.where(data > 0, data / data.max() - 0.5, _noise(data.shape))
    ),
    "a range shifted to all of int16": lambda data: np.rint(data / data.max() * 65535 - 32768),
    "Hounsfield": lambda data: np.where(data > 0, data * 20, -1024),
    "signed noise": lambda data: data + 40 * _noise(data.shape),
}


@pytest.mark.parametrize("name", GOOD)
def test_what_is_negative_for_another_reason_is_not_refused(name: str, head: nib.Nifti1Image) -> None:
    data = GOOD[name](head.get_fdata(dtype=np.float32)).astype(np.float32)
    assert data.min() < 0
    assert wrapped_bits(data, integers=False) is None
    assert wrapped_bits(data, integers=True) is None
