"""Inputs of images that are taken in as they are: as scanned, FreeSurfer's, and the user's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import ants
import nibabel as nib
import numpy as np
import pytest
from nibabel.affines import apply_affine
from scipy import ndimage
from scipy.spatial.transform import Rotation

from bids_brainage.models.importing.recipe import read_recipe
from bids_brainage.preprocessing.network_input import has_image, network_input
from bids_brainage.preprocessing.person_images import PersonImages
from bids_brainage.preprocessing.recipes.sources import recipe_for
from bids_brainage.preprocessing.recipes.vocabulary import InputRecipe
from tests.preprocessing.recipes.conftest import to_t1w
from tests.preprocessing.recipes.test_preparing import LAS, midi_crop, read_at


def scanned_affine() -> np.ndarray:
    """Thick axial slices, tilted: RAS-like voxels of 0.9 x 0.95 x 4.4 mm."""
    affine = np.diag([0.9, 0.95, 4.4, 1.0])
    affine[:3, :3] = Rotation.from_euler("xyz", [5, -3, 2], degrees=True).as_matrix() @ affine[:3, :3]
    affine[:3, 3] = (-105, -120, -95)
    return affine


def to_scanned() -> np.ndarray:
    """Takes points of the T1w image to the image as scanned, RAS mm."""
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", [-4, 2, 7], degrees=True).as_matrix()
    matrix[:3, 3] = (5, -3, 8)
    return matrix


def written(path: Path, matrix: np.ndarray) -> Path:
    """A matrix of points in RAS mm as ANTs writes it, in LPS."""
    flip = np.diag([-1.0, -1.0, 1.0, 1.0])
    turned = flip @ matrix @ flip
    parameters = [*turned[:3, :3].ravel(), *turned[:3, 3]]
    made = ants.create_ants_transform("AffineTransform", dimension=3, parameters=parameters)
    ants.write_transform(made, str(path))
    return path


@pytest.fixture(scope="module")
def t2w() -> nib.Nifti1Image:
    """A head as scanned."""
    shape = (230, 240, 44)
    x, y, z = np.moveaxis(apply_affine(scanned_affine(), np.stack(np.indices(shape), -1)), -1, 0)
    depth = np.sqrt((x / 70) ** 2 + (y / 88) ** 2 + (z / 74) ** 2)
    texture = 900 + 300 * np.sin(x / 8) + 200 * np.cos(y / 9) + 250 * np.sin(z / 11)
    data = np.where(depth < 0.9, texture, np.where(depth < 1, 150, np.where(depth < 1.1, 1400, 4)))
    return nib.Nifti1Image(data.astype(np.float32), scanned_affine())


@pytest.fixture(scope="module")
def person(
    tmp_path_factory: pytest.TempPathFactory, head: nib.Nifti1Image, brain: nib.Nifti1Image, t2w
) -> Callable[..., PersonImages]:
    """The made-up head, with a T2w image of it as scanned; `other` images as they are."""
    folder = tmp_path_factory.mktemp("person")
    for name, image in {"t1w": head, "mask": brain, "t2w": t2w}.items():
        image.to_filename(folder / f"{name}.nii.gz")
    rigid = (
        written(folder / "rigid.h5", to_t1w("rigid")),
        written(folder / "back.h5", np.linalg.inv(to_t1w("rigid"))),
    )
    coregistered = {"T2w": written(folder / "t2w.h5", to_scanned())}

    def make(**other: object) -> PersonImages:
        facts = {
            "sources": {("T2w", "native"): folder / "t2w.nii.gz"},
            "coregistered": coregistered,
            "linear": {"rigid": rigid},
        }
        paths = {"T1w": folder / "t1w.nii.gz", "T2w": folder / "t1w.nii.gz"}
        return PersonImages(folder / "mask.nii.gz", rigid[0], paths, {}, **{**facts, **other})

    return make


def midi_of(image: nib.Nifti1Image) -> np.ndarray:
    """MIDI's steps once more: turned to RAS, voxels of 1.4 mm counted from the first one, cropped, scaled."""
    turned = nib.as_closest_canonical(image)
    ratio = 1.4 / nib.affines.voxel_sizes(turned.affine)
    size = [round((n - 1) / r + 1) for n, r in zip(turned.shape, ratio, strict=True)]
    places = np.meshgrid(*[np.arange(n) * r for n, r in zip(size, ratio, strict=True)], indexing="ij")
    return midi_crop(ndimage.map_coordinates(turned.get_fdata(), places, order=1, mode="nearest"))


