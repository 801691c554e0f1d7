"""A person's regions beside what is usual at their age, where the bundle has norms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bids_brainage.models.bundles.region_norms import ALL, find_norms
from bids_brainage.records.estimate import NormsFacts

if TYPE_CHECKING:
    from bids_brainage.estimates.differences import DifferenceMaps
    from bids_brainage.estimates.options import EstimationOptions, PersonFacts
    from bids_brainage.models.bundles.bundle import Bundle
    from bids_brainage.models.bundles.region_norms import RegionDeviations
    from bids_brainage.models.ensembles.ensemble import EnsembleEstimate


def region_deviations(
    bundle: Bundle,
    estimate: EnsembleEstimate,
    maps: DifferenceMaps,
    known: float | None,
    person: PersonFacts,
    options: EstimationOptions,
) -> RegionDeviations | None:
    """z scores of the regions of DBA maps; None if the bundle has no norms of such.

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
        return None
    parts = [own for own in maps.parts if own.regions is not None]
    years = {own.name: own.regions.total for own in parts if own.regions is not None}
    years[ALL] = np.sum([own.weight * years[own.name] for own in parts], axis=0)
    found = find_norms(
        bundle.region_norms, estimate.ensemble, estimate.modalities_used, options.aggregation, years
    )
    return found.of(years, known, person.groups) if found else None


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
