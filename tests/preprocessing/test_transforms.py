"""What ANTs wrote is read back: what is not whole, not finite, zero or leads astray never counts."""

from __future__ import annotations

import errno
import os
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import nibabel as nib
import numpy as np
import pytest

from bids_brainage.errors import ImageError
from bids_brainage.preprocessing import registration, scratch
from bids_brainage.preprocessing.ants_bridge import start
from bids_brainage.preprocessing.registration import apply_transforms, register_affine, register_rigid
from bids_brainage.preprocessing.registration import register_to_template as register
from bids_brainage.preprocessing.resampling import at_voxel_size, image_like
from bids_brainage.preprocessing.templates import template_brain, template_mask
from bids_brainage.preprocessing.transforms import TransformError, copy_transform, move, read_steps

LINEAR, FIELD = "AffineTransform_float_3_3", "DisplacementFieldTransform_float_3_3"
CENTRE = np.array([1.0, 20.0, 10.0])
AFFINE = np.array([[1.02, 0.1, 0], [-0.1, 0.98, 0.05], [0, -0.05, 1.01]])
OFFSET = np.array([3.0, -5.0, 2.0])
SIZE, SPACING = np.array([46, 55, 46]), 4.0
ORIGIN = np.array([-90.0, 126.0, -72.0])
DIRECTION = np.diag([1.0, -1.0, 1.0])

Step = tuple[str, np.ndarray, np.ndarray]


def linear(matrix: np.ndarray = AFFINE, offset: np.ndarray = OFFSET) -> Step:
    """An affine as ITK writes it: about a centre."""
    translation = offset - CENTRE + matrix @ CENTRE
    return LINEAR, np.concatenate([matrix.ravel(), translation]).astype(np.float32), CENTRE


def field(sign: float = 1.0) -> Step:
    """A smooth bend along one axis and the same all along it, so that its inverse is its negative."""
    k, j, i = np.meshgrid(*(np.arange(n) for n in SIZE[::-1]), indexing="ij")
    shift = 6 * np.sin(2 * np.pi * j / SIZE[1]) * np.cos(np.pi * k / SIZE[2])
    vectors = np.stack([sign * shift + 0 * i, 0 * shift, 0 * shift], axis=-1)
    grid = np.concatenate([SIZE, ORIGIN, np.full(3, SPACING), DIRECTION.ravel()]).astype(np.float64)
    return FIELD, vectors.astype(np.float32).ravel(), grid


def write(path: Path, *steps: Step) -> Path:
    """A composite transform in ITK's layout."""
    with h5py.File(path, "w") as file:
        text = h5py.string_dtype("ascii")
        group = file.create_group("TransformGroup")
        group.create_dataset("0/TransformType", data=["CompositeTransform_float_3_3"], dtype=text)
        for number, (kind, values, fixed) in enumerate(steps, start=1):
            step = group.create_group(str(number))
            step.create_dataset("TransformType", data=[kind], dtype=text)
            step.create_dataset("TransformParameters", data=values, compression="gzip")
            step.create_dataset("TransformFixedParameters", data=fixed.astype(np.float64))
    return path


def inverse() -> Step:
    matrix = np.linalg.inv(AFFINE)
    return linear(matrix, -matrix @ OFFSET)


def test_points_go_where_ants_sends_them(tmp_path: Path) -> None:
    import pandas as pd

    path = write(tmp_path / "there.h5", linear(), field())
    points = np.random.default_rng(2).uniform(-60, 60, (40, 3))
    frame = pd.DataFrame(points, columns=["x", "y", "z"])
    expected = start(1).apply_transforms_to_points(3, frame, [str(path)], whichtoinvert=[False])
    np.testing.assert_allclose(move(points, read_steps(path)), expected[["x", "y", "z"]], atol=1e-3)


def _values(step: Step, change: Callable[[np.ndarray], np.ndarray]) -> Step:
    return step[0], change(step[1].copy()), step[2]


