"""Every bad image is refused with one sentence; good ones are read as they are."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_brainage.errors import ImageError
from bids_brainage.preprocessing.header import read_image

Image = nib.Nifti1Image
Change = Callable[[Image], Image]


def _with(image: Image, data: np.ndarray) -> Image:
    return nib.Nifti1Image(data, image.affine, image.header)


def _affine(image: Image, affine: np.ndarray) -> Image:
    changed = nib.Nifti1Image(image.get_fdata(dtype=np.float32), affine)
    changed.set_sform(affine, 1)
    return changed


def _no_codes(image: Image) -> Image:
    return nib.Nifti1Image(image.get_fdata(dtype=np.float32), None)


def _nan_part(image: Image, part: float) -> Image:
    data = image.get_fdata(dtype=np.float32).copy()
    data.ravel()[: int(part * data.size)] = np.nan
    return _with(image, data)


def _sheared(image: Image) -> Image:
    affine = image.affine.copy()
    affine[0, 1] = 2
    return _affine(image, affine)


def _not_finite(image: Image) -> Image:
    affine = image.affine.copy()
    affine[0, 3] = np.nan
    return _affine(image, affine)


def _far(image: Image) -> Image:
    affine = image.affine.copy()
    affine[0, 3] = 1e6
    return _affine(image, affine)


def _scaled(image: Image, factor: float) -> Image:
    return _affine(image, image.affine @ np.diag([factor, factor, factor, 1]))


BAD: dict[str, tuple[Change, str]] = {
    "4D": (lambda i: _with(i, np.stack([i.get_fdata()] * 3, axis=-1).astype(np.float32)), "not one 3D"),
    "empty": (lambda i: _with(i, np.zeros(i.shape, dtype=np.float32)), "same value (0)"),
    "constant": (lambda i: _with(i, np.full(i.shape, 7, dtype=np.float32)), "same value (7)"),
    "NaN-filled": (lambda i: _with(i, np.full(i.shape, np.nan, dtype=np.float32)), "100.0 %"),
    "much NaN": (lambda i: _nan_part(i, 0.2), "20.0 %"),
    "2-slice": (lambda i: i.slicer[:, :, 20:22], "only 2 slices"),
    "no codes": (_no_codes, "has no position in space"),
    "sheared": (_sheared, "affine"),
    "affine not finite": (_not_finite, "affine"),
    "far away": (_far, "affine"),
    "voxels in cm": (lambda i: _scaled(i, 10), "0.2 to 8 mm"),
    "voxels in m": (lambda i: _scaled(i, 0.001), "0.2 to 8 mm"),
    "mouse": (lambda i: _scaled(i, 0.15), "60 to 400 mm"),
    "complex": (lambda i: _with_dtype(i, np.complex64), "colours or complex"),
    "RGB": (
        lambda i: _with_dtype(i, np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])),
        "colours or complex",
    ),
}


def _with_dtype(image: Image, kind: object) -> Image:
    return nib.Nifti1Image(np.zeros(image.shape, dtype=kind), image.affine)


@pytest.mark.parametrize("name", BAD)
def test_bad_image_is_told_in_one_sentence(name: str, head: Image, tmp_path: Path) -> None:
    change, expected = BAD[name]
    path = tmp_path / "sub-01_T1w.nii.gz"
    nib.save(change(head), path)
    with pytest.raises(ImageError) as caught:
        read_image(path)
    _is_one_sentence(caught.value, path, expected)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "0 bytes"),
        (b"no image at all" * 100, "cannot be read"),
        (gzip.compress(b"x" * 400, mtime=0), "cannot be read"),
    ],
    ids=["empty", "text", "gzipped text"],
)
def test_what_is_no_image(content: bytes, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "sub-01_T1w.nii.gz"
    path.write_bytes(content)
    with pytest.raises(ImageError) as caught:
        read_image(path)
    _is_one_sentence(caught.value, path, expected)


@pytest.mark.parametrize("ending", [".nii.gz", ".nii"])
@pytest.mark.parametrize("part", [0.3, 0.98])
def test_truncated(ending: str, part: float, head: Image, tmp_path: Path) -> None:
    path = tmp_path / f"sub-01_T1w{ending}"
    nib.save(head, path)
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    with pytest.raises(ImageError) as caught:
        read_image(path)
    _is_one_sentence(caught.value, path, "ends too early")


def test_damaged_in_the_middle(head: Image, tmp_path: Path) -> None:
    path = tmp_path / "sub-01_T1w.nii.gz"
    nib.save(head, path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 200] = b"\xff" * 200
    path.write_bytes(bytes(content))
    with pytest.raises(ImageError, match="ends too early or is damaged"):
        read_image(path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="There is no image file"):
        read_image(tmp_path / "sub-01_T1w.nii.gz")


def test_header_that_claims_too_much_is_refused_before_reading(head: Image, tmp_path: Path) -> None:
    path = tmp_path / "sub-01_T1w.nii"
    nib.save(_scaled(head, 0.08), path)
    content = bytearray(path.read_bytes())
    content[42:48] = np.array([1200, 1200, 1200], dtype="<i2").tobytes()
    path.write_bytes(bytes(content))
    with pytest.raises(ImageError, match="too many voxels"):
        read_image(path)


def test_a_good_image_is_read_as_it_is(head: Image, tmp_path: Path) -> None:
    path = tmp_path / "sub-01_T1w.nii.gz"
    nib.save(head, path)
    image = read_image(path).image
    np.testing.assert_array_equal(image.get_fdata(), head.get_fdata())
    np.testing.assert_array_equal(image.affine, head.affine)
    assert image.get_data_dtype() == np.float32
    assert read_image(path).warnings == ()


def test_one_volume_in_four_dimensions_and_a_few_nan_are_warned_of(head: Image, tmp_path: Path) -> None:
    path = tmp_path / "sub-01_T1w.nii.gz"
    data = head.get_fdata(dtype=np.float32)[..., None].copy()
    data[0, 0, 0, 0] = np.nan
    nib.save(_with(head, data), path)
    image, warnings = read_image(path)
    assert image.shape == head.shape
    assert image.get_fdata()[0, 0, 0] == 0
    assert len(warnings) == 2
    assert all(str(path) in warning for warning in warnings)


def test_freesurfer_volume_is_read(head: Image, tmp_path: Path) -> None:
    path = tmp_path / "brain.finalsurfs.mgz"
    nib.save(nib.MGHImage(head.get_fdata(dtype=np.float32), head.affine), path)
    image = read_image(path).image
    assert isinstance(image, nib.Nifti1Image)
    np.testing.assert_allclose(image.affine, head.affine, atol=1e-4)


def _is_one_sentence(error: Exception, path: Path, expected: str) -> None:
    text = str(error)
    assert expected in text
    assert str(path) in text
    assert text.endswith(".")
    assert "\n" not in text


@pytest.mark.parametrize(
    ("sizes", "thick"),
    [((1, 1, 5), True), ((2, 2, 3.8), True), ((4, 4, 4), False), ((1, 1, 3), False)],
)
def test_thick_slices_are_told(tmp_path: Path, sizes: tuple[float, ...], thick: bool) -> None:
    shape = tuple(int(160 / size) for size in sizes)
    x, y, z = (np.abs(np.linspace(-1, 1, n)) for n in shape)
    radius = np.sqrt(x[:, None, None] ** 2 + y[None, :, None] ** 2 + z[None, None, :] ** 2)
    data = (np.clip(0.8 - radius, 0, None) * 1000).astype(np.float32)
    image = nib.Nifti1Image(data, np.diag([*sizes, 1.0]))
    image.set_sform(image.affine, 1)
    image.to_filename(tmp_path / "sub-01_T1w.nii.gz")
    warnings = read_image(tmp_path / "sub-01_T1w.nii.gz").warnings
    assert any(f"slices of {max(sizes):g} mm" in text for text in warnings) == thick
