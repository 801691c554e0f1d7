"""The tori of the paper, held against facts worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import binary_dilation, label

from bids_brainage.simulation.tori import (
    INNER,
    OUTER,
    draw_age,
    lose_pixels,
    near,
    simulate_tori,
    simulate_torus,
)

EIGHT = np.ones((3, 3))


@pytest.fixture(scope="module")
def tori():
    return simulate_tori(1, range(400))


@given(seed=st.integers(0, 2**40), index=st.integers(0, 10**6))
@settings(max_examples=10, deadline=None)
def test_same_seed_and_index_same_torus(seed: int, index: int) -> None:
    torus, again, other = (simulate_torus(seed, i) for i in (index, index, index + 1))
    assert torus.age == again.age
    np.testing.assert_array_equal(torus.image, again.image)
    assert not np.array_equal(torus.image, other.image)


def test_a_torus_does_not_depend_on_its_company(tori) -> None:
    few = simulate_tori(1, [7, 3], nprocs=2)
    np.testing.assert_array_equal(few.images, tori.images[[7, 3]])
    np.testing.assert_array_equal(few.atrophies, tori.atrophies[[7, 3]])
    np.testing.assert_array_equal(few.ages, tori.ages[[7, 3]])


def test_ages_are_a_mixture_of_uniform_and_normal() -> None:
    """80 % uniform over 20 to 80 (mean 50, variance 300), 20 % N(55, 4): mean 51, variance 247.2."""
    ages = np.array([draw_age(2, i) for i in range(4000)])
    assert ages.min() >= 20
    assert ages.max() <= 80
    assert ages.mean() == pytest.approx(51, abs=4 * 15.72 / np.sqrt(4000))
    assert ages.var() == pytest.approx(247.2, rel=0.05)
    # Between 51 and 59 lie 8/60 of the uniform ages and 68.3 % of the normal ones.
    assert np.mean((ages > 51) & (ages < 59)) == pytest.approx(0.8 * 8 / 60 + 0.2 * 0.683, abs=0.03)


def test_sizes_and_intensities() -> None:
    plain = simulate_tori(3, range(300), lesions=False, atrophies=False)
    body = plain.images > 0
    # Area of the ellipse less that of the hole, which has 0.4 of its radii; the radii are independent.
    areas = body.sum(axis=(1, 2))
    assert areas.mean() == pytest.approx(np.pi * 40 * 32.5 * (1 - 0.4**2), rel=0.03)
    heights = body.any(axis=2).sum(axis=1) / 2
    widths = body.any(axis=1).sum(axis=1) / 2
    assert heights.mean() == pytest.approx(40, abs=0.7)
    assert widths.mean() == pytest.approx(32.5, abs=0.7)
    assert widths.std() == pytest.approx(4, rel=0.15)
    assert abs(np.corrcoef(heights, widths)[0, 1]) < 0.2
    levels = plain.images.max(axis=(1, 2))
    np.testing.assert_allclose(plain.images, body * levels[:, None, None])
    assert levels.mean() == pytest.approx(0.8, abs=0.01)
    assert levels.std() == pytest.approx(0.04, rel=0.15)
    assert not plain.lesions.any()
    assert not plain.atrophies.any()
    assert not body[:, [0, -1]].any()
    assert not body[:, :, [0, -1]].any()


def test_holes_have_their_share_of_the_radii() -> None:
    body = simulate_torus(5, 0, lesions=False, atrophies=False).image > 0
    zeros, _ = label(~body)
    hole = zeros == zeros[49, 49]
    assert hole.any(axis=1).sum() == pytest.approx(0.4 * body.any(axis=1).sum(), abs=2)
    assert hole.any(axis=0).sum() == pytest.approx(0.4 * body.any(axis=0).sum(), abs=2)


def test_number_of_lesions() -> None:
    """N(age - 40, 1), held between 0 and 40 and rounded, which adds a variance of 1/12."""
    young, sixty, old = (
        np.array([simulate_torus(4, i, age=age, atrophies=False).n_lesions for i in range(200)])
        for age in (35.0, 60.0, 90.0)
    )
    assert not young.any()
    assert sixty.mean() == pytest.approx(20, abs=0.3)
    assert sixty.std() == pytest.approx(np.sqrt(1 + 1 / 12), rel=0.2)
    assert set(old) == {40}


def test_lesions_are_bright_patches_with_room_around_them() -> None:
    brighter = []
    for index in range(120):
        torus = simulate_torus(6, index, age=41.0, atrophies=False)
        if torus.n_lesions != 1:
            continue
        rows, columns = np.nonzero(torus.lesions)
        assert len(rows) == 9
        assert (np.ptp(rows), np.ptp(columns)) == (2, 2)
        room = torus.image[rows.min() - 1 : rows.max() + 2, columns.min() - 1 : columns.max() + 2]
        assert room.shape == (5, 5)
        assert (room > 0).all()
        level = simulate_torus(6, index, lesions=False, atrophies=False).image.max()
        inside = torus.image[torus.lesions]
        assert np.ptp(inside) == 0
        assert inside.max() <= 1
        assert (torus.image[~torus.lesions & (torus.image > 0)] == level).all()
        if inside[0] < 1:
            brighter.append(inside[0] - level)
    # What was clipped at 1 is left out, which takes a little off the mean of 0.2.
    assert np.mean(brighter) == pytest.approx(0.195, abs=0.015)
    assert np.std(brighter) == pytest.approx(0.025, abs=0.01)


def test_number_of_atrophies(tori) -> None:
    lost = (tori.atrophies > 0).sum(axis=(1, 2))
    assert lost.max() <= 400
    differences = lost - np.minimum(5 * tori.ages, 400)
    assert abs(differences.mean()) < 0.3
    assert differences.std() == pytest.approx(1.5, rel=0.2)


def test_atrophies_grow_from_the_borders(tori) -> None:
    """Lost pixels touch the hole or the outside, or others lost before; outer and inner are told apart."""
    whole = simulate_tori(1, range(20), atrophies=False)
    for image, lost, before in zip(tori.images, tori.atrophies, whole.images, strict=False):
        assert (before[lost > 0] > 0).all()
        assert not image[lost > 0].any()
        np.testing.assert_array_equal(image[lost == 0], before[lost == 0])
        zeros, _ = label(before == 0)
        for side, start in ((OUTER, zeros == zeros[0, 0]), (INNER, zeros == zeros[49, 49])):
            clusters, count = label(lost == side, EIGHT)
            touching = set(clusters[binary_dilation(start, EIGHT)]) - {0}
            assert len(touching) == count > 0


def test_a_torus_keeps_what_it_has_lost_when_it_gets_older() -> None:
    young, old = (simulate_torus(8, 1, age=age) for age in (20.0, 80.0))
    assert ((young.atrophies > 0) <= (old.atrophies > 0)).all()
    assert (young.atrophies > 0).sum() == pytest.approx(100, abs=6)
    mixed = simulate_torus(8, 1, age=80.0, atrophy_age=20.0)
    np.testing.assert_array_equal(mixed.atrophies, young.atrophies)
    assert mixed.n_lesions == old.n_lesions > 35


def test_what_has_more_zeros_around_it_is_lost_sooner() -> None:
    """Of a square of 3 x 3, corners have 5 zeros around them and edges 3: 20 to 12 for the corners."""
    body = np.zeros((5, 5), bool)
    body[1:4, 1:4] = True
    first = sum(lose_pixels(body, 1, np.random.default_rng(seed)) for seed in range(2000))
    assert first.sum() == 2000
    assert first[2, 2] == 0
    corners = first[1, 1] + first[1, 3] + first[3, 1] + first[3, 3]
    assert corners / 2000 == pytest.approx(20 / 32, abs=0.04)


def test_all_can_be_lost() -> None:
    body = np.zeros((4, 6), bool)
    body[:3, 1:5] = True
    np.testing.assert_array_equal(lose_pixels(body, 12, np.random.default_rng(0)), body)


def test_near_reaches_over_corners() -> None:
    place = np.zeros((1, 7, 7), bool)
    place[0, 3, 3] = True
    np.testing.assert_array_equal(near(place, 0), place)
    assert near(place, 1).sum() == 9
    assert near(place, 2).sum() == 25


def test_truth_fits_the_images(tori) -> None:
    assert not (tori.lesions & (tori.images == 0)).any()
    assert (tori.lesions.sum(axis=(1, 2)) <= 9 * tori.n_lesions).all()
    older = tori.ages > 60
    assert (tori.lesions[older].sum(axis=(1, 2)) > 6 * tori.n_lesions[older]).all()