def _nan(values: np.ndarray) -> np.ndarray:
    values[len(values) // 2] = np.nan
    return values


SHORT, EULER = _values(field(), lambda v: v[:-3]), _values(linear(), lambda v: v[:7])
ZEROS = _values(field(), np.zeros_like)
GOOD = (lambda p: write(p, linear(), field()), lambda p: write(p, field(-1), inverse()))
BAD: dict[str, tuple[Any, Any, str]] = {
    "no file": (lambda p: None, GOOD[1], "no file was written"),
    "no inverse": (GOOD[0], lambda p: None, "no file was written"),
    "inverse of 0 bytes": (GOOD[0], lambda p: p.write_bytes(b""), "incomplete"),
    "text": (lambda p: p.write_text("#Insight Transform File V1.0"), GOOD[1], "incomplete"),
    "warp of zeros": (
        lambda p: write(p, linear(), ZEROS),
        GOOD[1],
        "zero everywhere",
    ),
    "inverse of zeros": (
        GOOD[0],
        lambda p: write(p, ZEROS, inverse()),
        "zero everywhere",
    ),
    "no warp": (lambda p: write(p, linear()), GOOD[1], "it holds linear"),
    "no affine": (lambda p: write(p, field()), GOOD[1], "it holds warp"),
    "no step": (lambda p: write(p), GOOD[1], "it holds nothing"),
    "not finite": (lambda p: write(p, linear(), _values(field(), _nan)), GOOD[1], "not finite"),
    "short field": (
        lambda p: write(p, linear(), _values(field(), lambda v: v[:-3])),
        GOOD[1],
        "another size",
    ),
    "unknown kind": (
        lambda p: write(p, linear(), _values(linear(), lambda v: v[:7])),
        GOOD[1],
        "unknown kind",
    ),
    "mirrored": (lambda p: write(p, linear(-AFFINE), field()), GOOD[1], "absurd"),
    "affine of zeros": (lambda p: write(p, linear(0 * AFFINE), field()), GOOD[1], "absurd"),
    "inverse of another": (GOOD[0], lambda p: write(p, field(), inverse()), "mm aside"),
    "inverse not inverted": (GOOD[0], lambda p: write(p, field(-1), linear()), "mm aside"),
}


def _truncated(path: Path) -> None:
    write(path, linear(), field())
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


BAD["truncated"] = (_truncated, GOOD[1], "incomplete")


def _damaged(path: Path) -> None:
    write(path, linear(), field())
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 64] = b"\xa5" * 64
    path.write_bytes(bytes(content))


BAD["damaged"] = (_damaged, GOOD[1], "incomplete")


def _linked(path: Path) -> None:
    """The warp lies in another file, which a stranger could choose."""
    other = write(path.with_name("other.h5"), linear(), field())
    write(path, linear())
    with h5py.File(path, "r+") as file:
        file["TransformGroup/2"] = h5py.ExternalLink(str(other), "TransformGroup/2")


def _of_groups(path: Path) -> None:
    write(path, linear(), field())
    with h5py.File(path, "r+") as file:
        del file["TransformGroup/2/TransformParameters"], file["TransformGroup/1/TransformType"]
        file.create_group("TransformGroup/2/TransformParameters")
        file.create_group("TransformGroup/1/TransformType")


def _of_huge_chunks(path: Path) -> None:
    write(path, linear(), field())
    with h5py.File(path, "r+") as file:
        del file["TransformGroup/1/TransformParameters"]
        file.create_dataset(
            "TransformGroup/1/TransformParameters",
            (12,),
            "f4",
            chunks=(2**29,),
            maxshape=(None,),
            compression="gzip",
        )


@pytest.mark.parametrize(
    "hostile", [_linked, _of_groups, _of_huge_chunks, lambda p: write(p, *[linear()] * 99)]
)
def test_a_file_of_a_stranger_is_not_followed(hostile: Callable[[Path], None], tmp_path: Path) -> None:
    hostile(tmp_path / "there.h5")
    with pytest.raises(TransformError, match=r"incomplete|too much|99|100"):
        read_steps(tmp_path / "there.h5")


