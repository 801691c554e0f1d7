"""The file of what regions' DBA is like at an age, and what it says of a person."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from bids_brainage import messages
from bids_brainage.errors import BundleError
from bids_brainage.models.bundles.schema import BundleRecord, PlaceNorms, RegionNorms
from bids_brainage.models.bundles.voxel_norms import (
    LARGEST_SHAPE,
    KnownVoxels,
    pack_voxels,
    unpack_voxels,
)
from bids_brainage.statistics.people.norms import Norms

#: Of the sum over sub-ensembles, in years of the ensemble's estimate.
ALL = ""


@dataclass(frozen=True, eq=False)
class RegionDeviations:
    """A person's regions beside what is usual at their age.

    Attributes
    ----------
    facts : PlaceNorms
    z, expected : mapping of str to ndarray (regions,)
        By sub-ensemble, in years of its own; with no name, in the ensemble's.
    outside : bool
        Whether the person is younger or older than all of the reference people.
    unknown : tuple of str
        Columns of which nothing is known for somebody like them.
    """

    facts: PlaceNorms
    z: Mapping[str, np.ndarray]
    expected: Mapping[str, np.ndarray]
    outside: bool
    unknown: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class KnownNorms:
    """One set of norms, of regions and perhaps of voxels.

    Attributes
    ----------
    facts : PlaceNorms
    norms : Norms
        Their places are the ensemble's regions, then those of each sub-ensemble.
    voxels : KnownVoxels, optional
    """

    facts: PlaceNorms
    norms: Norms
    voxels: KnownVoxels | None = None

    def of(
        self, years: Mapping[str, np.ndarray], age: float, groups: Mapping[str, str | None]
    ) -> RegionDeviations:
        """A person beside what is usual.

        Parameters
        ----------
        years : mapping of str to array (regions,)
            By sub-ensemble, its own; with no name, the ensemble's.
        age : float
            Or what is known of the bundle's target.
        groups : mapping of str to str
            The person's entries in the columns of the norms.
        """
        names = (ALL, *self.facts.sub_ensembles)
        values = np.concatenate([years[name] for name in names])[None]
        labels = {column: np.array([label], object) for column, label in groups.items()}
        found = self.norms.deviations(values, np.array([age]), labels)
        z, expected = (array[0].reshape(len(names), -1) for array in (found.z, found.expected))
        return RegionDeviations(
            facts=self.facts,
            z=dict(zip(names, z, strict=True)),
            expected=dict(zip(names, expected, strict=True)),
            outside=bool(found.outside[0]),
            unknown=tuple(
                column for column, levels in self.facts.levels.items() if groups.get(column) not in levels
            ),
        )


def place_norms(
    ensemble: str,
    modalities: tuple[str, ...],
    aggregation: str,
    sub_ensembles: tuple[str, ...],
    norms: Norms,
    beyond: float,
) -> KnownNorms:
    """A set of norms with what a bundle says of it; `beyond` is the share of z scores beyond 1.96."""
    _, record = norms.packed()
    return KnownNorms(
        PlaceNorms(
            ensemble=ensemble,
            modalities=modalities,
            aggregation="mean" if aggregation == "mean" else "heads",
            sub_ensembles=sub_ensembles,
            regions=len(norms.scale) // (1 + len(sub_ensembles)),
            n=norms.n,
            ends=(record["low"], record["high"]),
            pieces=record["pieces"],
            levels=record["levels"],
            beyond=beyond,
        ),
        norms,
    )


def find_norms(
    known: tuple[KnownNorms, ...],
    ensemble: str,
    modalities: Collection[str],
    aggregation: str,
    years: Mapping[str, np.ndarray],
) -> KnownNorms | None:
    """The norms of such estimates, whose maps have these regions; None if there are none."""
    for own in known:
        facts = own.facts
        if (
            (facts.ensemble, facts.aggregation) == (ensemble, aggregation)
            and set(facts.modalities) == set(modalities)
            and {ALL, *facts.sub_ensembles} == set(years)
            and len(years[ALL]) == facts.regions
        ):
            return own
    return None


def pack_norms(known: tuple[KnownNorms, ...]) -> dict[str, np.ndarray]:
    """The arrays of a bundle's file; sets are numbered as in its record."""
    arrays: dict[str, np.ndarray] = {}
    for number, own in enumerate(known):
        parts = own.norms.packed()[0] | (pack_voxels(own.voxels) if own.voxels else {})
        arrays |= {f"{number}/{name}": array for name, array in parts.items()}
    return arrays


def unpack_norms(
    record: BundleRecord, facts: RegionNorms, arrays: Mapping[str, np.ndarray], source: str
) -> tuple[KnownNorms, ...]:
    """All sets of norms.

    Raises
    ------
    BundleError
        An array of `source` is not as the record needs it.
    """
    known = {e.name: {sub.name for sub in e.sub_ensembles} for e in record.ensembles}
    found = []
    for number, own in enumerate(facts.sets):
        try:
            if not set(own.sub_ensembles) <= known.get(own.ensemble, set()):
                raise ValueError("the bundle has no such ensemble or sub-ensemble")
            prefix = f"{number}/"
            parts = {name.removeprefix(prefix): a for name, a in arrays.items() if name.startswith(prefix)}
            voxels = unpack_voxels(own, parts) if own.voxels is not None else None
            found.append(KnownNorms(own, _norms(own, parts), voxels))
        except KeyError as error:
            reason = f"it has no {error.args[0]}"
            raise BundleError(messages.NORMS_WRONG.format(file=source, reason=reason)) from error
        except ValueError as error:
            raise BundleError(messages.NORMS_WRONG.format(file=source, reason=error)) from error
    return tuple(found)


def _norms(facts: PlaceNorms, arrays: Mapping[str, np.ndarray]) -> Norms:
    own = {name: array for name, array in arrays.items() if "/" not in name}
    if any(array.dtype not in (np.float32, np.float64) for array in own.values()):
        raise ValueError("the arrays of its norms are not of numbers")
    low, high = facts.ends
    record = {"low": low, "high": high, "pieces": facts.pieces, "levels": facts.levels, "n": facts.n}
    norms = Norms.unpacked(own, record)
    if len(norms.scale) != (1 + len(facts.sub_ensembles)) * facts.regions:
        raise ValueError("the arrays of its norms do not have the number of regions that its record says")
    if np.abs(norms.shape).max() > LARGEST_SHAPE or (norms.scale < 0).any():
        raise ValueError("the spreads of its norms are none")
    return norms
