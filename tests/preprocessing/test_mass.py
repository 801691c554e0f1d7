"""Maps are carried between grids as masses: sums by hand, densities by the Jacobian, and ANTs beside it."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from nibabel.affines import apply_affine
from scipy import ndimage

from bids_brainage.preprocessing.mass import REACH, LinearShares, MassTransport
from bids_brainage.preprocessing.transforms import LPS, Linear, Step

BEND, WAVE = 5.0, 80.0  # mm


def on_grid(data: np.ndarray, size: float, turn: np.ndarray | None = None) -> nib.Nifti1Image:
    """Data on a grid whose middle is the world's, with voxels of that size."""
    affine = np.diag([size, size, size, 1.0])
    affine[:3, 3] = -size * (np.array(data.shape) - 1) / 2
    return nib.Nifti1Image(data, affine if turn is None else turn @ affine)


def points_of(image: nib.Nifti1Image) -> np.ndarray:
    """The places (n, 3) of all voxels, mm."""
    return apply_affine(image.affine, np.argwhere(np.ones(image.shape, bool)))


def bend(points: np.ndarray) -> np.ndarray:
    """A warp whose Jacobian is known: along each axis, x + a cos(2 pi x / l)."""
    return points + BEND * np.cos(2 * np.pi * points / WAVE)


def stretch(points: np.ndarray) -> np.ndarray:
    """Its Jacobian determinant."""
    return (1 - 2 * np.pi * BEND / WAVE * np.sin(2 * np.pi * points / WAVE)).prod(axis=-1)


def unbend(points: np.ndarray) -> np.ndarray:
    """The inverse of `bend`, by iteration."""
    found = points.copy()
    for _ in range(60):
        found = points - BEND * np.cos(2 * np.pi * found / WAVE)
    return found


def bend_lps(points: np.ndarray) -> np.ndarray:
    """`bend` as a step of a transform."""
    return bend(points * LPS) * LPS


def total(image: nib.Nifti1Image) -> float:
    return float(np.asarray(image.dataobj).sum(dtype=np.float64))


@pytest.fixture(scope="module")
def ball() -> nib.Nifti1Image:
    """A ball of 24 mm on a grid of 1 mm, as a brain mask."""
    grid = on_grid(np.zeros((64, 66, 68), np.uint8), 1.0)
    inside = np.linalg.norm(points_of(grid), axis=1) < 24
    return nib.Nifti1Image(inside.reshape(grid.shape).astype(np.uint8), grid.affine)


@pytest.fixture(scope="module")
def standard() -> nib.Nifti1Image:
    return on_grid(np.zeros((36, 37, 38), np.float32), 2.0)


@pytest.fixture(scope="module")
def bent(ball: nib.Nifti1Image, standard: nib.Nifti1Image) -> MassTransport:
    return MassTransport(ball, standard, [bend_lps])


def test_shares_of_three_points_by_hand() -> None:
    """One between four voxels, one on a voxel, one beyond the grid."""
    shares = LinearShares.of([np.array([[0.25, 1, 1.5], [2, 2, 2]]), np.array([[9.0, -4, 1]])], (3, 3, 3))
    expected = np.zeros((3, 3, 3))
    expected[0, 1, 1:] = 0.75 * 0.5 * 8
    expected[1, 1, 1:] = 0.25 * 0.5 * 8
    expected[2, 2, 2] = -3
    expected[2, 0, 1] = 5
    np.testing.assert_allclose(shares.splat(np.array([8.0, -3.0, 5.0])).reshape(3, 3, 3), expected)
    values = np.arange(27.0)
    np.testing.assert_allclose(shares.gather(values), [0.25 * 9 + 3 + 1.5, 26, 19])
    np.testing.assert_allclose(shares.places, np.transpose([(0.25, 1, 1.5), (2, 2, 2), (2, 0, 1)]))


def test_a_voxel_and_back_by_hand() -> None:
    """A voxel of 1 mm midway between two of 2 mm gives each a half; one of 2 mm comes back as a tent."""
    mask = nib.Nifti1Image(np.ones((9, 9, 9), np.uint8), np.eye(4))
    standard = nib.Nifti1Image(np.zeros((5, 5, 5), np.float32), np.diag([2.0, 2, 2, 1]))
    transport = MassTransport(mask, standard, [])
    one = np.zeros(mask.shape, np.float32)
    one[3, 5, 3] = 8
    moved = np.asarray(transport.to_standard(nib.Nifti1Image(one, mask.affine)).dataobj)
    # Points at a quarter from the centre have 5/8 and 3/8 along each axis.
    np.testing.assert_allclose(moved[1, 2, 1], 4 * (5**3 + 3**3) / 8**3)
    np.testing.assert_allclose(moved[1:3].sum(axis=(1, 2)), 4)
    assert moved.sum() == 8
    one = np.zeros(standard.shape, np.float32)
    one[2, 2, 2] = 8
    back = np.asarray(transport.to_subject(nib.Nifti1Image(one, standard.affine)).dataobj)
    # From x = 2 to 6 it receives 1/16, 1/2, 7/8, 1/2 and 1/16 of a layer, so two in all.
    np.testing.assert_allclose(back.sum(axis=(1, 2))[2:7], [1 / 4, 2, 3.5, 2, 1 / 4])
    assert back.sum() == pytest.approx(8)


