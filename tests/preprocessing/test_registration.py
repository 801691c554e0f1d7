"""Known movements are found, both ways, and the same seed gives the same transform."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nibabel.affines import apply_affine
from scipy import ndimage

from bids_brainage.errors import ImageError
from bids_brainage.preprocessing.pose import affine_of, axis_rotations
from bids_brainage.preprocessing.registration import (
    TemplateTransforms,
    apply_transforms,
    register_affine,
    register_linear,
    register_rigid,
    register_to_template,
    rigid_start,
)
from bids_brainage.preprocessing.resampling import at_voxel_size, image_like
from bids_brainage.preprocessing.same_head import check_same_head
from bids_brainage.preprocessing.smooth_input import through
from bids_brainage.preprocessing.templates import template_brain, template_mask
from bids_brainage.preprocessing.transforms import read_steps


@pytest.fixture(scope="module")
def brain() -> nib.Nifti1Image:
    return at_voxel_size(template_brain(2), 4.0)


def _moved(image: nib.Nifti1Image) -> tuple[nib.Nifti1Image, np.ndarray]:
    """The image with its header turned by 0.15 rad and shifted: the same head, lying otherwise."""
    turn = np.eye(4)
    turn[1:3, 1:3] = [[np.cos(0.15), -np.sin(0.15)], [np.sin(0.15), np.cos(0.15)]]
    turn[:3, 3] = (9, -6, 12)
    contrast = image_like(np.sqrt(image.get_fdata(dtype=np.float32)), image)
    return nib.Nifti1Image(contrast.get_fdata(dtype=np.float32), turn @ image.affine), turn


def test_rigid_finds_a_known_movement(brain: nib.Nifti1Image, tmp_path: Path) -> None:
    moving, _ = _moved(brain)
    first = register_rigid(moving, brain, out=tmp_path / "first.h5", seed=1)
    back = apply_transforms(moving, brain, [first])
    expected = np.sqrt(brain.get_fdata())
    assert np.corrcoef(back.get_fdata().ravel(), expected.ravel())[0, 1] > 0.99
    second = register_rigid(moving, brain, out=tmp_path / "second.h5", seed=1)
    again = apply_transforms(moving, brain, [second])
    np.testing.assert_array_equal(back.get_fdata(), again.get_fdata())


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["rigid", "affine"])
def test_linear_registration_to_the_template_finds_a_known_movement(kind: str, tmp_path: Path) -> None:
    """The template itself, turned, shifted and (but for rigid) made smaller along one axis."""
    moving, movement = _moved(template_brain(2))
    size = np.diag([1, 1, 0.92, 1]) if kind == "affine" else np.eye(4)
    moving = nib.Nifti1Image(moving.get_fdata(dtype=np.float32), movement @ size @ template_brain(2).affine)
    inside = image_like((moving.get_fdata() > 0).astype(np.uint8), moving)
    found = register_linear(moving, inside, kind=kind, out_prefix=tmp_path / "linear-")
    points = np.argwhere(np.asanyarray(template_mask(2).dataobj) > 0)[::500]
    points = apply_affine(template_brain(2).affine, points)
    there = through(read_steps(found.forward), points)
    assert np.linalg.norm(there - apply_affine(movement @ size, points), axis=1).max() < 0.5
    assert np.linalg.norm(through(read_steps(found.inverse), there) - points, axis=1).max() < 0.01


def to_brain(moving: nib.Nifti1Image, brain: nib.Nifti1Image, folder: Path) -> TemplateTransforms:
    inside = image_like((np.asanyarray(brain.dataobj) > 0).astype(np.uint8), brain)
    prefix = folder / "affine-"
    return register_affine(moving, brain, fixed_mask=inside, start=np.eye(4), out_prefix=prefix)


def test_there_and_back_is_where_it_was(brain: nib.Nifti1Image, tmp_path: Path) -> None:
    moving, _ = _moved(brain)
    found = to_brain(moving, brain, tmp_path)
    there = apply_transforms(moving, brain, [found.forward])
    back = apply_transforms(there, moving, [found.inverse])
    assert np.corrcoef(back.get_fdata().ravel(), moving.get_fdata().ravel())[0, 1] > 0.98


def test_template_registration_undoes_a_known_bend_there_and_back(tmp_path: Path) -> None:
    """The template itself, bent by a smooth field of up to 9 mm, goes back to where it was."""
    template = at_voxel_size(template_brain(2), 3.0)
    values = template.get_fdata(dtype=np.float32)
    where = np.meshgrid(*(np.arange(n) for n in values.shape), indexing="ij")
    bend = [3 * np.sin(2 * np.pi * where[(axis + 1) % 3] / values.shape[axis]) for axis in range(3)]
    bent = ndimage.map_coordinates(values, [w + b for w, b in zip(where, bend, strict=True)], order=1)
    brain = image_like(bent.astype(np.float32), template)
    mask = image_like((bent > 0).astype(np.uint8), template)
    found = register_to_template(brain, mask, out_prefix=tmp_path / "syn-", native_voxel_size=3.0)
    there = apply_transforms(brain, template, [found.forward]).get_fdata()
    back = apply_transforms(image_like(there.astype(np.float32), template), brain, [found.inverse])
    assert np.corrcoef(bent.ravel(), values.ravel())[0, 1] < 0.9
    assert np.corrcoef(there.ravel(), values.ravel())[0, 1] > 0.97
    assert np.corrcoef(back.get_fdata().ravel(), bent.ravel())[0, 1] > 0.97


def test_another_head_is_told_from_the_same(brain: nib.Nifti1Image) -> None:
    mask = template_mask(2)
    fixed = template_brain(2)
    data = fixed.get_fdata(dtype=np.float32)
    inverted = image_like(np.where(data > 0, 9000 - data, 0).astype(np.float32), fixed)
    check_same_head(inverted, fixed, mask, "sub-01_FLAIR.nii.gz", "sub-01_T1w.nii.gz")
    generator = np.random.default_rng(0)
    noise = image_like((generator.gamma(4, 30, data.shape) * (data > 0)).astype(np.float32), fixed)
    with pytest.raises(ImageError, match=r"sub-01_FLAIR.*another person"):
        check_same_head(noise, fixed, mask, "sub-01_FLAIR.nii.gz", "sub-01_T1w.nii.gz")
    with pytest.raises(ImageError, match="covers 0 % of the brain"):
        check_same_head(image_like(0 * data, fixed), fixed, mask, "sub-01_FLAIR.nii.gz", "sub-01_T1w.nii.gz")


@pytest.mark.parametrize("axes", range(24))
def test_another_contrast_with_a_lost_orientation_finds_its_start(axes: int) -> None:
    """All ways to name the axes lead back; upright, the header's own position is kept."""
    brain = at_voxel_size(template_brain(2), 4.0)
    data = brain.get_fdata(dtype=np.float32)
    other = np.where(data > 0, 1.2 * data.max() - data, 0).astype(np.float32)
    turn = affine_of(axis_rotations()[axes], np.array([12.0, -7, 30]) if axes else np.zeros(3))
    start = rigid_start(nib.Nifti1Image(other, turn @ brain.affine), brain)
    np.testing.assert_allclose(start[:3, :3] @ turn[:3, :3], np.eye(3), atol=1e-9)
    if not axes:
        np.testing.assert_array_equal(start, np.eye(4))
