"""The sidecar of a relevance map: what it is, how it was made, and how it adds up."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_pascal

from bids_brainage.records.estimate import ModelFacts, ReferenceFacts
from bids_brainage.records.schema import Record

#: What ``res-2`` means, as BIDS has it in sidecars.
RESOLUTION = {"2": "2 mm isotropic, 91 x 109 x 91 voxels"}


class AccountLine(Record):
    """What one layer received, passed on and absorbed."""

    layer: str = Field(description="name of the layer")
    received: float = Field(description="from the layer behind it")
    passed_on: float = Field(description="to the layer before it")
    absorbed: float = Field(description="by biases and epsilon")


class Sidecar(Record):
    """What the sidecars of all maps have in common."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, populate_by_name=True, alias_generator=to_pascal
    )

    description: str = Field(description="what the map shows")
    units: str = Field(description="years, or the target's unit")
    space: str = Field(description="the grid of the map")
    resolution: dict[str, str] | None = Field(default=None, description="what `res-2` means")
    spatial_reference: str | None = Field(
        default=None, description="BIDS URI of the image on whose grid the map lies"
    )
    ensemble: str = Field(description="as its bundle calls it")
    sub_ensemble: str = Field(description="`all` for the sum over sub-ensembles, each times its weight")
    weight: float = Field(description="years of the ensemble's estimate to one year of this map")
    rule: str = Field(description="by which the map was made")
    backend: str = Field(description="native or innvestigate")
    aggregation: str = Field(description="heads, or the plain mean over base models")
    relevance_sum: float = Field(description="sum of the map as it is stored")
    rounding: float = Field(description="what storing values in whole steps took from the sum")
    step: float = Field(description="the step that values were rounded to")
    estimate: float = Field(description="of the networks' own outputs, by their head")
    closure_error: float = Field(description="estimate minus all that is accounted for")
    account: tuple[AccountLine, ...] = Field(description="line by line, from the output to the image")
    quality: dict[str, Any] = Field(description="measured on this map")
    model: ModelFacts = Field(description="the bundle")
    sources: tuple[str, ...] = Field(description="BIDS URIs of the person's own files")
    skull_stripped: bool = Field(default=True, description="relevance lies in the brain alone")
    disclaimer: str | None = Field(
        default=None, description="why the map must not be read as one of a brain's age"
    )

    def as_json(self) -> dict[str, Any]:
        """The sidecar's content; BIDS has no null, so what is not known is not there."""
        return {key: value for key, value in super().as_json().items() if value is not None}


class MapRecord(Sidecar):
    """Sidecar of a relevance map by LRP.

    TargetBias + RelevanceSum + Absorbed + Rounding + ClosureError = Estimate.
    """

    target_bias: float = Field(description="the estimate before any voxel contributes")
    absorbed: float = Field(description="what biases and epsilon retained on the way back")
    estimate_minus_target_bias: float = Field(description="what there is to account for")


class ReferenceRecord(ReferenceFacts):
    """What the map compares with."""

    model_config = Sidecar.model_config


class ReferenceMapRecord(Sidecar):
    """Sidecar of a map against a reference.

    ReferenceEstimate + Usual + RelevanceSum + Quadrature + Rounding + ClosureError = Estimate.
    """

    reference: ReferenceRecord = Field(description="what the map compares with")
    reference_estimate: float = Field(description="the estimate of the reference")
    usual: float = Field(
        default=0.0, description="sum of the map that is usual at that age, which was taken off this one"
    )
    quadrature: float = Field(description="what the sum over points of the way from the reference leaves")
    points: int = Field(description="of that way, at which gradients were taken, at most")
    estimate_minus_reference: float = Field(description="what there is to account for, beside what is usual")

    def as_json(self) -> dict[str, Any]:
        """The sidecar's content, without what is not known."""
        content = super().as_json()
        reference = {key: value for key, value in content["Reference"].items() if value is not None}
        return content | {"Reference": reference}
