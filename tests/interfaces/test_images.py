"""The interfaces read a person's file once, and hand on what the functions below them give."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from bids_brainage.bids.naming import sidecar
from bids_brainage.errors import ImageError
from bids_brainage.interfaces.images import CheckImage, Conform, CorrectBias, MaskImage, UseMask
from bids_brainage.interfaces.outputs import PublishImages
from bids_brainage.preprocessing import header
from bids_brainage.preprocessing.image_file import ImageFile
from bids_brainage.records.reading import SessionPlace, read_session


def _run(interface: Any, folder: Path) -> dict[str, Any]:
    interface._run_interface(SimpleNamespace(cwd=str(folder)))
    return interface._results


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A ball of 1.4 l, with noise, at 4 mm."""
    axes = np.indices((44, 52, 44)) - np.array([21, 27, 22]).reshape(3, 1, 1, 1)
    ball = (axes**2).sum(axis=0) < 17**2
    data = np.where(ball, 100 + np.random.default_rng(1).normal(0, 3, ball.shape), 0).astype(np.float32)
    path = tmp_path / "sub-01_T1w.nii.gz"
    nib.save(_placed(data), path)
    nib.save(_placed(ball.astype(np.uint8)), tmp_path / "mask.nii.gz")
    return path


def _placed(data: np.ndarray) -> nib.Nifti1Image:
    image = nib.Nifti1Image(data, np.diag([4.0, 4, 4, 1]))
    image.set_sform(image.affine, 1)
    return image


@pytest.mark.parametrize("interface", [CheckImage, Conform])
def test_an_image_is_read_once(
    interface: Any, image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = []
    inner = ImageFile.data
    monkeypatch.setattr(ImageFile, "data", lambda self: read.append(self.path) or inner(self))
    results = _run(interface(in_files=str(image)), tmp_path)
    assert read == [image]
    assert results["warnings"] == list(header.read_image(image).warnings)
    assert results["voxel_extent"] == [4.0, 4.0, 4.0]


@pytest.mark.parametrize("interface", [CheckImage, Conform])
def test_a_pipe_is_refused_by_name_and_not_waited_for(interface: Any, tmp_path: Path) -> None:
    path = tmp_path / "sub-01_T1w.nii.gz"
    os.mkfifo(path)
    with pytest.raises(ImageError, match=r"sub-01_T1w\.nii\.gz is not a regular file"):
        _run(interface(in_files=str(path)), tmp_path)


@pytest.mark.parametrize("interface", [CheckImage, Conform])
def test_a_damaged_run_among_several_is_left_out_and_named(
    interface: Any, image: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "sub-01_run-2_T1w.nii.gz"
    broken.write_text("no image")
    alone = _run(interface(in_files=str(image)), tmp_path)
    alone_data = nib.load(alone["out_file"]).get_fdata()
    results = _run(interface(in_files=[str(broken), str(image)]), tmp_path)
    np.testing.assert_array_equal(nib.load(results["out_file"]).get_fdata(), alone_data)
    assert len(results["warnings"]) == 1
    assert str(broken) in results["warnings"][0]


def test_what_is_corrected_already_comes_as_it_is(image: Path, tmp_path: Path) -> None:
    checked = _run(CheckImage(in_files=str(image)), tmp_path)["out_file"]
    node = CorrectBias(in_file=checked, mask_file=str(tmp_path / "mask.nii.gz"), enabled=False)
    out = _run(node, tmp_path)["out_file"]
    np.testing.assert_array_equal(nib.load(out).get_fdata(), nib.load(image).get_fdata())


def test_a_mask_from_elsewhere_is_checked(image: Path, tmp_path: Path) -> None:
    mask = tmp_path / "mask.nii.gz"
    results = _run(UseMask(in_file=str(image), source_file=str(mask)), tmp_path / "..")
    inside = np.asarray(nib.load(results["mask_file"]).dataobj)
    np.testing.assert_array_equal(inside, np.asarray(nib.load(mask).dataobj))
    assert results["method"] == "derivative"
    aside = tmp_path / "aside.nii.gz"
    moved = _placed(inside)
    moved.set_sform(moved.affine + np.array([[0, 0, 0, 300], [0] * 4, [0] * 4, [0] * 4]), 1)
    nib.save(moved, aside)
    with pytest.raises(ImageError, match=r"mask of .*aside\.nii\.gz is empty"):
        _run(UseMask(in_file=str(image), source_file=str(aside)), tmp_path)
    os.mkfifo(tmp_path / "pipe.nii.gz")
    with pytest.raises(ImageError, match="not a regular file"):
        _run(UseMask(in_file=str(image), source_file=str(tmp_path / "pipe.nii.gz")), tmp_path)


@pytest.mark.parametrize(
    ("kind", "name"), [(nib.Nifti1Image, "given.nii.gz"), (nib.MGHImage, "brainmask.mgz")]
)
def test_what_others_prepared_is_read_and_kept_as_it_stands(kind: type, name: str, tmp_path: Path) -> None:
    """No background is subtracted, no value rounded; only what is not finite is set to zero."""
    data = np.random.default_rng(3).uniform(7, 900, (30, 32, 28)).astype(np.float32)
    data[0, 0, 0] = np.nan
    affine = np.diag([-4.0, 4, 4, 1])
    kind(data, affine).to_filename(tmp_path / name)
    made = _run(CheckImage(in_files=[str(tmp_path / name)], as_it_is=True), tmp_path)
    publish = PublishImages(
        out_dir=str(tmp_path / "out"),
        participant="01",
        modality="T1w/given",
        fingerprint="x",
        sources=["bids:flirt:given.nii.gz"],
        subject=made["out_file"],
        warnings=made["warnings"],
    )
    _run(publish, tmp_path)
    session = read_session(SessionPlace.of(tmp_path / "out", "01", None))
    (path,) = (tmp_path / "out" / mark.path for mark in session.record.files() if mark.role == "source_image")
    assert path.name == "sub-01_space-MNI152NLin6Asym_desc-given_T1w.nii.gz"
    kept = nib.load(path)
    np.testing.assert_array_equal(kept.get_fdata(dtype=np.float32), np.nan_to_num(data))
    np.testing.assert_allclose(kept.affine, affine, atol=1e-4)
    content = json.loads(sidecar(path).read_text())
    assert content["Sources"] == ["bids:flirt:given.nii.gz"]
    assert "NaN" in content["Warnings"][0]
    first = path.read_bytes()
    _run(publish, tmp_path)
    assert path.read_bytes() == first


def test_a_masked_image_is_not_rounded_once_more_and_is_nothing_outside(image: Path, tmp_path: Path) -> None:
    """Of an image of scaled integers, as the derivatives folder holds."""
    stored = nib.Nifti1Image.from_filename(image)
    stored.set_data_dtype(np.int16)
    nib.save(stored, tmp_path / "stored.nii")
    before = nib.Nifti1Image.from_filename(tmp_path / "stored.nii").get_fdata()
    mask = np.zeros(before.shape, np.uint8)
    mask[21:] = 1
    nib.save(_placed(mask), tmp_path / "half.nii.gz")
    interface = MaskImage(in_file=str(tmp_path / "stored.nii"), mask_file=str(tmp_path / "half.nii.gz"))
    after = nib.Nifti1Image.from_filename(_run(interface, tmp_path)["out_file"]).get_fdata()
    assert not after[:21].any()
    np.testing.assert_allclose(after[21:], before[21:], rtol=2e-7, atol=1e-4)
