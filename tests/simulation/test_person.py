"""Images and labels against the truth that made them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bids_brainage.simulation.people import draw_character
from bids_brainage.simulation.person import Person, simulate_person
from bids_brainage.simulation.scanner import signal
from bids_brainage.simulation.spec import load_spec
from bids_brainage.simulation.template import load_template
from bids_brainage.simulation.tissue import Tissue, age_tissue

pytestmark = pytest.mark.slow
PROCESSES = list(load_spec().ageing.processes)
AGES = (20.0, 40.0, 60.0, 80.0)


def aged(**ages: float) -> Tissue:
    """A person of 50 whose named processes have reached the given ages."""
    character = draw_character(1, 0, age=50)
    character = replace(character, process_ages={**dict.fromkeys(PROCESSES, 50.0), **ages})
    return age_tissue(load_template(2.0), character, seed=1)


def person(voxel_size: float, age: float) -> Person:
    character = draw_character(2, 0, age=age)
    character = replace(character, process_ages=dict.fromkeys(PROCESSES, age))
    return simulate_person(2, 0, voxel_size=voxel_size, character=character)


def rises(values: list[float]) -> bool:
    return bool(np.all(np.diff(values) > 0))


@pytest.mark.parametrize("lobe", ["frontal", "temporal", "parietal", "occipital"])
def test_csf_of_a_lobe_rises_with_its_own_process_only(lobe: str) -> None:
    tissues = [aged(**{f"cortex_{lobe}": age}) for age in AGES]
    regions = load_template(2.0).regions
    own = regions == 1 + ["frontal", "temporal", "parietal", "occipital"].index(lobe)
    assert rises([float(t.csf[own].sum()) for t in tissues])
    assert np.allclose(tissues[0].csf[~own], tissues[-1].csf[~own])


def test_cerebellum_shrinks() -> None:
    tissues = [aged(cerebellum=age) for age in AGES]
    own = load_template(2.0).regions == 5
    volumes = [float((t.grey + t.white)[own].sum()) for t in tissues]
    assert rises([-v for v in volumes])
    assert 0.65 < volumes[-1] / volumes[0] < 0.9


def test_tissue_fractions_add_up_to_the_brain() -> None:
    tissue = aged(cerebellum=80, cortex_frontal=80, lesions_deep=80)
    assert np.allclose(tissue.grey + tissue.white + tissue.csf, tissue.brain, atol=1e-4)
    assert min(tissue.grey.min(), tissue.white.min(), tissue.csf.min()) > -1e-4


def test_lesions_set_in_at_forty_and_earlier_ones_stay() -> None:
    tissues = [aged(lesions_deep=age, lesions_periventricular=30.0) for age in (30.0, 40.0, 60.0, 80.0)]
    assert [t.lesions["lesions_deep"] for t in tissues] == [0, 0, 10, 20]
    assert np.all(tissues[3].lesion >= tissues[2].lesion - 1e-5)
    assert tissues[0].lesion.max() == 0
    for modality, sign in (("T1w", -1), ("FLAIR", 1)):
        change = signal(tissues[3], modality) - signal(tissues[0], modality)
        assert sign * change[tissues[3].lesion > 0.5].mean() > 20


@pytest.mark.parametrize("nucleus", list(load_spec().anatomy["nuclei"]))
def test_iron_darkens_its_nucleus_on_t2starw_only(nucleus: str) -> None:
    tissues = [aged(**{f"iron_{nucleus}": age}) for age in AGES]
    core = load_template(2.0).nuclei[nucleus] > 0.5
    assert rises([-float(signal(t, "T2starw")[core].mean()) for t in tissues])
    assert np.array_equal(signal(tissues[0], "T1w"), signal(tissues[-1], "T1w"))


def test_ventricles_are_larger_in_the_old_and_labels_mark_them() -> None:
    young, old = person(2, 25), person(2, 80)
    number = 1 + PROCESSES.index("ventricles_lateral")
    taken = old.labels == number
    contrast = young.images["T1w"][taken].mean() - old.images["T1w"][taken].mean()
    assert contrast > 0.25 * np.median(young.images["T1w"][young.images["T1w"] > 0])
    assert taken.sum() > 4 * (young.labels == number).sum()


def test_unlabelled_brain_is_the_same_at_any_age() -> None:
    young, old = person(2, 20), person(2, 80)
    same = (old.labels == 0) & (young.images["T1w"] > 0) & (old.images["T1w"] > 0)
    changed = (old.labels > 0) & (young.images["T1w"] > 0)
    difference = np.abs(young.images["T1w"].astype(float) - old.images["T1w"])
    assert np.median(difference[same]) < 0.5 * np.median(difference[changed])


@pytest.mark.parametrize("skull", [False, True])
def test_images_are_repeated_to_the_byte(skull: bool) -> None:
    first, second = (simulate_person(5, 3, voxel_size=4, skull=skull) for _ in range(2))
    assert all(np.array_equal(first.images[m], second.images[m]) for m in first.images)
    corner = first.images["T1w"][:3, :3, -3:]
    assert (corner.max() > 0) == skull


def test_two_millimetres_averaged_look_like_four() -> None:
    fine, coarse = person(2, 60), person(4, 60)
    for modality in fine.images:
        x, y, z = coarse.images[modality].shape
        mean = fine.images[modality].reshape(x, 2, y, 2, z, 2).mean(axis=(1, 3, 5))
        inside = (coarse.images[modality] > 1) & (mean > 0.6 * np.median(mean[mean > 0]))
        ratio = mean[inside] / coarse.images[modality][inside]
        assert np.corrcoef(mean[inside], coarse.images[modality][inside])[0, 1] > 0.95
        assert np.median(ratio) == pytest.approx(1, abs=0.03)


def test_a_turned_head_is_the_same_head_turned() -> None:
    """About the upright axis, by hand: what lay in front lies to the left after a quarter turn."""
    character = draw_character(2, 0, age=50)
    straight, turned = (
        simulate_person(2, 0, voxel_size=4, character=character, turned=np.array([0, 0, angle]))
        for angle in (0.0, np.pi / 2)
    )
    same = simulate_person(2, 0, voxel_size=4, character=character)
    assert np.array_equal(straight.images["T1w"], same.images["T1w"])
    brain = [
        np.argwhere(p.images["T1w"] > 0) @ p.affine[:3, :3].T + p.affine[:3, 3] for p in (straight, turned)
    ]
    assert turned.images["T1w"].astype(bool).sum() < straight.images["T1w"].astype(bool).sum() * 1.02
    (x0, y0, z0), (x1, y1, z1) = (points.mean(axis=0) for points in brain)
    assert abs(z1 - z0) < 1
    assert abs(x1 + y0) < 3
    assert abs(y1 - x0) < 3
