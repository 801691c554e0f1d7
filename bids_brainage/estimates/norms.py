"""A person's regions and voxels beside what is usual at their age, where the bundle has norms."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from bids_brainage.estimates.z_maps import z_map
from bids_brainage.models.bundles.region_norms import ALL, find_norms
from bids_brainage.records.estimate import NormsFacts
from bids_brainage.terms import STANDARD_SPACE

if TYPE_CHECKING:
    from bids_brainage.estimates.differences import DifferenceMaps
    from bids_brainage.estimates.options import EstimationOptions, PersonFacts
    from bids_brainage.models.bundles.bundle import Bundle
    from bids_brainage.models.bundles.region_norms import RegionDeviations
    from bids_brainage.models.ensembles.ensemble import EnsembleEstimate


def beside_norms(
    bundle: Bundle,
    estimate: EnsembleEstimate,
    maps: DifferenceMaps,
    known: float | None,
    person: PersonFacts,
    options: EstimationOptions,
) -> DifferenceMaps:
    """DBA maps with the z scores of their regions, and z maps, as far as the bundle has norms of such.

    Parameters
    ----------
    bundle : Bundle
    estimate : EnsembleEstimate
    maps : DifferenceMaps
    known : float or None
        The person's age, or measured value of what the bundle estimates.
    person : PersonFacts
    options : EstimationOptions
    """
    if maps.reference.kind != "dba" or known is None or not bundle.region_norms:
        return maps
    parts = [own for own in maps.parts if own.regions is not None]
    years = {own.name: own.regions.total for own in parts if own.regions is not None}
    years[ALL] = np.sum([own.weight * years[own.name] for own in parts], axis=0)
    found = find_norms(
        bundle.region_norms, estimate.ensemble, estimate.modalities_used, options.aggregation, years
    )
    if found is None:
        return maps
    deviations = found.of(years, known, person.groups)
    norms = norms_facts(bundle, deviations, person)
    shown = (*(maps.parts if options.sub_ensemble_maps else ()), maps.total)
    z = [
        z_map(found, (own.name, own.region, own.modality), own.on[STANDARD_SPACE], known, person.groups)
        for own in shown
        if STANDARD_SPACE in own.on
    ]
    kept = tuple(own for own in z if own is not None)
    return replace(maps, deviations=deviations, norms=norms, z=kept)


def norms_facts(bundle: Bundle, found: RegionDeviations, person: PersonFacts) -> NormsFacts | None:
    """What an estimate's record says of whom its z scores compare with."""
    whose = bundle.record.region_norms
    if whose is None:
        return None
    return NormsFacts(
        n=found.facts.n,
        ends=found.facts.ends,
        datasets=whose.datasets,
        simulated=whose.simulated,
        columns=tuple(found.facts.levels),
        beyond=found.facts.beyond,
        outside=found.outside,
        unknown=found.unknown,
        among=bundle.in_norms(person.participant, person.dataset),
    )
