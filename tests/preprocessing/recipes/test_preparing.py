"""Inputs by recipe against their steps written out once more with NumPy, SciPy and nibabel alone."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from bids_brainage.errors import ImageError
from bids_brainage.models.importing.recipe import read_recipe
from bids_brainage.preprocessing.block_input import prepare as prepare_blocks
from bids_brainage.preprocessing.input_spec import InputSpec
from bids_brainage.preprocessing.recipes.preparing import RecipeImages, prepare
from bids_brainage.preprocessing.recipes.vocabulary import InputRecipe
from tests.preprocessing.recipes.conftest import SAME, images_for, to_t1w

LAS = np.array([[-1, 0, 0, 90], [0, 1, 0, -126], [0, 0, 1, -72], [0, 0, 0, 1.0]])
RAS = np.array([[1, 0, 0, -91], [0, 1, 0, -126], [0, 0, 1, -72], [0, 0, 0, 1.0]])


def read_at(data, affine, grid, shape, matrix):
    """Linear interpolation at every voxel of a grid; zero outside."""
    total = np.linalg.inv(affine) @ matrix @ grid
    i, j, k = np.indices(shape, dtype=np.float64)
    places = [total[a, 0] * i + total[a, 1] * j + total[a, 2] * k + total[a, 3] for a in range(3)]
    return ndimage.map_coordinates(data.astype(np.float64), places, order=1, mode="constant")


def midi_crop(volume):
    """The authors' rule: extents in some slices, then padded or cut around the middle to 130 cubed."""

    def ends(pictures, axis):
        lowest = []
        for picture in pictures:
            first = np.argmax(picture, axis=axis).astype(float)
            first[first == 0] = np.inf
            lowest.append(first.min())
        return int(min(lowest))

    mask = volume > volume.std()
    sides = [int(f * volume.shape[0]) for f in (0.4, 0.45, 0.5, 0.55, 0.6)]
    low = ends([mask[s] for s in sides], 1)
    top = ends([mask[s][:, ::-1] for s in sides], 1)
    part = volume[:, :, max(volume.shape[2] - top - 130, low) : -top]
    mask = part > part.std()
    levels = [int(f * part.shape[2]) for f in (0.35, 0.4, 0.45, 0.5, 0.55, 0.6)]
    b, b1 = ends([mask[:, :, s] for s in levels], 1), ends([mask[:, ::-1, s] for s in levels], 1)
    a, a1 = ends([mask[:, :, s] for s in levels], 0), ends([mask[::-1, :, s] for s in levels], 0)
    part = part[a:-a1, b:-b1]
    for axis, n in enumerate(part.shape):
        if n > 130:
            start = n // 2 - 65
            part = np.take(part, range(start, start + 130), axis)
        else:
            width = [(0, 0)] * 3
            width[axis] = ((130 - n) // 2, 130 - n - (130 - n) // 2)
            part = np.pad(part, width)
    return np.clip((part - part.mean()) / part.std(ddof=1), -1, 5)


def sfcn(head, mask):
    grid = read_at(head.get_fdata() * mask, head.affine, LAS, (182, 218, 182), to_t1w("affine"))
    return (grid / grid.mean())[11:171, 13:205, 11:171]


def pyment(head, mask):
    grid = read_at(head.get_fdata(), head.affine, LAS, (182, 218, 182), to_t1w("rigid"))
    return np.clip(grid[6:173, 2:214, 0:160], 0, 255) / 255


def midi_t1w(head, mask):
    grid = RAS @ np.diag([1.4, 1.4, 1.4, 1])
    return midi_crop(read_at(head.get_fdata() * mask, head.affine, grid, (130, 156, 130), to_t1w("affine")))


def midi_native(head, mask):
    turned = nib.as_closest_canonical(head)
    size = [round((n - 1) * 2 / 1.4 + 1) for n in turned.shape]
    places = np.meshgrid(*[np.arange(n) * 1.4 / 2 for n in size], indexing="ij")
    return midi_crop(ndimage.map_coordinates(turned.get_fdata(), places, order=1, mode="nearest"))


def synthba(head, mask):
    grid = np.array([[-1.4, 0, 0, 90], [0, 1.4, 0, -107.8], [0, 0, 1.4, -72], [0, 0, 0, 1.0]])
    cube = read_at(head.get_fdata() * mask, head.affine, grid, (130, 130, 130), to_t1w("affine"))
    return (cube - cube.min()) / (cube.max() - cube.min())


def westman(head, mask):
    grid = read_at(head.get_fdata(), head.affine, LAS, (182, 218, 182), to_t1w("rigid"))[::-1]
    box = grid[11:171, 13:205, 11:171][::2, ::2, ::2]
    low, high = np.percentile(box, [5, 99])
    box = np.clip(box, low, high)
    return 2 * ((box - box.min()) / (box.max() - box.min()) - 0.5)


def mrinet(head, mask):
    data, inside = head.get_fdata(), mask > 0
    scaled = np.clip(data * 110 / np.median(data[inside & (data > 0)]), 0, 383) / 383 * 255 * inside
    where = np.argwhere(inside)
    start = (where.min(0) + where.max(0) + 1 - 198) // 2
    box = np.zeros((198, 198, 198))
    low, high = np.maximum(start, 0), np.minimum(start + 198, data.shape)
    to = tuple(slice(a - s, b - s) for a, b, s in zip(low, high, start, strict=True))
    box[to] = scaled[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    return np.rint(box)


STEPS = {
    "sfcn-ukb": sfcn,
    "pyment-reg": pyment,
    "midi-t1w": midi_t1w,
    "midi-t2w": midi_native,
    "synthba-g": synthba,
    "westman": westman,
    "xai4mri": mrinet,
}


def test_the_input_is_what_the_steps_say(recipe_name, prepared) -> None:
    expected = STEPS[recipe_name](prepared.head, np.asanyarray(prepared.brain.dataobj))
    found = prepared[recipe_name].array
    assert found.dtype == np.float32
    assert found.shape == (*expected.shape, 1) == (*read_recipe(recipe_name).input.box, 1)
    scale = max(1.0, np.abs(expected).max())
    np.testing.assert_allclose(found[..., 0] / scale, expected / scale, atol=1e-5)
    assert len(np.unique(expected[::7, ::7, ::7])) > 50


@pytest.mark.parametrize(("name", "other"), SAME.items())
def test_networks_of_one_family_take_in_the_same(name, other) -> None:
    change = {"modality": read_recipe(name).input.modality}
    assert read_recipe(name).input == read_recipe(other).input.model_copy(update=change)


def test_grey_values_are_those_of_the_projects_own_networks(prepared) -> None:
    """The recipe of MRInet and the project's rule for the paper's networks say the same in two ways."""
    affine = np.array([[-1, 0, 0, 50], [0, 0, 1, -55], [0, -1, 0, 60], [0, 0, 0, 1.0]])
    both = (prepared.head, prepared.brain)
    head, brain = (nib.Nifti1Image(np.asanyarray(one.dataobj), affine) for one in both)
    spec = InputSpec(modality="T1w", stage="subject", space="T1w", voxel_size=1, box=(198, 198, 198))
    blocks = prepare_blocks(head, brain, spec)
    recipe = prepare(read_recipe("xai4mri").input, RecipeImages.on_t1w(head, brain))
    np.testing.assert_allclose(recipe.array / 255, blocks.array, atol=1e-6)


def test_white_matter_becomes_110_where_freesurfer_did_not_do_it(prepared) -> None:
    recipe = read_recipe("pyment-reg").input.of_source("t1w")
    assert recipe.mask == "brain"
    found = prepare(recipe, images_for(recipe, prepared.head, prepared.brain)).array[..., 0] * 255
    from bids_brainage.preprocessing.templates import deep_white_matter

    i, j, k = (np.linalg.inv(LAS)[:3, :3] @ deep_white_matter().T) + np.linalg.inv(LAS)[:3, 3:]
    values = ndimage.map_coordinates(found, [i - 6, j - 2, k], order=1)
    assert np.median(values) == pytest.approx(110, rel=1e-3)


def test_a_given_image_runs_through_window_and_intensity_alone(prepared) -> None:
    recipe = read_recipe("sfcn-ukb").input.of_source("given")
    data = np.zeros((182, 218, 182), np.float32)
    data[30:150, 40:180, 20:160] = np.random.default_rng(1).uniform(50, 200, (120, 140, 140))
    image = nib.Nifti1Image(data, LAS)
    expected = (data / data.mean(dtype=np.float64))[11:171, 13:205, 11:171]
    np.testing.assert_allclose(prepare(recipe, RecipeImages(image)).array[..., 0], expected, rtol=1e-5)
    turned = nib.as_closest_canonical(image)
    np.testing.assert_allclose(prepare(recipe, RecipeImages(turned)).array[..., 0], expected, rtol=1e-5)


@pytest.mark.parametrize("wrong", ["2 mm", "shifted", "ANTs template"])
def test_a_given_image_on_another_grid_is_refused(wrong) -> None:
    recipe = read_recipe("sfcn-ukb").input.of_source("given")
    shape, affine = (182, 218, 182), LAS.copy()
    if wrong == "2 mm":
        shape, affine = (91, 109, 91), LAS @ np.diag([2, 2, 2, 1])
    elif wrong == "shifted":
        affine[1, 3] += 1
    else:
        shape, affine = (193, 229, 193), np.diag([1.0, 1, 1, 1])
        affine[:3, 3] = (-96, -132, -78)
    image = nib.Nifti1Image(np.ones(shape, np.float32), affine)
    with pytest.raises(ImageError, match=r"mine\.nii lies on another grid") as caught:
        prepare(recipe, RecipeImages(image, "mine.nii"))
    assert "182 x 218 x 182" in str(caught.value)


def test_an_image_without_anything_is_refused(prepared) -> None:
    recipe = read_recipe("synthba-g").input
    empty = nib.Nifti1Image(np.zeros(prepared.head.shape, np.float32), prepared.head.affine)
    with pytest.raises(ImageError, match="cannot be scaled by the recipe's step min-max"):
        prepare(recipe, images_for(recipe, empty, prepared.brain))
    with pytest.raises(ImageError, match="mask of the image is empty"):
        prepare(recipe, images_for(recipe, prepared.head, empty))


def test_three_channels_are_the_same_three_times(prepared) -> None:
    recipe = InputRecipe.model_validate(read_recipe("westman").input.model_dump() | {"channels": 3})
    array = prepare(recipe, images_for(recipe, prepared.head, prepared.brain)).array
    assert array.shape == (80, 96, 80, 3)
    assert (array == array[..., :1]).all()
