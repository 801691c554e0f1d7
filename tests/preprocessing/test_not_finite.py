"""NaN outside the head is zero, whatever its part; an image that lacks a part of the head is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from bids_brainage.errors import ImageError
from bids_brainage.preprocessing.header import read_image
from bids_brainage.preprocessing.not_finite import zero_not_finite

Where = Callable[[np.ndarray], np.ndarray]  # from the values to where NaN is put


def _planes(data: np.ndarray, axis: int, part: slice) -> np.ndarray:
    chosen = np.zeros(data.shape, dtype=bool)
    np.moveaxis(chosen, axis, 0)[part] = True
    return chosen


def _ball(data: np.ndarray, radius: float) -> np.ndarray:
    places = np.indices(data.shape) - np.array([21, 27, 22]).reshape(3, 1, 1, 1)
    return (places**2).sum(axis=0) < radius**2


OUTSIDE: dict[str, Where] = {
    "all that is not brain": lambda data: data == 0,
    "a margin on one side": lambda data: _planes(data, 1, slice(0, 5)),
    "margins all around": lambda data: (
        sum(_planes(data, a, slice(end, end + 3)) for a in range(3) for end in (0, -3)) > 0
    ),
    "one voxel": lambda data: np.arange(data.size).reshape(data.shape) == 77,
    "few inside the head": lambda data: _ball(data, 3),
}
MISSING: dict[str, Where] = {
    "everything": lambda data: data == data,
    "a ball inside the head": lambda data: _ball(data, 8),
    "a side of the head": lambda data: _planes(data, 0, slice(0, 12)),
    "the half of the head": lambda data: _planes(data, 2, slice(22, None)),
    "the other half, and what is not brain": lambda data: _planes(data, 2, slice(0, 22)) | (data == 0),
    "the head itself": lambda data: data > 0,
}


def _save(path: Path, head: nib.Nifti1Image, where: Where, value: float) -> np.ndarray:
    data = head.get_fdata(dtype=np.float32).copy()
    chosen = where(data)
    data[chosen] = value
    nib.save(nib.Nifti1Image(data, head.affine, head.header), path)
    return np.asarray(np.where(chosen, 0, data))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", OUTSIDE)
def test_outside_the_head_it_is_zero(name: str, value: float, head: nib.Nifti1Image, tmp_path: Path) -> None:
    path = tmp_path / "sub-01_T1w.nii.gz"
    expected = _save(path, head, OUTSIDE[name], value)
    image, warnings = read_image(path)
    np.testing.assert_array_equal(image.get_fdata(), expected)
    assert len(warnings) == 1
    assert "set to zero" in warnings[0]


@pytest.mark.parametrize("name", MISSING)
def test_where_a_part_of_the_head_is_missing_the_image_is_refused(
    name: str, head: nib.Nifti1Image, tmp_path: Path
) -> None:
    path = tmp_path / "sub-01_T1w.nii.gz"
    _save(path, head, MISSING[name], np.nan)
    with pytest.raises(ImageError, match=r"% of the values in .* are NaN or infinite"):
        read_image(path)


@settings(max_examples=50, deadline=None)
@given(
    arrays.arrays(
        np.float32,
        (10, 11, 12),
        elements=st.one_of(st.floats(0, 100, width=32), st.sampled_from([np.nan, np.inf, -np.inf])),
        fill=st.just(np.float32(np.nan)),
    )
)
def test_what_is_returned_is_finite_and_otherwise_the_same(data: np.ndarray) -> None:
    zeroed = zero_not_finite(data)
    if zeroed is not None:
        np.testing.assert_array_equal(zeroed, np.where(np.isfinite(data), data, 0))
