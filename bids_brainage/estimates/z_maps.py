"""DBA maps in standard space as standard deviations from what is usual at a person's age."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bids_brainage.statistics.people.norm_fitting import TAIL

if TYPE_CHECKING:
    import nibabel as nib

    from bids_brainage.models.bundles.region_norms import KnownNorms

#: Edge of a voxel of the standard grid, mm.
VOXEL_MM = 2.0

Entries = Mapping[str, str | None]


@dataclass(frozen=True, eq=False)
class ZMap:
    """One map, and what its sidecar says of it.

    Attributes
    ----------
    name, region, modality : str
        Of the sub-ensemble; of the ensemble's map, name and region are empty and the modality is T1w.
    image : nibabel.Nifti1Image
        In standard space; all voxels of a block have its z, those outside the brain or without norms 0.
    blocks : int
        That have norms.
    beyond : float
        Share of these beyond 1.96.
    edge : float
        Of a block, mm.
    reference_beyond : float
        Share of the reference people's blocks beyond 1.96, each by the norms of the others.
    entries : mapping of str to str
        The person's, by which what is usual was shifted.
    """

    name: str
    region: str
    modality: str
    image: nib.Nifti1Image
    blocks: int
    beyond: float
    edge: float
    reference_beyond: float
    entries: Mapping[str, str]


def z_map(
    norms: KnownNorms, part: tuple[str, str, str], image: nib.Nifti1Image, known: float, groups: Entries
) -> ZMap | None:
    """z of one DBA map; None if there are no norms of such.

    Parameters
    ----------
    norms : KnownNorms
    part : tuple of str
        Name, region and modality of the map's sub-ensemble; without a name, the map is the ensemble's.
    image : nibabel.Nifti1Image
        The map in standard space, years a voxel.
    known : float
        The person's age, or measured value of what the bundle estimates.
    groups : mapping of str to str
        The person's entries in the columns of the norms.
    """
    import nibabel as nib

    from bids_brainage.preprocessing.templates import template_mask

    voxels, name = norms.voxels, part[0]
    if voxels is None or name not in voxels.maps:
        return None
    entries = {
        column: label
        for column, levels in norms.facts.levels.items()
        if (label := groups.get(column)) is not None and label in levels
    }
    labels = {column: np.array([label], object) for column, label in entries.items()}
    z = voxels.z(name, np.asanyarray(image.dataobj), known, labels)
    blocks, edge = len(voxels.maps[name].places), voxels.facts.edge
    inside = np.asanyarray(template_mask(2).dataobj) > 0
    return ZMap(
        *part,
        image=nib.Nifti1Image(np.where(inside, z, np.float32(0)), image.affine),
        blocks=blocks,
        beyond=float(np.count_nonzero(np.abs(z) > TAIL)) / (blocks * edge**3),
        edge=edge * VOXEL_MM,
        reference_beyond=voxels.facts.beyond,
        entries=entries,
    )
