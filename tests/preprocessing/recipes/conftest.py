"""A made-up head on its own T1w grid, tilted and smaller than the template's."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from nibabel.affines import apply_affine
from scipy.spatial.transform import Rotation

from bids_brainage.models.importing.recipe import read_recipe, shipped_recipes
from bids_brainage.preprocessing.recipes.preparing import PreparedInput, RecipeImages, prepare
from bids_brainage.preprocessing.transforms import LPS, Linear

#: Recipes with the same input as another.
SAME = {
    "pyment-sm": "pyment-reg",
    "pyment-rank": "pyment-reg",
    "midi-flair": "midi-t2w",
    "synthba-u": "synthba-g",
}
#: Two of which sums are tested every time: of brains in a template, and of heads as scanned.
QUICK = ("synthba-g", "midi-t2w")
SHAPE = (80, 84, 96)
SIZE = 2.0  # mm


def t1w_affine() -> np.ndarray:
    """LIA."""
    affine = np.array([[-SIZE, 0, 0, 81], [0, 0, SIZE, -124], [0, -SIZE, 0, 98], [0, 0, 0, 1.0]])
    affine[:3, 3] += (3, -4, 5)
    return affine


def to_t1w(kind: str) -> np.ndarray:
    """Takes points of the template to the made-up head's T1w, RAS mm."""
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", [6, -4, 3], degrees=True).as_matrix()
    if kind == "affine":
        matrix[:3, :3] = matrix[:3, :3] @ np.diag([0.93, 0.9, 0.95])
    matrix[:3, 3] = (4, -7, 6)
    return matrix


def step(matrix: np.ndarray) -> Linear:
    """A matrix of points in RAS mm as the program has it, in LPS."""
    flip = np.diag([*LPS, 1.0])
    turned = flip @ matrix @ flip
    return Linear(turned[:3, :3], turned[:3, 3])


def places() -> np.ndarray:
    """Where the head's voxels (3, *SHAPE) lie in the template, RAS mm."""
    to_template = np.linalg.inv(to_t1w("rigid")) @ t1w_affine()
    return np.moveaxis(apply_affine(to_template, np.stack(np.indices(SHAPE), -1)), -1, 0)


@pytest.fixture(scope="session")
def head() -> nib.Nifti1Image:
    """Skull, brain and dark ventricles with texture, float32."""
    x, y, z = places()
    depth = np.sqrt((x / 72) ** 2 + ((y + 20) / 90) ** 2 + ((z - 8) / 75) ** 2)
    texture = 90 + 30 * np.sin(x / 7) + 25 * np.cos(y / 9) + 20 * np.sin(z / 6)
    data = np.where(depth < 0.9, texture, np.where(depth < 1, 30, np.where(depth < 1.1, 210, 2.0)))
    ventricle = np.sqrt((x / 12) ** 2 + ((y + 15) / 25) ** 2 + ((z - 12) / 12) ** 2) < 1
    return nib.Nifti1Image(np.where(ventricle, 20, data).astype(np.float32), t1w_affine())


@pytest.fixture(scope="session")
def brain(head: nib.Nifti1Image) -> nib.Nifti1Image:
    """Its mask."""
    x, y, z = places()
    depth = np.sqrt((x / 72) ** 2 + ((y + 20) / 90) ** 2 + ((z - 8) / 75) ** 2)
    return nib.Nifti1Image((depth < 0.9).astype(np.uint8), head.affine)


def images_for(recipe, head: nib.Nifti1Image, brain: nib.Nifti1Image) -> RecipeImages:
    """The made-up person's images as a recipe wants them."""
    kind = recipe.registration.kind
    if kind == "none":
        return RecipeImages.on_t1w(head, brain)
    there = to_t1w(kind)
    return RecipeImages.on_t1w(head, brain, [step(there)], [step(np.linalg.inv(there))])


class Prepared:
    """Every shipped recipe's input of the made-up head, made once."""

    def __init__(self, head: nib.Nifti1Image, brain: nib.Nifti1Image) -> None:
        self.head, self.brain = head, brain
        self._made: dict[str, PreparedInput] = {}

    def __getitem__(self, name: str) -> PreparedInput:
        if name not in self._made:
            recipe = read_recipe(name).input
            self._made[name] = prepare(recipe, images_for(recipe, self.head, self.brain))
        return self._made[name]


@pytest.fixture(scope="session")
def prepared(head: nib.Nifti1Image, brain: nib.Nifti1Image) -> Prepared:
    """Inputs by recipe."""
    return Prepared(head, brain)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what asks for a `recipe_name` with every shipped one."""
    if "recipe_name" in metafunc.fixturenames:
        names = [name for name in shipped_recipes() if name not in SAME]
        heavy = metafunc.function.__name__ == "test_sums_and_signs_are_kept"
        marks = {name: [pytest.mark.slow] if heavy and name not in QUICK else [] for name in names}
        metafunc.parametrize("recipe_name", [pytest.param(name, marks=marks[name]) for name in names])
