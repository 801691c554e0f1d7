"""Maps brought back through every recipe: where they come to lie, and that nothing is lost."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nibabel.affines import apply_affine

from bids_brainage.models.importing.recipe import read_recipe
from bids_brainage.preprocessing.recipes.preparing import RecipeImages, prepare, restore
from bids_brainage.preprocessing.recipes.vocabulary import InputRecipe
from tests.preprocessing.recipes.conftest import images_for, t1w_affine, to_t1w

LAS = np.array([[-1, 0, 0, 90], [0, 1, 0, -126], [0, 0, 1, -72], [0, 0, 0, 1.0]])


def total(image: nib.Nifti1Image) -> float:
    return float(np.asanyarray(image.dataobj).sum(dtype=np.float64))


def centre(image: nib.Nifti1Image) -> np.ndarray:
    data = np.asanyarray(image.dataobj, dtype=np.float64)
    voxels = np.argwhere(data)
    return apply_affine(image.affine, np.average(voxels, axis=0, weights=data[tuple(voxels.T)]))


def test_the_first_voxel_of_the_box_comes_from_the_grid_at_11_13_11(prepared) -> None:
    one = np.zeros((160, 192, 160))
    one[0, 0, 0] = 1
    on_grid = prepared["sfcn-ukb"].placement.on_lattice(one)
    assert on_grid.shape == (182, 218, 182)
    assert np.argwhere(on_grid).tolist() == [[11, 13, 11]]
    assert on_grid[11, 13, 11] == 1


def test_skipped_voxels_get_nothing(prepared) -> None:
    on_grid = prepared["westman"].placement.on_lattice(np.ones((80, 96, 80)))
    assert (np.unique(np.argwhere(on_grid)[:, 1]) == np.arange(13, 205, 2)).all()
    assert on_grid.sum() == 80 * 96 * 80


@settings(max_examples=2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 2**32 - 1),
    share=st.sampled_from([1e-5, 0.01, 1.0]),
    by=st.sampled_from(["grey", "even"]),
)
def test_sums_and_signs_are_kept(recipe_name, prepared, seed, share, by) -> None:
    rng = np.random.default_rng(seed)
    one = prepared[recipe_name]
    values = rng.normal(size=one.array.shape[:3]) * (rng.uniform(size=one.array.shape[:3]) < share)
    parts = []
    for part in (np.maximum(values, 0), np.minimum(values, 0)):
        found = restore(part, one, by)
        for image in (found.subject, found.standard):
            if image is None:
                assert read_recipe(recipe_name).input.registration.kind == "none"
                continue
            data = np.asanyarray(image.dataobj)
            assert np.isfinite(data).all()
            assert not ((data > 0).any() and (data < 0).any())
            assert total(image) == pytest.approx(part.sum(), rel=1e-5)
        parts.append(found)
    both = restore(values, one, by)
    assert total(both.subject) == pytest.approx(values.sum(), abs=1e-5 * np.abs(values).sum())
    plus, minus = (np.asanyarray(part.subject.dataobj) for part in parts)
    # At the edge of an image, much of both signs comes together.
    largest = max(plus.max(), -minus.min())
    np.testing.assert_allclose(both.subject.dataobj, plus + minus, atol=1e-6 * largest)


def test_a_voxel_goes_home(recipe_name, prepared) -> None:
    """Relevance of one voxel comes to lie where that voxel was read, and on the template where it was."""
    one = prepared[recipe_name]
    middle = tuple(n // 2 - 6 for n in one.array.shape[:3])
    values = np.zeros(one.array.shape[:3])
    values[middle] = 2.0
    lattice = one.placement.lattice
    factor = one.recipe.reduce.factor
    voxel = np.array(one.placement.box.start) + np.array(middle) * factor
    point = apply_affine(lattice.affine, voxel)
    kind = one.recipe.registration.kind
    found = restore(values, one, "even")
    place = apply_affine(to_t1w(kind), point) if kind != "none" else point
    assert np.linalg.norm(centre(found.subject) - place) < 1.1
    if found.standard is not None:
        assert np.linalg.norm(centre(found.standard) - point) < 1.1


@pytest.mark.parametrize("name", ["sfcn-ukb", "synthba-g"])
def test_relevance_of_brains_stays_in_the_brain(name, prepared) -> None:
    one = prepared[name]
    found = np.asanyarray(restore(one.array, one).subject.dataobj)
    inside = np.asanyarray(prepared.brain.dataobj) > 0
    assert found[inside].sum() / found.sum() > 0.98


def test_an_even_map_stays_even(prepared) -> None:
    """No ripples where a 1.4 mm grid is brought to another one."""
    one = prepared["synthba-g"]
    found = np.asanyarray(restore(np.ones((130, 130, 130)), one, "even").subject.dataobj)
    from scipy import ndimage

    deep = ndimage.binary_erosion(np.asanyarray(prepared.brain.dataobj) > 0, iterations=5)
    assert found[deep].std() / found[deep].mean() < 0.12


def test_a_given_image_has_maps_in_standard_space_alone() -> None:
    recipe = read_recipe("sfcn-ukb").input.of_source("given")
    data = np.zeros((182, 218, 182), np.float32)
    data[30:150, 40:180, 20:160] = 100
    one = prepare(recipe, RecipeImages(nib.Nifti1Image(data, LAS)))
    values = np.random.default_rng(3).normal(size=(160, 192, 160))
    found = restore(values, one)
    assert found.subject is None
    assert found.standard.shape == (91, 109, 91)
    assert total(found.standard) == pytest.approx(values.sum(), abs=1e-3)
    assert one.placement.restore(values, "grey").shape == (91, 109, 91)


@pytest.mark.parametrize("kind", ["block-mean", "every", "spline-zoom"])
def test_reductions_keep_sums(kind, prepared) -> None:
    content = read_recipe("sfcn-ukb").input.model_dump() | {"reduce": {"kind": kind, "factor": 4}}
    recipe = InputRecipe.model_validate(content)
    one = prepare(recipe, images_for(recipe, prepared.head, prepared.brain))
    assert one.array.shape == (40, 48, 40, 1)
    values = np.random.default_rng(4).uniform(size=(40, 48, 40))
    for by in ("grey", "even"):
        back = one.placement.on_lattice(values, by)
        assert (back >= 0).all()
        assert back.sum() == pytest.approx(values.sum(), rel=1e-6)


def test_a_grid_beyond_the_image_loses_nothing(prepared) -> None:
    """Half of the window lies where nothing was scanned."""
    recipe = read_recipe("westman").input
    half = nib.Nifti1Image(np.asanyarray(prepared.head.dataobj)[:, 40:], t1w_affine() @ _shift(0, 40, 0))
    mask = nib.Nifti1Image(np.asanyarray(prepared.brain.dataobj)[:, 40:], half.affine)
    one = prepare(recipe, images_for(recipe, half, mask))
    values = np.random.default_rng(5).uniform(size=(80, 96, 80))
    assert total(restore(values, one).subject) == pytest.approx(values.sum(), rel=1e-5)


def _shift(*voxels: int) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, 3] = voxels
    return matrix


def test_how_much_a_mask_covers(prepared) -> None:
    covered = prepared["sfcn-ukb"].placement.covered(prepared.brain)
    seen = prepared["sfcn-ukb"].array[..., 0] > 0
    assert covered.shape == (160, 192, 160)
    assert (covered[seen] > 0).all()
    assert covered.max() == pytest.approx(1, abs=1e-5)
