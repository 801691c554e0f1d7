"""The template's own brain, turned, resized and in a made-up head, is found where it was put."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nibabel.affines import apply_affine
from scipy import ndimage
from scipy.spatial.transform import Rotation

from bids_brainage.errors import ImageError
from bids_brainage.preprocessing.locating import locate_brain
from bids_brainage.preprocessing.pose import TILT, affine_of, axis_rotations, find_pose
from bids_brainage.preprocessing.resampling import dilate
from bids_brainage.preprocessing.templates import template_brain, template_mask
from bids_brainage.preprocessing.turning import turned_upright


def in_a_head() -> nib.Nifti1Image:
    """The template in a skull of 6 mm without signal and a bright scalp of 8 mm, with a neck."""
    brain = template_brain(2)
    data = np.pad(brain.get_fdata(dtype=np.float32), ((12, 12), (12, 12), (30, 12)))
    inside = np.pad(np.asanyarray(template_mask(2).dataobj) > 0, ((12, 12), (12, 12), (30, 12)))
    skull, scalp = (dilate(inside, reach, np.full(3, 2.0)) for reach in (6.0, 14.0))
    x, y, _ = np.indices(data.shape)
    neck = (x - 57) ** 2 + (y - 55) ** 2 < 22**2
    neck[:, :, 45:] = False
    head = np.where(inside, data, 0.9 * data.max() * (scalp & ~skull))
    head = np.where(neck & ~skull, 0.5 * data.max(), head).astype(np.float32)
    affine = brain.affine.copy()
    affine[:3, 3] = apply_affine(affine, (-12, -12, -30))
    return nib.Nifti1Image(ndimage.gaussian_filter(head, 0.5), affine)


@pytest.fixture(scope="module")
def head() -> nib.Nifti1Image:
    return in_a_head()


def placed(
    image: nib.Nifti1Image, rotation: np.ndarray, scale: float, shift: tuple[float, ...]
) -> nib.Nifti1Image:
    affine = affine_of(scale * rotation, np.array(shift)) @ image.affine
    return nib.Nifti1Image(image.get_fdata(dtype=np.float32), affine)


def degrees_between(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.rad2deg(Rotation.from_matrix(first @ second).magnitude()))


@settings(max_examples=12, deadline=None)
@given(
    axes=st.integers(0, 23),
    tilt=st.tuples(*[st.floats(-25, 25)] * 3),
    scale=st.floats(0.9, 1.1),
    shift=st.tuples(*[st.floats(-60, 60)] * 3),
)
def test_a_head_is_found_however_it_lies(
    head: nib.Nifti1Image, axes: int, tilt: tuple[float, ...], scale: float, shift: tuple[float, ...]
) -> None:
    rotation = axis_rotations()[axes] @ Rotation.from_euler("xyz", tilt, degrees=True).as_matrix()
    pose = find_pose(placed(head, rotation, scale, shift))
    # Nearer than the next orientation that is tried. Of 148 random ones half were found within 6 degrees, the
    # worst at 18.6; from there (the last case of the test below) the affine that follows finds the brain.
    assert degrees_between(pose.rotation, rotation) < TILT
    moved = apply_affine(pose.similarity, scale * rotation @ np.array([0.0, -18.0, 10.0]) + shift)
    np.testing.assert_allclose(moved, (0, -18, 10), atol=14)


def test_the_names_of_axes_are_all_rotations_and_differ() -> None:
    rotations = axis_rotations()
    assert len({turn.tobytes() for turn in rotations}) == 24
    np.testing.assert_array_equal(rotations[0], np.eye(3))
    for turn in rotations:
        assert np.linalg.det(turn) == pytest.approx(1)


@pytest.mark.parametrize("angles", [(0, 0, 0), (40, 0, 0), (180, 0, 0), (0, 35, 90), (-15.85, 23.15, 15.05)])
def test_the_brain_is_located_in_a_head_with_neck(
    head: nib.Nifti1Image, angles: tuple[float, ...], tmp_path: Path
) -> None:
    rotation = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    image = placed(head, rotation, 0.9, (10, 0, -20))
    located = locate_brain(image, tmp_path)
    assert not located.stripped
    assert not located.doubtful
    found = located.prior(image)
    true = np.pad(np.asanyarray(template_mask(2).dataobj) > 0, ((12, 12), (12, 12), (30, 12)))
    assert 2 * (found & true).sum() / (found.sum() + true.sum()) > 0.95
    # Turned by that rigid map it lies as the template does.
    assert degrees_between(located.rigid[:3, :3], rotation) < 3


def test_a_brain_alone_has_no_rim_of_signal(tmp_path: Path) -> None:
    assert locate_brain(template_brain(2), tmp_path).stripped


def test_what_is_no_t1w_brain_is_told(head: nib.Nifti1Image, tmp_path: Path) -> None:
    brain = template_brain(2)
    data, inside = brain.get_fdata(dtype=np.float32), np.asanyarray(template_mask(2).dataobj) > 0
    inverted = np.where(inside, 1.1 * data.max() - data, 0).astype(np.float32)
    with pytest.raises(ImageError, match=r"sub-01_T1w.*white matter is darker than grey"):
        locate_brain(nib.Nifti1Image(inverted, brain.affine), tmp_path, name="sub-01_T1w.nii.gz")
    noise = np.random.default_rng(0).random(data.shape, dtype=np.float32)
    with pytest.raises(ImageError, match=r"sub-01_T1w.*Nothing|Nothing.*sub-01_T1w"):
        locate_brain(nib.Nifti1Image(noise, brain.affine), tmp_path, name="sub-01_T1w.nii.gz")


@pytest.mark.parametrize("axes", range(24))
def test_a_lost_orientation_is_put_right_without_interpolation(head: nib.Nifti1Image, axes: int) -> None:
    turn = axis_rotations()[axes]
    image, degrees = turned_upright(placed(head, turn, 1.0, (0, 0, 0)))
    np.testing.assert_allclose(image.affine[:3, :3], head.affine[:3, :3], atol=1e-9)
    np.testing.assert_array_equal(image.dataobj, head.dataobj)
    assert (degrees == 0) == (axes == 0)


def test_a_tilted_head_is_left_as_its_header_has_it(head: nib.Nifti1Image) -> None:
    tilted = placed(head, Rotation.from_euler("x", 40, degrees=True).as_matrix(), 1.0, (0, 0, 0))
    assert turned_upright(tilted) == (tilted, 0.0)