AFFINES = arrays(np.float64, (3, 3), elements=st.floats(-0.25, 0.25)).map(lambda part: part + np.eye(3))
WAYS = st.one_of(
    st.builds(Linear, AFFINES, arrays(np.float64, 3, elements=st.floats(-20, 20))), st.just(bend_lps)
)


@settings(max_examples=30, deadline=None)
@given(way=WAYS, seed=st.integers(0, 2**31), size=st.sampled_from([1.0, 1.5, 3.0]), empty=st.booleans())
def test_the_sum_of_each_sign_is_kept_both_ways(way: Step, seed: int, size: float, empty: bool) -> None:
    """For every map and warp, where brains lie beyond the template and relevance beyond the brain, too."""
    rng = np.random.default_rng(seed)
    turn = np.eye(4)
    turn[:3, :3] = np.eye(3)[rng.permutation(3)] * rng.choice([-1, 1], 3)
    mask = on_grid((rng.random((11, 12, 13)) < (0.01 if empty else 0.6)).astype(np.uint8), size, turn)
    standard = on_grid(np.zeros((9, 8, 7), np.float32), 2.0)
    transport = MassTransport(mask, standard, [way])
    for grid, carry in ((mask, transport.to_standard), (standard, transport.to_subject)):
        data = (rng.normal(size=grid.shape) * (rng.random(grid.shape) < 0.5)).astype(np.float32)
        both = carry(nib.Nifti1Image(data, grid.affine))
        parts = [carry(nib.Nifti1Image(np.maximum(sign * data, 0), grid.affine)) for sign in (1, -1)]
        if carry == transport.to_subject and not np.asarray(mask.dataobj).any():
            continue
        for sign, part in zip((1, -1), parts, strict=True):
            assert total(part) == pytest.approx(np.maximum(sign * data, 0).sum(dtype=np.float64), rel=1e-6)
            assert np.asarray(part.dataobj).min() >= 0
        difference = np.asarray(parts[0].dataobj) - np.asarray(parts[1].dataobj)
        np.testing.assert_allclose(both.dataobj, difference, atol=1e-6 * np.abs(data).sum())


def test_density_follows_the_jacobian_both_ways(
    ball: nib.Nifti1Image, standard: nib.Nifti1Image, bent: MassTransport
) -> None:
    """Even density in a ball: where the warp stretches, less is in a voxel, and its mass is kept."""
    moved = bent.to_standard(nib.Nifti1Image(np.asarray(ball.dataobj).astype(np.float32), ball.affine))
    assert total(moved) == pytest.approx(np.asarray(ball.dataobj).sum(), rel=1e-6)
    there = points_of(standard)
    before = unbend(there)
    inside = np.linalg.norm(before, axis=1) < 20
    found, expected = np.asarray(moved.dataobj).ravel()[inside], 8 / stretch(before[inside])
    assert expected.max() / expected.min() > 3
    np.testing.assert_allclose(found, expected, rtol=0.12)
    assert np.mean(found / expected) == pytest.approx(1, abs=0.01)
    even = bent.to_subject(nib.Nifti1Image(np.ones(standard.shape, np.float32), standard.affine))
    here = points_of(ball)
    inside = np.linalg.norm(here, axis=1) < 22
    found, expected = np.asarray(even.dataobj).ravel()[inside], stretch(here[inside]) / 8
    np.testing.assert_allclose(found, expected, rtol=0.12)
    assert np.mean(found / expected) == pytest.approx(1, abs=0.01)


def test_as_ants_interpolates_times_the_jacobian(
    ball: nib.Nifti1Image, standard: nib.Nifti1Image, bent: MassTransport, tmp_path: Path
) -> None:
    """A smooth map of both signs, by ANTs through the field of the inverse warp and its determinant."""
    import ants

    from bids_brainage.preprocessing.ants_bridge import to_ants

    noise = np.random.default_rng(0).normal(size=ball.shape) * np.asarray(ball.dataobj)
    smooth = ndimage.gaussian_filter(noise, 5)
    relevance = nib.Nifti1Image((1000 * smooth).astype(np.float32), ball.affine)
    there = points_of(standard)
    grid = to_ants(standard, 1)
    field = ((unbend(there) - there) * LPS).reshape(*standard.shape, 3).astype(np.float32)
    image = ants.from_numpy(field, grid.origin, grid.spacing, grid.direction, has_components=True)
    ants.image_write(image, str(tmp_path / "warp.nii.gz"))
    name = [str(tmp_path / "warp.nii.gz")]
    pulled = ants.apply_transforms(grid, to_ants(relevance, 1), name).numpy()
    expected = 8 * pulled * ants.create_jacobian_determinant_image(grid, name[0]).numpy()
    found = np.asarray(bent.to_standard(relevance).dataobj)
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.995
    quarters = np.sign(there.reshape(*standard.shape, 3)) @ [1, 2, 4]
    for part in np.unique(quarters[np.abs(expected) > 0]):
        chosen = quarters == part
        size = np.abs(expected[chosen]).sum()
        assert found[chosen].sum() == pytest.approx(expected[chosen].sum(), abs=0.02 * size)


