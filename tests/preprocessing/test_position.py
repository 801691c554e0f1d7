"""Where an image lies: the better of two forms is used, and what is wrong with the other is said."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bids_brainage.errors import ImageError
from bids_brainage.preprocessing.header import read_image

SKEW = np.array([[1.08, 0.06, 0, 3], [0.02, 0.95, 0.04, -8], [0, 0.05, 1.1, 5], [0, 0, 0, 1]])


def _turn(degrees: float, axis: int = 0) -> np.ndarray:
    angle = np.deg2rad(degrees)
    rows = [row for row in range(3) if row != axis]
    turn = np.eye(4)
    turn[np.ix_(rows, rows)] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    return turn


def _moved(*shift: float) -> np.ndarray:
    moved = np.eye(4)
    moved[:3, 3] = shift
    return moved


def _scaled(factor: float) -> np.ndarray:
    return np.diag([factor, factor, factor, 1])


def _save(
    path: Path, head: nib.Nifti1Image, sform: np.ndarray | None, qform: np.ndarray | None, **fields: object
) -> None:
    """`head` with two forms whose numbers are written as they are."""
    image = nib.Nifti1Image(head.get_fdata(dtype=np.float32), head.affine)
    image.set_qform(qform, 1 if qform is not None else 0)
    image.set_sform(sform if sform is not None else np.zeros((4, 4)), 1 if sform is not None else 0)
    for name, value in fields.items():
        image.header[name] = value
    content = image.header.binaryblock + b"\0" * 4
    data = head.get_fdata(dtype=np.float32)
    header = nib.Nifti1Header(content[:348])
    header["vox_offset"] = 352
    header["magic"] = b"n+1"
    path.write_bytes(header.binaryblock + b"\0" * 4 + data.tobytes(order="F"))


# What is done to the sform, which form is to be used, the words of the warning.
SFORMS: dict[str, tuple[np.ndarray, str, str]] = {
    "skewed": (SKEW, "qform", "its axes are skewed"),
    "flat": (np.diag([1, 0, 1, 1.0]), "qform", "no size along one axis"),
    "not finite": (np.diag([1, np.nan, 1, 1.0]), "qform", "not finite"),
    "infinite": (np.diag([1, 1, np.inf, 1.0]), "qform", "not finite"),
    "far away": (_moved(0, 0, 1200), "qform", "mm from the origin"),
    "normalised": (_scaled(1.15), "qform", "measure 4.6 x 4.6 x 4.6 mm, by its qform 4 x 4 x 4"),
    "of other voxels": (_scaled(0.5), "sform", "the sform is used"),
    "mirrored": (np.diag([-1, 1, 1, 1.0]), "sform", "left and right"),
    "turned": (_turn(8), "sform", "differ by 8 degrees"),
    "moved": (_moved(0, 30, 0), "sform", "and 30 mm"),
    "nearly the same": (_moved(0.1, 0.2, 0) @ _turn(0.3, 2), "sform", ""),
}


@pytest.mark.parametrize("name", SFORMS)
def test_of_two_forms_the_better_is_used_and_the_other_told(
    name: str, head: nib.Nifti1Image, tmp_path: Path
) -> None:
    change, used, words = SFORMS[name]
    path = tmp_path / "sub-01_T1w.nii"
    with np.errstate(invalid="ignore"):
        sform = change @ head.affine
    _save(path, head, sform, head.affine)
    image, warnings = read_image(path)
    np.testing.assert_allclose(image.affine, sform if used == "sform" else head.affine, atol=1e-3)
    assert len(warnings) == bool(words)
    assert all(words in text and str(path) in text for text in warnings)


def test_a_good_sform_beside_an_absurd_qform_is_used(head: nib.Nifti1Image, tmp_path: Path) -> None:
    path = tmp_path / "sub-01_T1w.nii"
    _save(path, head, head.affine, head.affine, quatern_b=7)
    np.testing.assert_allclose(read_image(path).image.affine, head.affine)


def test_numbers_without_a_code_do_not_count(head: nib.Nifti1Image, tmp_path: Path) -> None:
    path = tmp_path / "sub-01_T1w.nii"
    _save(path, head, head.affine, head.affine, sform_code=0, qform_code=0)
    with pytest.raises(ImageError, match="no position in space"):
        read_image(path)
    _save(path, head, _turn(20) @ head.affine, head.affine, sform_code=0)
    image, warnings = read_image(path)
    np.testing.assert_allclose(image.affine, head.affine, atol=1e-4)
    assert warnings == ()


def test_negative_voxel_sizes_are_read_as_positive(head: nib.Nifti1Image, tmp_path: Path) -> None:
    path = tmp_path / "sub-01_T1w.nii"
    _save(path, head, None, head.affine)
    content = bytearray(path.read_bytes())
    content[80:84] = np.array([-4], "<f4").tobytes()
    path.write_bytes(bytes(content))
    np.testing.assert_allclose(read_image(path).image.affine, head.affine)


# Which sentence two bad forms lead to.
FAULTS = {
    "not finite or make no rotation": np.diag([np.nan, 1, 1, 1]),
    "no size along one axis": np.diag([1.0, 1, 0, 1]),
    "axes are skewed, 73 degrees apart": np.array([[1, 0.3, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]),
    "the middle of the image lies 1190 mm from the origin": _moved(1188, 0, 0),
    "0.2 to 8 mm": _scaled(0.01),
    "60 to 400 mm": _scaled(0.25),
}


@pytest.mark.parametrize("words", FAULTS)
def test_each_fault_has_its_own_sentence(words: str, head: nib.Nifti1Image, tmp_path: Path) -> None:
    path = tmp_path / "sub-01_T1w.nii"
    with np.errstate(invalid="ignore"):
        _save(path, head, FAULTS[words] @ head.affine, None)
    with pytest.raises(ImageError) as caught:
        read_image(path)
    text = str(caught.value)
    assert words in text
    assert sum(other in text for other in FAULTS) == 1


@pytest.mark.parametrize(("code", "factor"), [(1, 1e-3), (3, 1e3)], ids=["metres", "micrometres"])
def test_another_unit_is_converted_where_it_makes_sense(
    code: int, factor: float, head: nib.Nifti1Image, tmp_path: Path
) -> None:
    path = tmp_path / "sub-01_T1w.nii"
    small = _scaled(factor) @ head.affine
    _save(path, head, small, small, xyzt_units=code)
    image, warnings = read_image(path)
    np.testing.assert_allclose(image.affine, head.affine, atol=1e-3)
    assert len(warnings) == 1
    assert "converted to mm" in warnings[0]
    _save(path, head, head.affine, head.affine, xyzt_units=code)  # the label alone is wrong
    np.testing.assert_allclose(read_image(path).image.affine, head.affine)
    assert read_image(path).warnings == ()
    _save(path, head, small, small, xyzt_units=2)
    with pytest.raises(ImageError):
        read_image(path)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    angles=st.tuples(*[st.floats(-180, 180)] * 3),
    shift=st.tuples(*[st.floats(-400, 400)] * 3),
    mirrored=st.booleans(),
)
def test_any_pose_of_a_scanner_is_read_as_it_is(
    angles: tuple[float, float, float],
    shift: tuple[float, float, float],
    mirrored: bool,
    head: nib.Nifti1Image,
    tmp_path: Path,
) -> None:
    path = tmp_path / "sub-01_T1w.nii"
    affine = _moved(*shift) @ _turn(angles[0], 0) @ _turn(angles[1], 1) @ _turn(angles[2], 2) @ head.affine
    affine = affine @ np.diag([-1 if mirrored else 1, 1, 1, 1])
    _save(path, head, affine, affine)
    image, warnings = read_image(path)
    np.testing.assert_allclose(image.affine, affine, atol=1e-3)
    assert warnings == ()