def test_an_image_as_scanned_is_read_on_its_own_grid_alone(person) -> None:
    images = person()
    seen = network_input(images, read_recipe("midi-t2w").input).array[..., 0]
    assert seen.shape == (130, 130, 130)
    # Of the file: its header rounds voxel sizes to single precision.
    scanned = nib.Nifti1Image.from_filename(images.sources["T2w", "native"])
    np.testing.assert_allclose(seen, midi_of(scanned), atol=1e-5)


def test_relevance_of_an_image_as_scanned_lands_where_the_head_is_on_the_t1w_grid(person) -> None:
    images = person()
    made = network_input(images, read_recipe("midi-t2w").input)
    placement = made.placement
    voxels = np.array([[65, 70, 60], [60, 60, 70], [70, 64, 66]])
    values = np.zeros((130, 130, 130))
    values[tuple(voxels.T)] = [3.0, -2.0, 0.5]
    back = placement.restore(values, "grey")
    assert back.shape == images.brain_mask.shape
    found = np.asanyarray(back.dataobj, dtype=np.float64)
    assert found[found > 0].sum() == pytest.approx(3.5, abs=1e-5)
    assert found[found < 0].sum() == pytest.approx(-2.0, abs=1e-5)
    scanned = apply_affine(placement.lattice.affine, voxels[1] + placement.box.start)
    expected = apply_affine(np.linalg.inv(to_scanned()), scanned)
    where = np.argwhere(found < 0)
    centre = np.average(apply_affine(back.affine, where), axis=0, weights=-found[found < 0])
    np.testing.assert_allclose(centre, expected, atol=0.5)


def test_without_its_registration_an_image_as_scanned_is_not_used(person) -> None:
    recipe = read_recipe("midi-t2w").input
    assert has_image(person(), recipe)
    assert not has_image(person(coregistered={}), recipe)
    assert not has_image(person(sources={}), recipe)
    assert not has_image(person(), read_recipe("midi-flair").input)


def test_freesurfers_own_image_is_taken_where_it_is_there(person, head, tmp_path) -> None:
    recipe = read_recipe("pyment-reg").input
    values = np.clip(head.get_fdata() * 0.7, 0, 180).astype(np.uint8)
    path = tmp_path / "brainmask.nii.gz"
    nib.Nifti1Image(values, head.affine).to_filename(path)
    with_file, without = person(sources={("T1w", "freesurfer:brainmask"): path}), person(sources={})
    assert recipe_for(with_file, recipe) is recipe
    assert recipe_for(without, recipe) == recipe.of_source("t1w")
    grid = read_at(values.astype(float), head.affine, LAS, (182, 218, 182), to_t1w("rigid"))
    expected = np.clip(grid[6:173, 2:214, 0:160], 0, 255) / 255
    made = network_input(with_file, recipe)
    np.testing.assert_allclose(made.array[..., 0], expected, atol=1e-5)
    assert network_input(without, recipe).array.shape == made.array.shape
    assert np.abs(network_input(without, recipe).array - made.array).max() > 0.05
    assert made.placement.restore(np.ones((167, 212, 160)), "grey").shape == head.shape


@pytest.mark.parametrize("turned", [False, True])
def test_a_given_image_is_the_input_and_its_maps_stay_in_the_template(person, tmp_path, turned) -> None:
    recipe = InputRecipe.model_validate(read_recipe("sfcn-ukb").input.of_source("given"))
    rng = np.random.default_rng(4)
    data = np.zeros((182, 218, 182), np.float32)
    data[30:150, 40:180, 20:160] = rng.uniform(50, 200, (120, 140, 140))
    image = nib.Nifti1Image(data, LAS)
    path = tmp_path / "sub-01_desc-flirt_T1w.nii.gz"
    (nib.as_closest_canonical(image) if turned else image).to_filename(path)
    assert not has_image(person(), recipe)
    # Nothing of the person's own registrations is needed.
    images = person(sources={("T1w", "given"): path}, linear={})
    assert has_image(images, recipe)
    made = network_input(images, recipe)
    expected = (data / data.mean(dtype=np.float64))[11:171, 13:205, 11:171]
    np.testing.assert_allclose(made.array[..., 0], expected, atol=1e-5)
    relevance = rng.normal(size=(160, 192, 160))
    back = made.placement.restore(relevance, "grey")
    assert back.shape == (91, 109, 91)
    assert np.asanyarray(back.dataobj).sum(dtype=np.float64) == pytest.approx(relevance.sum(), abs=1e-2)