def test_there_and_back_keeps_the_sums_of_regions(
    ball: nib.Nifti1Image, standard: nib.Nifti1Image, bent: MassTransport
) -> None:
    """Twelve pieces of the ball, with the atlas of the standard grid carried to the person's."""
    there = points_of(standard)
    piece = 1 + np.digitize(there[:, 0], [-8, 8]) + 3 * (there[:, 1] > 0) + 6 * (there[:, 2] > 0)
    atlas = nib.Nifti1Image(piece.reshape(standard.shape).astype(np.int16), standard.affine)
    labels = bent.labels(atlas)
    here = np.asarray(ball.dataobj) > 0
    x, y, z = bend(points_of(ball)[here.ravel()]).T
    sides = 1 + np.digitize(x, [-8, 8]) + 3 * (y > 0) + 6 * (z > 0)
    # Voxels of 2 mm: pieces begin a millimetre at most aside.
    assert np.mean(labels[here] == sides) > 0.93
    smooth = ndimage.gaussian_filter(np.random.default_rng(1).normal(size=ball.shape), 4)
    data = (np.exp(20 * smooth) * here).astype(np.float32)
    moved = bent.to_standard(nib.Nifti1Image(data, ball.affine))
    back = bent.to_subject(moved)
    own = np.bincount(labels.ravel(), data.ravel())[1:]
    np.testing.assert_allclose(np.bincount(piece, np.asarray(moved.dataobj).ravel())[1:], own, rtol=0.07)
    np.testing.assert_allclose(
        np.bincount(labels.ravel(), np.asarray(back.dataobj).ravel())[1:], own, rtol=0.1
    )


def test_what_no_voxel_maps_into_goes_to_the_nearest(
    ball: nib.Nifti1Image, standard: nib.Nifti1Image
) -> None:
    """A brain that reaches only half of the template: the other half's years come to its near side."""
    transport = MassTransport(ball, standard, [Linear(np.eye(3), np.array([30.0, 0, 0]) * LPS)])
    data = np.zeros(standard.shape, np.float32)
    data[2:5, 18, 18] = (1, 2, -7)
    back = np.asarray(transport.to_subject(nib.Nifti1Image(data, standard.affine)).dataobj)
    assert back.sum(dtype=np.float64) == pytest.approx(-4, abs=1e-5)
    x, y, z = np.nonzero(back)
    assert x.max() < 12
    assert np.abs(y - 32).max() < 8
    assert np.abs(z - 34).max() < 8


def test_relevance_far_from_the_brain_is_not_lost(
    ball: nib.Nifti1Image, standard: nib.Nifti1Image, bent: MassTransport
) -> None:
    data = np.zeros(ball.shape, np.float32)
    data[1, 2, 3], data[32, 33, 34], data[60, 5, 60] = 3, 1, -5
    assert np.linalg.norm(apply_affine(ball.affine, (1, 2, 3))) > 24 + REACH
    moved = np.asarray(bent.to_standard(nib.Nifti1Image(data, ball.affine)).dataobj)
    assert moved.sum(dtype=np.float64) == pytest.approx(-1, abs=1e-6)
    place = bend(apply_affine(ball.affine, (1, 2, 3))[None])
    voxel = np.rint(apply_affine(np.linalg.inv(standard.affine), place)).astype(int)[0]
    around = tuple(slice(max(n - 1, 0), n + 2) for n in voxel)
    assert moved[around].sum() == pytest.approx(3)


def test_no_holes_and_no_blocks(ball: nib.Nifti1Image) -> None:
    """A small head stretched by half: every voxel in it is filled, and what comes back is smooth."""
    grow = Linear(1.5 * np.eye(3), np.array([0.3, -0.4, 0.7]) * LPS)
    standard = on_grid(np.zeros((44, 44, 44), np.float32), 2.0)
    transport = MassTransport(ball, standard, [grow])
    moved = transport.to_standard(nib.Nifti1Image(np.asarray(ball.dataobj).astype(np.float32), ball.affine))
    inside = np.linalg.norm(points_of(standard), axis=1) < 30
    found = np.asarray(moved.dataobj).ravel()[inside]
    np.testing.assert_allclose(found, 8 / 1.5**3, rtol=0.1)
    ramp = (1 + points_of(standard)[:, 0] / 100).reshape(standard.shape)
    back = np.asarray(transport.to_subject(nib.Nifti1Image(ramp.astype(np.float32), standard.affine)).dataobj)
    x = points_of(ball)[:, 0].reshape(ball.shape)[12:53, 33, 34]
    np.testing.assert_allclose(back[12:53, 33, 34], (1 + (1.5 * x + 0.3) / 100) * 1.5**3 / 8, rtol=0.06)
