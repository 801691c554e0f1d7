"""One session through one bundle: every image is read once, every network run once."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bids_brainage import messages
from bids_brainage.errors import ImageError
from bids_brainage.estimates.differences import (
    DifferenceMap,
    DifferenceMaps,
    difference_maps,
    find_references,
)
from bids_brainage.estimates.grids import Grids
from bids_brainage.estimates.inputs import InputMaker
from bids_brainage.estimates.maps import MapFacts, ensemble_map, sub_ensemble_map
from bids_brainage.estimates.norms import beside_norms
from bids_brainage.estimates.options import EstimationOptions, PersonFacts
from bids_brainage.estimates.parts import Part, run_networks
from bids_brainage.estimates.regions import region_rows
from bids_brainage.estimates.summary import Explained, Unlike, estimate_record
from bids_brainage.models.ensembles.typicality import unusual_inputs
from bids_brainage.records.estimate import EstimateRecord, Preparation
from bids_brainage.records.reading import PreparedImages

if TYPE_CHECKING:
    from bids_brainage.models.bundles.bundle import Bundle
    from bids_brainage.models.bundles.region_norms import RegionDeviations
    from bids_brainage.models.ensembles.ensemble import EnsembleEstimate, MultiLevelEnsemble

LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class EnsembleResult:
    """What one ensemble finds for one session.

    Attributes
    ----------
    record : EstimateRecord
    maps : tuple of MapFacts
        To be written: those of the sub-ensembles, then the ensemble's.
    regions : list of dict
        Rows of the table of relevance by region.
    differences : tuple of DifferenceMaps
        All maps against each kind of reference.
    """

    record: EstimateRecord
    maps: tuple[MapFacts, ...]
    regions: list[dict[str, Any]]
    differences: tuple[DifferenceMaps, ...] = ()


def estimate_session(
    bundle: Bundle,
    ensembles: Sequence[str],
    images: PreparedImages,
    preparation: Preparation,
    person: PersonFacts,
    options: EstimationOptions,
) -> Iterator[EnsembleResult]:
    """Estimate and explain one session with each requested ensemble of a bundle.

    `preparation` says how the images were prepared.

    Raises
    ------
    ImageError
        If an image does not fit what the networks take, or there is none for any of them.
    """
    maker = InputMaker(images, options.modalities)
    grids = Grids(images, maker.mask)
    for name in ensembles:
        LOGGER.info(messages.ESTIMATING.format(name=person.name, ensemble=name))
        ensemble = bundle.ensemble_for(name, person.participant, person.dataset)
        yield _result(bundle, ensemble, maker, grids, preparation, person, options)


def _result(
    bundle: Bundle,
    ensemble: MultiLevelEnsemble,
    maker: InputMaker,
    grids: Grids,
    preparation: Preparation,
    person: PersonFacts,
    options: EstimationOptions,
) -> EnsembleResult:
    parts = {part.sub.name: part for part in run_networks(ensemble, maker, options.lrp, options.threads)}
    if not parts:
        raise ImageError(messages.NO_IMAGE_FOR_ENSEMBLE.format(ensemble=ensemble.name))
    estimate = ensemble.estimate({name: part.outputs for name, part in parts.items()})
    maps, total = _maps(estimate, parts, grids, options)
    arrays = {name: part.input.array for name, part in parts.items()}
    unlike = Unlike(
        unusual_inputs(arrays, bundle.norms(ensemble.name), bundle.mean_inputs(ensemble.name)),
        maker.unlike_scans(bundle, {part.sub.modality for part in parts.values()}),
    )
    differences, lacking = _differences(bundle, estimate, parts, grids, person, options)
    explained = Explained({own.name: own for own in maps}, total, [own.facts for own in differences], lacking)
    spread = {name: part.distributions for name, part in parts.items()}
    recipes = {name: own for name, part in parts.items() if (own := maker.recipe(part.sub)) is not None}
    record = estimate_record(
        bundle,
        estimate,
        person,
        preparation,
        options,
        unlike,
        explained,
        distributions=spread,
        recipes=recipes,
    )
    shown = () if total is None else (*(maps if options.sub_ensemble_maps else ()), total)
    return EnsembleResult(record, shown, rows_of(maps), differences)


def rows_of(
    maps: Sequence[MapFacts | DifferenceMap], deviations: RegionDeviations | None = None
) -> list[dict[str, Any]]:
    """Rows of the table of sub-ensembles' maps by region."""
    return [
        row
        for own in maps
        if own.regions
        for row in region_rows(own.name, own.modality, own.weight, own.regions, deviations)
    ]


def _differences(
    bundle: Bundle,
    estimate: EnsembleEstimate,
    parts: dict[str, Part],
    grids: Grids,
    person: PersonFacts,
    options: EstimationOptions,
) -> tuple[tuple[DifferenceMaps, ...], dict[str, str]]:
    """The maps against each kind of reference that is asked for; of those that cannot be had, why."""
    known = person.age if bundle.estimates_age else person.measured
    ordered = {part.name: parts[part.name] for part in estimate.sub_ensembles}
    top = None if options.aggregation == "mean" else estimate.top_head.head
    found, lacking = [], {}
    for kind in options.references:
        references, reason = find_references(kind, bundle, estimate.ensemble, list(ordered), known)
        if reason:
            lacking[kind] = reason
            continue
        given = (kind, bundle, ordered, references, top, grids, options.spaces, options.threads)
        maps = difference_maps(*given)
        found.append(beside_norms(bundle, estimate, maps, known, person, options))
    return tuple(found), lacking


def _maps(
    estimate: EnsembleEstimate, parts: dict[str, Part], grids: Grids, options: EstimationOptions
) -> tuple[list[MapFacts], MapFacts | None]:
    """Every sub-ensemble's map and their weighted sum; none if nothing is explained."""
    if options.lrp is None:
        return [], None
    aggregation = options.lrp.aggregation
    weights = {part.name: part.weight for part in estimate.sub_ensembles}
    if aggregation == "mean":
        weights = dict.fromkeys(weights, 1 / len(weights))

    def explained(name: str) -> MapFacts:
        return sub_ensemble_map(parts[name], weights[name], aggregation, grids, options.spaces)

    with ThreadPoolExecutor(options.threads) as pool:
        maps = list(pool.map(explained, weights))
    if aggregation == "mean":
        return maps, ensemble_map(maps, float(np.mean([own.estimate for own in maps])), 0.0)
    return maps, ensemble_map(maps, estimate.brain_age, estimate.top_constant)
