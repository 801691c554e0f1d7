"""Norms of DBA maps in standard space, by blocks of voxels: packed small, and a person's z map by them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bids_brainage.models.bundles.schema import PlaceNorms, VoxelNorms
from bids_brainage.statistics.blocks import block_sums, blocks_of, filled_blocks
from bids_brainage.statistics.people.norms import Groups, Norms

#: Voxels of 2 mm along each edge of a block, and pieces of the range of ages, of norms that are made.
EDGE, PIECES = 2, 4
#: Coefficients of a spread's logarithm: larger ones are no spread of years.
LARGEST_SHAPE = 100.0
#: Standard deviations beyond which a z score says no more.
LARGEST_Z = 100.0
# A place that differs less between people than this share of its mean hardly varies, and has no z score; half
# precision says of all others to less than a twentieth of a standard deviation what is usual.
_MOST_SPREADS = 100.0
_PLACES = "places"
_SHARES = "norms_shares"
_HALVES = ("norms_mean", "norms_shape")


@dataclass(frozen=True, eq=False)
class MapNorms:
    """Norms of one map's blocks.

    Attributes
    ----------
    places : int32 array (k,)
        Which blocks, in C order of all; ascending.
    norms : Norms
        Of these, in years a block.
    """

    places: NDArray[np.int32]
    norms: Norms


@dataclass(frozen=True, eq=False)
class KnownVoxels:
    """Norms of an ensemble's map (no name) and of its sub-ensembles' maps.

    Attributes
    ----------
    facts : VoxelNorms
    maps : mapping of str to MapNorms
    """

    facts: VoxelNorms
    maps: Mapping[str, MapNorms]

    def z(self, name: str, values: np.ndarray, known: float, groups: Groups) -> NDArray[np.float32]:
        """How many standard deviations each block is above what is usual.

        Parameters
        ----------
        name : str
            Of the sub-ensemble; empty for the ensemble.
        values : array (91, 109, 91)
            The person's map, years a voxel.
        known : float
            Age, or what is known of the bundle's target.
        groups : mapping of str to array (1,)
            Labels of the norms' further columns.

        Returns
        -------
        float32 array (91, 109, 91)
            All voxels of a block have its z, 0 where there are no norms.
        """
        own, edge = self.maps[name], self.facts.edge
        sums = block_sums(values, edge)
        found = own.norms.deviations(sums.ravel()[None, own.places], np.array([known]), groups)
        z = np.zeros(sums.size, np.float32)
        z[own.places] = np.clip(found.z[0], -LARGEST_Z, LARGEST_Z)
        return filled_blocks(z.reshape(sums.shape), edge, values.shape)


def places_that_vary(norms: Norms) -> NDArray[np.bool_]:
    """The places (k,) that differ between people by enough to be told apart."""
    return np.asarray(norms.scale * _MOST_SPREADS > np.abs(norms.mean).max(axis=0))


def pack_voxels(known: KnownVoxels) -> dict[str, np.ndarray]:
    """Arrays: curves in half precision, those of the mean in units of the place's scale."""
    arrays: dict[str, np.ndarray] = {}
    for number, own in enumerate(known.maps.values()):
        parts = own.norms.packed()[0]
        scale = own.norms.scale
        parts |= {"norms_mean": own.norms.mean / scale, _PLACES: own.places.astype(np.int32)}
        parts |= {name: parts[name].astype(np.float16) for name in _HALVES}
        arrays |= {f"voxels/{number}/{name}": array for name, array in parts.items()}
    return arrays


def unpack_voxels(facts: PlaceNorms, arrays: Mapping[str, np.ndarray]) -> KnownVoxels:
    """What `pack_voxels` made arrays of.

    Raises
    ------
    ValueError, KeyError
        They are not as the record needs them.
    """
    voxels = facts.voxels
    if voxels is None:
        raise ValueError("its record names no norms of voxels")
    if not set(voxels.sub_ensembles) <= set(facts.sub_ensembles):
        raise ValueError("its norms of voxels are of sub-ensembles that it does not have")
    maps = {}
    for number, name in enumerate(("", *voxels.sub_ensembles)):
        prefix = f"voxels/{number}/"
        own = {key.removeprefix(prefix): array for key, array in arrays.items() if key.startswith(prefix)}
        maps[name] = MapNorms(_places(own[_PLACES], voxels.edge), _norms(facts, voxels, own))
        if len(maps[name].places) != len(maps[name].norms.scale):
            raise ValueError("its norms of voxels are not of the blocks that they name")
    return KnownVoxels(voxels, maps)


def _places(places: np.ndarray, edge: int) -> NDArray[np.int32]:
    from bids_brainage.preprocessing.templates import SHAPES

    count = math.prod(blocks_of(SHAPES[2], edge))
    if places.dtype != np.int32 or places.ndim != 1 or not places.size:
        raise ValueError("the blocks of its norms are no list of whole numbers")
    if places[0] < 0 or places[-1] >= count or (np.diff(places) <= 0).any():
        raise ValueError("the blocks of its norms are not in ascending order on the standard grid")
    return places


def _norms(facts: PlaceNorms, voxels: VoxelNorms, arrays: Mapping[str, np.ndarray]) -> Norms:
    mean, shape = (arrays[name] for name in _HALVES)
    scale, shares = arrays["norms_scale"], arrays[_SHARES]
    if (mean.dtype, shape.dtype, scale.dtype) != (np.float16, np.float16, np.float32):
        raise ValueError("the arrays of its norms of voxels are not of the numbers that they should be")
    if shares.dtype != np.float64 or mean.shape[1:] != scale.shape:
        raise ValueError("the arrays of its norms of voxels do not belong together")
    low, high = facts.ends
    record = {"low": low, "high": high, "pieces": voxels.pieces, "levels": facts.levels, "n": facts.n}
    whole = {"norms_mean": mean.astype(np.float32) * scale, "norms_shape": shape.astype(np.float32)}
    norms = Norms.unpacked({**whole, "norms_scale": scale, _SHARES: shares}, record)
    if np.abs(norms.shape).max(initial=0) > LARGEST_SHAPE or not (scale > 0).all():
        raise ValueError("the spreads of its norms of voxels are none")
    return norms
