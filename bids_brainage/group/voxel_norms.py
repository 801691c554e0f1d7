"""Norms of voxels' DBA from the maps of finished sessions, read one at a time into a file of blocks."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bids_brainage import messages
from bids_brainage.errors import InputError
from bids_brainage.group.dba_tables import DbaTable
from bids_brainage.group.members import ALL, MapKind
from bids_brainage.group.stacks import build_stack
from bids_brainage.models.bundles.schema import VoxelNorms
from bids_brainage.models.bundles.voxel_norms import (
    EDGE,
    PIECES,
    KnownVoxels,
    MapNorms,
    places_that_vary,
)
from bids_brainage.statistics.blocks import block_sums
from bids_brainage.statistics.people.norm_fitting import Calibration, fit_norms
from bids_brainage.statistics.people.norms import Groups
from bids_brainage.suggestions import some

_DBA: MapKind = "dba"


@dataclass(frozen=True, eq=False)
class MadeVoxelNorms:
    """Norms of blocks, and by map how the z scores of their people are distributed, out of fold."""

    known: KnownVoxels
    calibrations: Mapping[str, Calibration]


def check_maps(out_dir: Path, tables: Sequence[DbaTable]) -> None:
    """Raise InputError unless everybody has the ensemble's DBA map in standard space."""
    lacking = [own.member.name for own in tables if (_DBA, ALL) not in own.member.maps]
    if lacking:
        names = some(list(dict.fromkeys(lacking)), ", ")
        raise InputError(messages.NORMS_NO_MAPS.format(path=out_dir, names=names))


def fit_voxel_norms(
    tables: Sequence[DbaTable],
    sub_ensembles: Sequence[str],
    ages: np.ndarray,
    groups: Groups,
    least_spread: float,
) -> MadeVoxelNorms:
    """Norms of the blocks of the ensemble's map, and of the sub-ensembles' where everybody has theirs.

    Parameters
    ----------
    tables : sequence of DbaTable
        Of people who are alike, whose members have maps.
    sub_ensembles : sequence of str
    ages : array (n,)
    groups : mapping of str to array (n,)
    least_spread : float
        See `fit_norms`.

    Raises
    ------
    InputError
        A map cannot be read, lies on another grid, or is the same in everybody.
    """
    maps, calibrations = {}, {}
    for name in (ALL, *sub_ensembles):
        found = [own.member.maps.get((_DBA, name)) for own in tables]
        places = [place for place in found if place is not None]
        if len(places) < len(tables):
            continue
        with tempfile.TemporaryDirectory() as folder:
            stack = build_stack(
                [[place] for place in places], brain_blocks(), Path(folder) / "maps.npy", edge=EDGE
            )
            norms, calibration = fit_norms(
                stack.data(), ages, groups, least_spread=least_spread, pieces=PIECES, margin=np.inf
            )
        kept = places_that_vary(norms)
        if not kept.any():
            raise InputError(messages.NORMS_MAPS_ALIKE.format(path=places[0].path))
        maps[name] = MapNorms(
            np.flatnonzero(stack.mask)[kept].astype(np.int32),
            replace(norms, mean=norms.mean[:, kept], shape=norms.shape[:, kept], scale=norms.scale[kept]),
        )
        calibrations[name] = Calibration(
            calibration.mean[kept], calibration.sd[kept], calibration.tails[kept], calibration.n
        )
    facts = VoxelNorms(
        edge=EDGE,
        pieces=PIECES,
        sub_ensembles=tuple(name for name in maps if name != ALL),
        beyond=float(calibrations[ALL].tails.mean()),
    )
    return MadeVoxelNorms(KnownVoxels(facts, maps), calibrations)


def brain_blocks() -> NDArray[np.bool_]:
    """The blocks of which at least half lies in the template's brain mask."""
    from bids_brainage.preprocessing.templates import template_mask

    inside = np.asanyarray(template_mask(2).dataobj) > 0
    return block_sums(inside, EDGE) >= EDGE**3 / 2
