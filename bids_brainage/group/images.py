"""Maps of statistics as NIfTI images, and where their peaks are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.affines import apply_affine
from numpy.typing import NDArray

from bids_brainage.atomic import replacing
from bids_brainage.bids.naming import sidecar
from bids_brainage.preprocessing.templates import atlas, grid
from bids_brainage.records.files import write_json
from bids_brainage.records.group import Peak

#: Size of a voxel of the 2 mm grid.
VOXEL_MM3 = 8


def volume(values: NDArray[Any], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Values (voxels,) of a mask as a volume, zero elsewhere."""
    whole = np.zeros(mask.shape, dtype=np.float32)
    whole[mask] = values
    return whole


def write_map(path: Path, values: NDArray[Any], facts: dict[str, Any]) -> Path:
    """Write a volume on the 2 mm grid, then its sidecar."""
    image = nib.Nifti1Image(values, grid(2).affine)
    image.header.set_xyzt_units("mm")
    with replacing(path) as temporary:
        image.to_filename(temporary)
    write_json(sidecar(path), facts)
    return path


def write_mask(path: Path, mask: NDArray[np.bool_], facts: dict[str, Any]) -> Path:
    """Write a mask on the 2 mm grid, then its sidecar."""
    return write_map(path, mask.astype(np.uint8), facts)


def minus_log10(p: NDArray[np.float64]) -> NDArray[np.float32]:
    """How p values are written: larger is rarer."""
    return (-np.log10(p) + 0.0).astype(np.float32)


def peak_of(statistic: NDArray[np.float32], mask: NDArray[np.bool_], two_sided: bool) -> Peak:
    """Where a statistic (voxels,) is largest, whatever its sign if both are asked for."""
    largest = int(np.argmax(np.abs(statistic) if two_sided else statistic))
    place = np.argwhere(mask)[largest]
    x, y, z = position(place)
    return Peak(x=x, y=y, z=z, statistic=float(statistic[largest]), region=region_at(place))


def position(voxel: NDArray[np.intp]) -> tuple[float, float, float]:
    """Where a voxel of the 2 mm grid is, mm."""
    x, y, z = apply_affine(grid(2).affine, voxel)
    return float(x), float(y), float(z)


def region_at(voxel: NDArray[np.intp]) -> str:
    """The region of the merged atlas at a voxel of the 2 mm grid, with its hemisphere."""
    labels, table = atlas()
    index = int(np.asanyarray(labels.dataobj)[tuple(voxel)])
    rows = table.loc[table["index"] == index]
    if not index or rows.empty:
        return "outside the atlas"
    return str(rows.iloc[0]["name"])
