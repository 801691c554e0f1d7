"""The sidecar of a map: what it is, how it was made, and how it adds up."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bids_brainage.estimates.differences import DifferenceMap
from bids_brainage.estimates.maps import MapFacts
from bids_brainage.estimates.z_maps import ZMap
from bids_brainage.records.estimate import EstimateRecord, NormsFacts, ReferenceFacts
from bids_brainage.records.reading import SessionPlace
from bids_brainage.records.relevance_map import (
    RESOLUTION,
    MapRecord,
    NormsRecord,
    ReferenceMapRecord,
    ReferenceRecord,
    ZMapRecord,
)
from bids_brainage.records.rounding import RoundedImage
from bids_brainage.terms import STANDARD_SPACE

_SPACE_NOTE = {
    False: "on the grid of the preprocessed T1w image",
    True: "in MNI152NLin6Asym at 2 mm",
}
_CARRIED = "what was found on another grid was carried here as a mass, so that its sum is the same"


def map_record(
    place: SessionPlace, record: EstimateRecord, own: MapFacts, space: str, stored: RoundedImage
) -> MapRecord:
    """The sidecar of one map on one grid.

    Parameters
    ----------
    place : SessionPlace
    record : EstimateRecord
        Of the ensemble.
    own : MapFacts
    space : str
        ``T1w`` or ``MNI152NLin6Asym``.
    stored : RoundedImage
        The map as it is written.
    """
    if record.lrp is None:
        raise ValueError("an estimate that was not explained has no maps")
    return MapRecord(
        **_common(place, record, own, space, stored),
        description=_description(record, own),
        rule=record.lrp.rule,
        backend=record.lrp.backend,
        aggregation=record.lrp.aggregation,
        target_bias=own.target_bias,
        absorbed=own.absorbed,
        estimate_minus_target_bias=own.estimate - own.target_bias,
        quality=dict(own.quality),
    )


def reference_map_record(
    place: SessionPlace,
    record: EstimateRecord,
    own: DifferenceMap,
    reference: ReferenceFacts,
    aggregation: str,
    space: str,
    stored: RoundedImage,
) -> ReferenceMapRecord:
    """The same of a map against a reference."""
    return ReferenceMapRecord(
        **_common(place, record, own, space, stored),
        description=_difference_description(record, own, reference),
        rule="integrated gradients",
        backend="native",
        aggregation=aggregation,
        reference=ReferenceRecord.model_validate(reference.model_dump()),
        reference_estimate=own.reference_estimate,
        usual=own.usual,
        quadrature=own.quadrature,
        points=own.points,
        estimate_minus_reference=own.estimate - own.reference_estimate,
        quality={},
    )


def z_map_record(
    place: SessionPlace,
    record: EstimateRecord,
    own: ZMap,
    norms: NormsFacts,
    dba_map: Path,
    stored: RoundedImage,
) -> ZMapRecord:
    """The sidecar of a DBA map as standard deviations from what is usual.

    Parameters
    ----------
    place : SessionPlace
    record : EstimateRecord
        Of the ensemble.
    own : ZMap
    norms : NormsFacts
        Whom its regions' z scores compare with, as do its own.
    dba_map : Path
        The same map in years.
    stored : RoundedImage
        The map as it is written.
    """
    if record.measured is None:
        raise ValueError("somebody of unknown age has no z map")
    return ZMapRecord(
        **_about(record, own.name, stored),
        description=_z_description(record, own),
        space=_SPACE_NOTE[True],
        resolution=RESOLUTION,
        of=place.uri(dba_map),
        known=record.measured,
        entries=dict(own.entries),
        norms=NormsRecord.model_validate(norms.model_dump() | {"beyond": own.reference_beyond}),
        block_size=(own.edge, own.edge, own.edge),
        blocks=own.blocks,
        beyond=own.beyond,
        multiple_comparison_correction="none",
    )


def _about(record: EstimateRecord, sub_ensemble: str, stored: RoundedImage) -> dict[str, Any]:
    """What the sidecars of maps of all kinds say."""
    return {
        "ensemble": record.ensemble,
        "sub_ensemble": sub_ensemble or "all",
        "step": stored.step,
        "model": record.model,
        "sources": record.inputs,
        "disclaimer": record.disclaimer,
    }


def _common(
    place: SessionPlace,
    record: EstimateRecord,
    own: MapFacts | DifferenceMap,
    space: str,
    stored: RoundedImage,
) -> dict[str, Any]:
    """What the sidecars of maps in years say."""
    standard = space == STANDARD_SPACE
    return _about(record, own.name, stored) | {
        "units": record.target.unit or "n/a",
        "space": f"{_SPACE_NOTE[standard]}; {_CARRIED}",
        "resolution": RESOLUTION if standard else None,
        "spatial_reference": None if standard else place.uri(place.path("preproc_T1w")),
        "weight": own.weight,
        "relevance_sum": stored.sum,
        "rounding": own.relevance_sum - stored.sum,
        "estimate": own.estimate,
        "closure_error": own.closure_error,
        "account": own.account,
    }


def _description(record: EstimateRecord, own: MapFacts) -> str:
    what = "brain age" if record.of_age else record.target.name
    unit = record.target.unit or f"units of {record.target.name}"
    if not own.name:
        turned = [part.name for part in record.sub_ensembles if part.map_weight < 0]
        return (
            f"Layer-wise relevance: {unit} that each voxel adds to the {record.ensemble} estimate of {what}, "
            f"summed over sub-ensembles, each times its weight{_turned(turned)}"
        )
    return (
        f"Layer-wise relevance: {unit} that each voxel adds to the estimate of {what} by the sub-ensemble "
        f"{own.name} alone; Weight says what the ensemble makes of them{_signs(own)}"
    )


def _turned(names: Sequence[str]) -> str:
    """Say which sub-ensembles' maps enter the ensemble's turned round."""
    return f"; negative weights turn the maps of {', '.join(names)} round" if names else ""


def _signs(own: MapFacts | DifferenceMap) -> str:
    """Say where negative weights turn signs round, on the way into this map and out of it."""
    turned, entered = "", ""
    if own.weight < 0:
        turned = (
            "; it is negative: what is positive here makes the ensemble's estimate lower, and what is "
            "negative makes it higher"
        )
    if own.negative:
        entered = (
            ". Base models with negative weights, whose own maps enter this one turned round: "
            f"{', '.join(own.negative)}"
        )
    return turned + entered


def _z_description(record: EstimateRecord, own: ZMap) -> str:
    whose = f"the sub-ensemble {own.name} alone" if own.name else f"the ensemble {record.ensemble}"
    return (
        f"z: by how many standard deviations of people of the same {record.target.name} the DBA map of "
        f"{whose} is above what is usual there, in blocks of {own.edge:g} mm. Neighbouring voxels are "
        "correlated, and nothing is corrected for how many there are: in anybody, about 5 % lie beyond 1.96 "
        "by chance, often side by side. It says that a place is unusual for the model, not why, nor that it "
        "is ill"
    )


def _difference_description(record: EstimateRecord, own: DifferenceMap, reference: ReferenceFacts) -> str:
    what = "brain age" if record.of_age else record.target.name
    unit = record.target.unit or f"units of {record.target.name}"
    if reference.age is None:
        other = "the mean input of all people"
    else:
        other = f"the input expected at {record.target.name} {reference.age:.4g}"
    text = f"{unit} by which each voxel makes the estimate of {what} differ from that of {other}"
    if reference.n_usual:
        text += ", less what is usual at that age"
    if not own.name:
        parts = [part for found in record.differences if found.reference == reference for part in found.parts]
        turned = [part.name for part in parts if part.weight < 0]
        text += f"; by the ensemble {record.ensemble}, summed over sub-ensembles, each times its weight"
        return text + _turned(turned)
    text += f"; by the sub-ensemble {own.name} alone; Weight says what the ensemble makes of them"
    return text + _signs(own)