def test_the_spelling_of_earlier_versions_of_itk_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "there.h5", linear(), field())
    expected = read_steps(path)
    with h5py.File(path, "r+") as file:
        for number in (1, 2):
            for name in ("FixedParameters", "Parameters"):
                file.move(
                    f"TransformGroup/{number}/Transform{name}", f"TransformGroup/{number}/Tranform{name}"
                )
    points = np.random.default_rng(4).uniform(-60, 60, (40, 3))
    np.testing.assert_array_equal(move(points, read_steps(path)), move(points, expected))


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any, Any], None]:
    """Let "ANTs" write what a test gives it, and report success."""

    def write_instead(forward: Any, backward: Any) -> None:
        def run(arguments: list[str], threads: int = 1) -> None:
            prefix = arguments[arguments.index("-o") + 1]
            forward(Path(f"{prefix}Composite.h5"))
            backward(Path(f"{prefix}InverseComposite.h5"))

        monkeypatch.setattr(registration, "run_registration", run)

    return write_instead


@pytest.fixture(scope="module")
def brain() -> nib.Nifti1Image:
    return at_voxel_size(template_brain(2), 6.0)


@pytest.fixture(scope="module")
def mask() -> nib.Nifti1Image:
    return at_voxel_size(template_mask(2), 6.0, order=0)


