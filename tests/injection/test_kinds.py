"""What each change does to a head, by values worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy import ndimage

from bids_brainage.errors import ImageError, InputError
from bids_brainage.injection.change import Change
from bids_brainage.injection.head import BEYOND, Head, atlas_at
from bids_brainage.injection.kinds import inject
from bids_brainage.injection.levels import measure_levels, tissue_of
from tests.injection.heads import SIGNAL, image_of, tissue_classes


def near(head: Head, x: float, y: float, z: float) -> tuple[int, ...]:
    """The voxel nearest to a point of the template."""
    away = ((head.points - np.array([x, y, z]).reshape(3, 1, 1, 1)) ** 2).sum(axis=0)
    return np.unravel_index(away.argmin(), away.shape)


def test_a_head_whose_tissues_are_known_is_made_of_them(head):
    for modality, (white, grey, csf) in SIGNAL.items():
        assert head.levels[modality] == pytest.approx((white, grey, csf), rel=1e-3)
    assert sum(head.tissue)[head.mask] == pytest.approx(1, abs=1e-5)
    deep = ndimage.binary_erosion(head.of("Cerebral-White-Matter"), iterations=2)
    assert head.tissue.white[deep] == pytest.approx(1, abs=5e-3)
    fluid = ndimage.binary_erosion(head.of("Lateral-Ventricle"))
    assert np.median(head.tissue.csf[fluid]) == pytest.approx(1, abs=0.03)


def test_points_of_the_template_have_the_atlas_structures(head):
    table = {number: code for code, number in head.codes.items()}
    assert table[head.labels[near(head, -26, 2, 0)]] == "Left-Putamen"
    assert table[head.labels[near(head, 26, 2, 0)]] == "Right-Putamen"
    assert head.labels[~head.mask].max() == 0
    parts = [head.part(region) for region in ("Cortical", "Subcortical", "Cerebellum")]
    np.testing.assert_array_equal(sum(part.astype(int) for part in parts), head.mask)
    assert parts[1][near(head, -26, 2, 0)]
    assert parts[2][near(head, 20, -60, -40)]
    assert (head.points[:, ~head.mask] == BEYOND).all()


def test_levels_are_found_in_noise_with_lesions_and_strange_brightness():
    classes, _ = tissue_classes()
    images = {m: 7 * np.asarray(image_of(m, noise=3).dataobj) for m in SIGNAL}
    white, grey, fluid = (classes == number for number in range(3))
    spots = white & (np.random.default_rng(0).random(classes.shape) < 0.1)
    images["FLAIR"][spots] *= 3
    levels = measure_levels("sub-01", images, white=white, grey=grey, fluid=fluid)
    for modality, wanted in SIGNAL.items():
        assert levels[modality].white == pytest.approx(7 * wanted[0], rel=0.03)
        assert levels[modality].grey == pytest.approx(7 * wanted[1], rel=0.04)
        # Fluid is a dark value on T1w: below its mean by what noise adds.
        assert levels[modality].csf == pytest.approx(7 * wanted[2], rel=0.04, abs=7 * 4.5)


def test_where_tissues_cannot_be_told_apart_nothing_is_measured():
    everywhere = np.ones((10, 10, 10), bool)
    flat = {"T1w": np.full(everywhere.shape, 5, np.float32)}
    with pytest.raises(ImageError, match="sub-01: white matter"):
        measure_levels("sub-01", flat, white=everywhere, grey=everywhere, fluid=everywhere)


@pytest.mark.parametrize("dose", [0.5, 16.0])
def test_lesions_have_the_doses_volume_and_the_signals_of_lesions(head, dose):
    altered = inject(head, Change("lesions", dose))
    assert altered.weight.sum() * head.voxel_ml == pytest.approx(dose, rel=1e-3)
    assert altered.weight[head.tissue.white < 0.01].sum() < 0.02 * altered.weight.sum()
    assert altered.weight[head.of("Lateral-Ventricle", "Thalamus-Proper", "Putamen")].max() == 0
    full = altered.weight > 0.999
    assert full.any()
    assert altered.images["FLAIR"][full] == pytest.approx(165, abs=0.5)
    assert altered.images["T1w"][full] == pytest.approx(68, abs=0.5)
    assert altered.images["T2starw"][full] == pytest.approx(104, abs=0.5)
    none = altered.weight == 0
    for modality, image in altered.images.items():
        np.testing.assert_array_equal(image[none], head.images[modality][none])


def test_lesions_are_blobs_of_some_millimetres(head):
    altered = inject(head, Change("lesions", 12))
    parts, count = ndimage.label(altered.weight > 0.5)
    volumes = np.bincount(parts.ravel())[1:] * head.voxel_ml
    assert count > 20
    # A ball of 3 mm has 0.11 ml; what has grown together may have some ml.
    assert 0.03 < np.average(volumes, weights=volumes) < 4
    assert volumes.max() < 6


def test_lesions_lie_where_they_are_asked_for(head):
    near_ventricle, deep = (
        inject(head, Change("lesions", 2, region=region)).weight for region in ("periventricular", "deep")
    )
    away = head.distance(head.of("Lateral-Ventricle"))
    assert np.average(away, weights=near_ventricle) < 8 < np.average(away, weights=deep)


def test_another_seed_or_person_has_other_lesions(head):
    first, other = (inject(head, Change("lesions", 2, seed=seed)).weight for seed in (0, 1))
    third = inject(replace(head, name="sub-02"), Change("lesions", 2)).weight
    np.testing.assert_array_equal(first, inject(head, Change("lesions", 2)).weight)
    for weight in (other, third):
        assert np.minimum(first, weight).sum() < 0.3 * first.sum()


@pytest.mark.parametrize(
    ("kind", "doses"),
    [
        ("lesions", (1, 4, 16)),
        ("ventricles", (1, 2, 4)),
        ("cortex", (0.05, 0.1, 0.2)),
        ("iron", (0.1, 0.2, 0.4)),
    ],
)
def test_more_contains_less(head, kind, doses):
    changes = [inject(head, Change(kind, dose)) for dose in doses]
    for less, more in pairwise(changes):
        lacking = np.clip(less.weight - more.weight, 0, None)
        # Where two walls of ventricles meet, numbers are less exact.
        assert lacking.sum() <= (0.01 if kind == "ventricles" else 1e-6) * less.weight.sum()
    # The sequence that shows it best moves on, in the same direction.
    modality = "T2starw" if kind == "iron" else "FLAIR"
    moved = [np.abs(own.images[modality] - head.images[modality]).sum() for own in changes]
    assert moved == sorted(moved)
    assert moved[0] > 0


@pytest.mark.parametrize(
    ("kind", "dose"), [("lesions", 5), ("ventricles", 3), ("cortex", 0.1), ("iron", 0.3)]
)
@pytest.mark.parametrize("side", ["left", "right"])
def test_one_side_is_the_persons_own(head, kind, dose, side):
    altered = inject(head, Change(kind, dose, side))
    left = head.points[0] < -5
    right = (head.points[0] > 5) & head.mask
    own, other = (left, right) if side == "left" else (right, left)
    for modality, image in altered.images.items():
        moved = np.abs(image - head.images[modality])
        assert moved[own].sum() > 0
        # Walls of ventricles meet in the midline.
        assert moved[other].sum() < 0.01 * moved[own].sum()
    volumes = head.sides_ml(altered.weight)
    assert volumes[0 if side == "left" else 1] > 0.9 * sum(volumes)


def test_iron_takes_its_share_of_the_signal_from_nuclei_on_t2starw_alone(head):
    altered = inject(head, Change("iron", 0.4, "left"))
    assert list(altered.images) == ["T2starw"]
    after, before = altered.images["T2starw"], head.images["T2starw"]
    for place in ((-26, 2, 0), (-20, -4, -2), (-13, 14, 10), (-9.5, -18.5, -11.5)):
        assert after[near(head, *place)] == pytest.approx(0.6 * before[near(head, *place)], rel=0.02)
    assert after[near(head, -30, -30, 40)] == before[near(head, -30, -30, 40)]
    pallidum = inject(head, Change("iron", 0.4, region="pallidum"))
    assert pallidum.weight[near(head, -20, -4, -2)] > 0.9
    assert pallidum.weight[near(head, -13, 14, 10)] == 0
    assert pallidum.available_ml < altered.available_ml


def test_cortex_loses_its_share_to_fluid(head):
    altered = inject(head, Change("cortex", 0.2, region="frontal"))
    assert altered.weight.sum() * head.voxel_ml == pytest.approx(0.2 * altered.available_ml, rel=1e-4)
    lost = altered.weight.sum()
    for modality, (_, grey, csf) in SIGNAL.items():
        moved = (altered.images[modality] - head.images[modality]).sum()
        assert moved == pytest.approx(lost * (csf - grey), rel=0.02)
        low = min(csf, head.images[modality][head.mask].min())
        assert altered.images[modality][head.mask].min() >= low - 1e-3
    y = head.points[1]
    assert (altered.weight * (y < -50)).sum() == 0
    assert inject(head, Change("cortex", 0.2, region="occipital")).weight[y > 0].sum() == 0


@pytest.fixture(scope="module")
def ball() -> Head:
    """A ball of white matter with a round ventricle of 12 mm in its middle, and grey matter around."""
    size, voxel = 90, 1.5
    affine = np.diag([voxel, voxel, voxel, 1.0])
    affine[:3, 3] = -voxel * (size - 1) / 2
    axes = np.ogrid[tuple(slice(0, size) for _ in range(3))]
    points = np.stack(np.broadcast_arrays(*(voxel * (axis - (size - 1) / 2) for axis in axes)))
    radius = np.sqrt((points**2).sum(axis=0))
    mask = radius < 60
    codes = {"Left-Lateral-Ventricle": 1, "Left-Cerebral-White-Matter": 2, "ctx-lh-cuneus": 3}
    labels = np.select([radius < 12, radius < 50, mask], [1, 2, 3], 0).astype(np.int16)
    # Edges of one voxel, as scanners see them.
    inner, outer = (np.clip(0.5 + (radius - r) / voxel, 0, 1) for r in (12, 50))
    images = {
        m: ((csf + inner * (white - csf) + outer * (grey - white)) * mask).astype(np.float32)
        for m, (white, grey, csf) in SIGNAL.items()
    }
    return Head("ball", affine, mask, points.astype(np.float32), labels, codes, images)


def wall(head: Head, image: np.ndarray, modality: str) -> float:
    """Where along the first axis the signal is half-way between fluid and white matter."""
    middle = image.shape[1] // 2
    half = (SIGNAL[modality][0] + SIGNAL[modality][2]) / 2
    line, x = image[middle:, middle, middle], head.points[0][middle:, middle, middle]
    rising = SIGNAL[modality][0] > SIGNAL[modality][2]
    first = int(np.argmax(line > half if rising else line < half))
    before, after = line[first - 1], line[first]
    return float(x[first - 1] + (half - before) / (after - before) * (x[first] - x[first - 1]))


@pytest.mark.parametrize("dose", [1.0, 3.0, 6.0])
def test_walls_of_ventricles_move_by_the_dose(ball, dose):
    altered = inject(ball, Change("ventricles", dose))
    for modality, image in altered.images.items():
        assert wall(ball, image, modality) == pytest.approx(12 + dose, abs=0.3)
    grown = 4 / 3 * np.pi * ((12 + dose) ** 3 - 12**3) / 1000
    assert altered.weight.sum() * ball.voxel_ml == pytest.approx(grown, rel=0.1)
    assert altered.available_ml == pytest.approx(4 / 3 * np.pi * 12**3 / 1000, rel=0.1)
    # What is 22 mm from the wall stays, and nothing is left without tissue.
    far = np.sqrt((ball.points**2).sum(axis=0)) > 36
    np.testing.assert_array_equal(altered.images["T1w"][far], ball.images["T1w"][far])
    inside = tissue_of(altered.images["T1w"], ball.levels["T1w"], ball.mask)
    assert inside.csf[near(ball, 5, 0, 0)] > 0.95


def test_half_the_dose_twice_is_the_dose(ball):
    """Flows add up: where a wall has been moved, it can be moved on."""
    once = inject(ball, Change("ventricles", 4)).images["T1w"]
    half = inject(ball, Change("ventricles", 2)).images
    again = inject(replace(ball, images=half), Change("ventricles", 2)).images["T1w"]
    assert wall(ball, again, "T1w") == pytest.approx(wall(ball, once, "T1w"), abs=0.3)


def test_a_dose_that_does_not_fit_is_refused_with_one_that_does(head):
    told = (
        r"sub-01: lesions \(periventricular\) of 300 ml, left side only does not fit, at most [\d.]+ ml does"
    )
    with pytest.raises(ImageError, match=told) as refused:
        inject(head, Change("lesions", 300, "left", "periventricular"))
    fits = float(str(refused.value).split("at most ")[1].split(" ml")[0])
    inject(head, Change("lesions", fits, "left", "periventricular"))
    with pytest.raises(ImageError, match=r"cortex of 90 % does not fit, at most 0\.\d+ does"):
        inject(head, Change("cortex", 0.9))


def test_what_is_not_there_cannot_change(head):
    blind = replace(head, images={"T1w": head.images["T1w"]})
    with pytest.raises(ImageError, match="no T2starw image, in which iron would show"):
        inject(blind, Change("iron", 0.3))
    assert list(inject(blind, Change("lesions", 2)).images) == ["T1w"]


def test_ventricles_that_are_not_found_are_not_widened(head):
    """A tenth of what the atlas calls ventricle is fluid, but in single voxels."""
    dry = head.images["T1w"].copy()
    ventricles = np.argwhere(head.of("Lateral-Ventricle"))
    dry[tuple(ventricles.T)] = 76
    dry[tuple(ventricles[::9].T)] = 20
    with pytest.raises(ImageError, match="sub-01: no lateral ventricles"):
        inject(replace(head, images={"T1w": dry}), Change("ventricles", 2))


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"kind": "holes"}, "'holes' is not a change"),
        ({"dose": 0}, "--dose 0 is not possible"),
        ({"dose": -3}, "above 0"),
        ({"dose": float("nan")}, "--dose nan"),
        ({"dose": 1e6}, "up to 300"),
        ({"side": "top"}, "not a side"),
        ({"region": "frontal"}, "choose from: periventricular, deep"),
        ({"kind": "ventricles", "region": "third"}, "choose from: none"),
    ],
)
def test_changes_that_make_no_sense_are_refused(facts, told):
    with pytest.raises(InputError, match=told):
        Change(**{"kind": "lesions", "dose": 1.0} | facts)


def test_points_outside_the_atlas_have_no_structure():
    labels, _ = atlas_at(np.full((3, 2, 2, 2), BEYOND, np.float32))
    assert not labels.any()
