"""How alike the maps of a statistic are that the sequences have of one part of the brain."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from bids_brainage.group.table import write_rows
from bids_brainage.records.group import ContrastRecord, UnitRecord
from bids_brainage.statistics.people.likeness import compare_maps

NAME = "likeness"


def write_likeness(out: Path, units: Sequence[UnitRecord]) -> str | None:
    """Write a row for each pair of sequences, over the voxels tested of both; None if there are none.

    Parameters
    ----------
    out : Path
        ``group/<analysis>``, which has the units' maps already.
    units : sequence of UnitRecord
    """
    groups: dict[tuple[str, str, str, str], list[tuple[UnitRecord, ContrastRecord]]] = {}
    for unit in units:
        for contrast in unit.contrasts:
            key = (unit.ensemble, unit.kind, unit.region, contrast.name)
            if unit.sub_ensemble and contrast.statistic in contrast.files:
                groups.setdefault(key, []).append((unit, contrast))
    rows: list[dict[str, Any]] = []
    for (ensemble, kind, _, name), members in groups.items():
        if len(members) > 1:
            first = {"ensemble": ensemble, "map": kind, "contrast": name}
            rows += [first | row for row in _compared(out, members)]
    path = write_rows(out, NAME, NAME, rows)
    return None if path is None else path.name


def _compared(out: Path, members: Sequence[tuple[UnitRecord, ContrastRecord]]) -> list[dict[str, Any]]:
    masks = [_values(out / str(unit.mask)) > 0 for unit, _ in members]
    both = np.logical_and.reduce(masks)
    if not both.any():
        return []
    maps = [_values(out / contrast.files[contrast.statistic])[both] for _, contrast in members]
    names = [unit.sub_ensemble for unit, _ in members]
    signed = members[0][1].two_sided
    return compare_maps(np.stack(maps), names, absolute=signed).rows()


def _values(path: Path) -> np.ndarray:
    return np.asanyarray(nib.Nifti1Image.from_filename(path).dataobj)