@pytest.mark.parametrize("case", BAD)
def test_what_is_not_whole_never_counts(
    case: str, outside: Any, brain: nib.Nifti1Image, mask: nib.Nifti1Image, tmp_path: Path
) -> None:
    forward, backward, expected = BAD[case]
    outside(forward, backward)
    with pytest.raises(ImageError) as caught:
        register(brain, mask, out_prefix=tmp_path / "to-", name="sub-01_T1w.nii.gz")
    assert expected in str(caught.value)
    assert "sub-01_T1w.nii.gz" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_what_is_whole_is_kept(
    outside: Any,
    brain: nib.Nifti1Image,
    mask: nib.Nifti1Image,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    outside(*GOOD)
    # These transforms lead elsewhere, which is told.
    with pytest.raises(ImageError, match=r"sub-01_T1w.*not like the template after the registration"):
        register(brain, mask, out_prefix=tmp_path / "to-", name="sub-01_T1w.nii.gz")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(registration, "likeness", lambda moved: 0.9)
    found = register(brain, mask, out_prefix=tmp_path / "to-")
    assert sorted(tmp_path.iterdir()) == [found.forward, found.inverse]


def test_a_rigid_transform_is_a_rotation(outside: Any, brain: nib.Nifti1Image, tmp_path: Path) -> None:
    for bad, expected in (
        (lambda p: write(p, linear()), "not a rotation"),
        (lambda p: write(p, linear(np.diag([-1.0, 1, 1]))), "not a rotation"),
        (lambda p: write(p, linear(np.eye(3), np.array([np.inf, 0, 0]))), "not finite"),
        (lambda p: p.write_bytes(b""), "incomplete"),
    ):
        outside(bad, lambda p: None)
        with pytest.raises(ImageError, match=f"sub-01_FLAIR.*{expected}"):
            register_rigid(brain, brain, out=tmp_path / "rigid.h5", name="sub-01_FLAIR")
        assert list(tmp_path.iterdir()) == []


def test_what_ants_says_is_not_dropped(
    brain: nib.Nifti1Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(arguments: list[str], threads: int = 1) -> None:
        raise RuntimeError("Registration failed\n with error code 1")

    monkeypatch.setattr(registration, "run_registration", fail)
    with pytest.raises(ImageError, match="Registration failed with error code 1"):
        register_affine(brain, brain, fixed_mask=brain, start=np.eye(4), out_prefix=tmp_path / "to-")


def test_a_full_disk_is_told_as_such(
    outside: Any, brain: nib.Nifti1Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int, offset: int, length: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(scratch.os, "posix_fallocate", full)
    outside(lambda p: p.write_bytes(b""), lambda p: None)
    with pytest.raises(OSError, match="No space left") as caught:
        register_affine(brain, brain, fixed_mask=brain, start=np.eye(4), out_prefix=tmp_path / "to-")
    assert caught.value.errno == errno.ENOSPC
    assert caught.value.filename == str(tmp_path)


@contextmanager
def _files_of_at_most(size: int) -> Iterator[None]:
    """As on a full disk, every write beyond `size` bytes fails, for ITK's HDF5 too."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_ants_runs_out_of_room_for_real(brain: nib.Nifti1Image, tmp_path: Path) -> None:
    with _files_of_at_most(6000), pytest.raises(OSError, match=r"File too large"):
        register_affine(brain, brain, fixed_mask=brain, start=np.eye(4), out_prefix=tmp_path / "to-")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_but_beside_the_result(
    brain: nib.Nifti1Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system's temporary folder cannot be written to."""
    monkeypatch.setattr("tempfile.tempdir", "/proc/nowhere")
    monkeypatch.setenv("TMPDIR", "/proc/nowhere")
    out = register_rigid(brain, brain, out=tmp_path / "new" / "rigid.h5")
    apply_transforms(brain, brain, [out])
    assert list(tmp_path.rglob("*")) == [tmp_path / "new", out]


@pytest.mark.parametrize("content", [b"", b"\x89HDF\r\n\x1a\nrest"])
def test_a_transform_that_cannot_be_read_is_named(
    content: bytes, brain: nib.Nifti1Image, tmp_path: Path
) -> None:
    (tmp_path / "there.h5").write_bytes(content)
    with pytest.raises(ImageError, match=r"sub-01_T1w.*there\.h5 cannot be read"):
        apply_transforms(brain, brain, [tmp_path / "there.h5"], name="sub-01_T1w")


def test_an_image_that_is_moved_off_the_grid_is_named(brain: nib.Nifti1Image, tmp_path: Path) -> None:
    away = write(tmp_path / "away.h5", linear(np.eye(3), np.array([5000.0, 0, 0])))
    with pytest.raises(ImageError, match="sub-01_T1w has nothing left"):
        apply_transforms(brain, brain, [away], name="sub-01_T1w")
    empty = image_like(np.zeros(brain.shape, np.float32), brain)
    assert not apply_transforms(empty, brain, [away]).get_fdata().any()


def test_copies_of_a_transform_are_equal_to_the_byte_and_ants_reads_them(
    brain: nib.Nifti1Image, tmp_path: Path
) -> None:
    """HDF5 notes the second in which something was written."""
    copies = []
    for name in ("first", "second"):
        written = register_rigid(brain, brain, out=tmp_path / f"{name}.h5", seed=1)
        copy_transform(written, tmp_path / f"{name}-copy.h5")
        copies.append((written, tmp_path / f"{name}-copy.h5"))
        time.sleep(1.1)
    assert copies[0][1].read_bytes() == copies[1][1].read_bytes()
    for written, copy in copies:
        moved = [apply_transforms(brain, brain, [path]).get_fdata() for path in (written, copy)]
        np.testing.assert_array_equal(*moved)
    warped = write(tmp_path / "warped.h5", field(), linear())
    copy_transform(warped, tmp_path / "warped-copy.h5")
    points = np.random.default_rng(0).uniform(-50, 50, (20, 3))
    moved = [move(points, read_steps(path)) for path in (warped, tmp_path / "warped-copy.h5")]
    np.testing.assert_allclose(*moved, atol=0.6e-3)
    copy_transform(tmp_path / "warped-copy.h5", tmp_path / "warped-again.h5")
    assert (tmp_path / "warped-again.h5").read_bytes() == (tmp_path / "warped-copy.h5").read_bytes()
