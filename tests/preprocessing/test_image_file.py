"""Hostile and broken files are refused quickly, in one sentence, without reading what they claim to hold."""

from __future__ import annotations

import gzip
import os
import resource
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bids_brainage.errors import ImageError
from bids_brainage.preprocessing import image_file
from bids_brainage.preprocessing.header import read_image, read_mask

SECONDS = 30
MEMORY = 2**31  # bytes a refusal may take, beyond what is taken already


@pytest.fixture(autouse=True)
def _quick_and_small() -> Iterator[None]:
    """A test here that hangs, or takes gigabytes, fails."""

    def late(*_: object) -> None:
        raise AssertionError(f"not refused within {SECONDS} seconds")

    before, limits = signal.signal(signal.SIGALRM, late), resource.getrlimit(resource.RLIMIT_AS)
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, limits[1]))
    signal.alarm(SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
    resource.setrlimit(resource.RLIMIT_AS, limits)


def _refused(path: Path, expected: str) -> None:
    with pytest.raises(ImageError) as caught:
        read_image(path)
    text = str(caught.value)
    assert expected in text
    assert str(path) in text
    assert text.endswith(".")
    assert "\n" not in text


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        # Names of sockets are short.
        here = Path.cwd()
        os.chdir(path.parent)
        server.bind(path.name)
        os.chdir(here)


def _linked_fifo(path: Path) -> None:
    os.mkfifo(path.with_name("pipe"))
    path.symlink_to("pipe")


NO_FILES = {
    "fifo": _fifo,
    "link to a fifo": _linked_fifo,
    "socket": _socket,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "folder": lambda path: path.mkdir(),
}


@pytest.mark.parametrize("kind", NO_FILES)
@pytest.mark.parametrize("ending", [".nii", ".nii.gz", ".mgz"])
def test_what_is_no_regular_file_is_never_opened(kind: str, ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"sub-01_T1w{ending}"
    NO_FILES[kind](path)
    _refused(path, "not a regular file")
    with pytest.raises(ImageError, match="not a regular file"):
        read_mask(path)


def test_a_link_in_a_circle_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "sub-01_T1w.nii"
    path.symlink_to(path.name)
    _refused(path, "no image file")


def _edited(head: nib.Nifti1Image, path: Path, **fields: object) -> bytes:
    """The bytes of `head` as NIfTI-1 with some fields of the header overwritten."""
    nib.save(head, path)
    content = bytearray(path.read_bytes())
    header = np.frombuffer(content, dtype=nib.Nifti1Header.template_dtype, count=1)
    header.flags.writeable = True
    for name, value in fields.items():
        header[name] = value
    return bytes(content)


HEADERS: dict[str, tuple[dict[str, object], str]] = {
    "offset of 12 GB": ({"vox_offset": 12e9}, "begin at byte 12000000000"),
    "offset beyond the file": ({"vox_offset": 2**25}, "ends too early"),
    "offset inside the header": ({"vox_offset": 16}, "cannot be read"),
    "negative offset": ({"vox_offset": -352}, "cannot be read"),
    "offset not a number": ({"vox_offset": np.nan}, "cannot be read"),
    "infinite offset": ({"vox_offset": np.inf}, "cannot be read"),
    "more voxels than bytes": ({"dim": (3, 60, 60, 60, 1, 1, 1, 1)}, "ends too early"),
    "negative dimension": ({"dim": (3, -44, 52, 44, 1, 1, 1, 1)}, "not one 3D"),
    "empty dimension": ({"dim": (3, 44, 0, 44, 1, 1, 1, 1)}, "not one 3D"),
    "no dimension": ({"dim": (0, 44, 52, 44, 1, 1, 1, 1)}, "not one 3D"),
    "dimensions in byte order of nobody": ({"dim": (99, 44, 52, 44, 1, 1, 1, 1)}, "cannot be read"),
    "bits": ({"datatype": 1, "bitpix": 1}, "cannot be read"),
    "unknown datatype": ({"datatype": 999}, "cannot be read"),
    "128 bits": ({"datatype": 1536, "bitpix": 128}, "cannot be read"),
    "RGBA": ({"datatype": 2304, "bitpix": 32}, "colours or complex"),
    "slope not a number but an intercept": ({"scl_slope": 2, "scl_inter": np.nan}, "cannot be read"),
    "slope without bounds": ({"scl_slope": 3e38, "scl_inter": 1}, "NaN or infinite"),
    "quaternion of nothing": ({"sform_code": 0, "qform_code": 1, "quatern_b": 7}, "affine"),
    "affine without bounds": ({"srow_x": (3e38, 3e38, 3e38, 0), "qform_code": 0}, "affine"),
    "data in another file": ({"magic": b"ni1"}, "cannot be read"),
}


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
@pytest.mark.parametrize("name", HEADERS)
def test_absurd_header(name: str, ending: str, head: nib.Nifti1Image, tmp_path: Path) -> None:
    fields, expected = HEADERS[name]
    content = _edited(head, tmp_path / "plain.nii", **fields)
    path = tmp_path / f"sub-01_T1w{ending}"
    path.write_bytes(gzip.compress(content, 1) if ending.endswith("gz") else content)
    _refused(path, expected)


def test_extensions_are_not_read(head: nib.Nifti1Image, tmp_path: Path) -> None:
    """Two million extensions of 16 bytes, and one that claims 2 GB: the image behind them is read."""
    content = _edited(head, tmp_path / "plain.nii")
    path = tmp_path / "sub-01_T1w.nii.gz"
    many = b"\x01\0\0\0" + (b"\x10\0\0\0" + b"\x06\0\0\0" + b"\0" * 8) * 2_000_000
    huge = b"\x01\0\0\0" + np.array([2**31 - 16, 6], "<i4").tobytes() + b"\0" * 24
    for extensions in (many, huge):
        offset = 348 + len(extensions)
        header = _edited(head, tmp_path / "plain.nii", vox_offset=offset)[:348]
        path.write_bytes(gzip.compress(header + extensions + content[352:], 1))
        np.testing.assert_array_equal(read_image(path).image.get_fdata(), head.get_fdata())


def test_what_goes_on_behind_the_voxels_is_refused_early(head: nib.Nifti1Image, tmp_path: Path) -> None:
    """A megabyte that would unpack to a gigabyte; a little rest is harmless."""
    content = _edited(head, tmp_path / "plain.nii")
    path = tmp_path / "sub-01_T1w.nii.gz"
    path.write_bytes(gzip.compress(content, 1) + 64 * gzip.compress(b"\0" * 2**24, 1))
    _refused(path, "is much longer than")
    path.write_bytes(gzip.compress(content + b"\0" * 1000, 1))
    assert read_image(path).warnings == ()


@pytest.mark.parametrize("magic", [b"\x5c\x01\0\0n+2\0", b"\0\0\0\x01", b"\x1f\x8b", b"\x5c\x01\0\0"])
@pytest.mark.parametrize("length", [0, 90, 300])
def test_a_header_that_ends_too_early(magic: bytes, length: int, tmp_path: Path) -> None:
    path = tmp_path / "sub-01_T1w.nii.gz"
    path.write_bytes(magic + b"\x01" * length)
    _refused(path, "")


def test_a_header_that_a_small_file_cannot_fill(tmp_path: Path) -> None:
    header = nib.Nifti2Header()
    header["magic"] = b"n+2\0\r\n\x1a\n"
    header.set_data_dtype(np.float64)
    header.set_data_shape((640, 640, 640))
    header.set_sform(np.diag([0.5, 0.5, 0.5, 1]), 1)
    header["vox_offset"] = 544
    path = tmp_path / "sub-01_T1w.nii.gz"
    path.write_bytes(gzip.compress(header.binaryblock + b"\0" * 1000))
    _refused(path, "ends too early")
    header["dim"][1:4] = 2**40
    path.write_bytes(gzip.compress(header.binaryblock + b"\0" * 1000))
    _refused(path, "affine")


def test_freesurfer_header_that_claims_too_much(head: nib.Nifti1Image, tmp_path: Path) -> None:
    path = tmp_path / "brain.mgh"
    nib.save(nib.MGHImage(head.get_fdata(dtype=np.float32), head.affine), path)
    content = bytearray(path.read_bytes())
    for dims, kind, expected in (
        ((96, 96, 96, 1), 3, "ends too early"),
        ((0, 52, 44, 1), 3, "not one 3D"),
        ((44, 52, 44, 1), 77, "cannot be read"),
        ((44, 52, 44, 2**30), 3, "not one 3D"),
    ):
        content[4:24] = np.array([*dims, kind], dtype=">i4").tobytes()
        path.write_bytes(bytes(content))
        _refused(path, expected)


def test_gzip_is_told_by_its_content(head: nib.Nifti1Image, tmp_path: Path) -> None:
    content = _edited(head, tmp_path / "plain.nii")
    (tmp_path / "packed.nii").write_bytes(gzip.compress(content))
    (tmp_path / "plain.nii.gz").write_bytes(content)
    for name in ("packed.nii", "plain.nii.gz"):
        np.testing.assert_array_equal(read_image(tmp_path / name).image.get_fdata(), head.get_fdata())


@pytest.mark.parametrize("kind", ["u1", "i2", ">i2", "u2", "i4", "f4", "f8", ">f8"])
def test_voxels_are_those_that_nibabel_reads(kind: str, head: nib.Nifti1Image, tmp_path: Path) -> None:
    path = tmp_path / "sub-01_T1w.nii.gz"
    image = nib.Nifti1Image(
        head.get_fdata(), head.affine, nib.Nifti1Header(endianness=kind[0].strip("uif<") or "<")
    )
    image.header.set_data_dtype(np.dtype(kind))
    nib.save(image, path)
    read = read_image(path).image
    np.testing.assert_array_equal(
        np.asarray(read.dataobj), np.asarray(nib.load(path).dataobj).astype(np.float32)
    )
    np.testing.assert_array_equal(read.affine, nib.load(path).affine)


def test_an_image_is_decompressed_once(
    head: nib.Nifti1Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "sub-01_T1w.nii.gz"
    nib.save(head, path)
    unpacked = 0

    class Counting(gzip.GzipFile):
        def read(self, size: int | None = -1) -> bytes:
            nonlocal unpacked
            content = super().read(size)
            unpacked += len(content)
            return content

    monkeypatch.setattr(image_file.gzip, "open", lambda path: Counting(path))
    read_image(path)
    # Nothing but the header is read twice.
    assert unpacked <= 352 + 4 * head.get_fdata().size + image_file.HEADER_BYTES + 352


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    edits=st.lists(st.tuples(st.integers(0, 347), st.binary(min_size=1, max_size=8)), min_size=1, max_size=4),
    packed=st.booleans(),
)
def test_any_header_is_an_image_or_a_sentence(
    edits: list[tuple[int, bytes]], packed: bool, head: nib.Nifti1Image, tmp_path: Path
) -> None:
    content = bytearray(_edited(head, tmp_path / "plain.nii"))
    for place, value in edits:
        content[place : place + len(value)] = value
    path = tmp_path / "sub-01_T1w.nii.gz"
    path.write_bytes(gzip.compress(bytes(content), 1) if packed else bytes(content))
    try:
        image, _ = read_image(path)
    except ImageError as error:
        assert str(path) in str(error)  # noqa: PT017
    else:
        assert np.isfinite(image.get_fdata()).all()
        assert np.isfinite(image.affine).all()


def test_scaled_integers_are_rounded_once(tmp_path: Path) -> None:
    """In 64 bits and then to 32: NumPy 1 and 2 would each do otherwise with numbers of 32 bits."""
    stored = np.arange(-4000, 4000, dtype=np.int16).reshape(20, 20, 20)
    slope, intercept = np.float32([0.014083688, 461.4943])
    image = nib.Nifti1Image(stored, np.eye(4))
    image.header.set_slope_inter(slope, intercept)
    path = tmp_path / "scaled.nii"
    with path.open("wb") as file:
        image.header.write_to(file)
        file.write(stored.tobytes(order="F"))
    exact = stored.astype(float) * float(slope) + float(intercept)
    assert np.array_equal(image_file.open_image(path).data(), exact.astype(np.float32))
