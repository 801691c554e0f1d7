"""The sidecar of a map: what it is, how it was made, and how it adds up or whom it compares with."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_pascal

from bids_brainage.records.estimate import ModelFacts, NormsFacts, ReferenceFacts
from bids_brainage.records.schema import Record

#: What ``res-2`` means, as BIDS has it in sidecars.
RESOLUTION = {"2": "2 mm isotropic, 91 x 109 x 91 voxels"}


class AccountLine(Record):
    """What one layer received, passed on and absorbed."""

    layer: str = Field(description="name of the layer")
    received: float = Field(description="from the layer behind it")
    passed_on: float = Field(description="to the layer before it")
    absorbed: float = Field(description="by biases and epsilon")


class AnyMapRecord(Record):
    """What the sidecars of all maps have in common."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, populate_by_name=True, alias_generator=to_pascal
    )

    description: str = Field(description="what the map shows")
    space: str = Field(description="the grid of the map")
    resolution: dict[str, str] | None = Field(default=None, description="what `res-2` means")
    spatial_reference: str | None = Field(
        default=None, description="BIDS URI of the image on whose grid the map lies"
    )
    ensemble: str = Field(description="as its bundle calls it")
    sub_ensemble: str = Field(description="`all` for the sum over sub-ensembles, each times its weight")
    step: float = Field(description="the step that values were rounded to")
    model: ModelFacts = Field(description="the bundle")
    sources: tuple[str, ...] = Field(description="BIDS URIs of the person's own files")
    skull_stripped: bool = Field(default=True, description="relevance lies in the brain alone")
    disclaimer: str | None = Field(
        default=None, description="why the map must not be read as one of a brain's age"
    )

    def as_json(self) -> dict[str, Any]:
        """The sidecar's content; BIDS has no null, so what is not known is not there."""
        return {key: value for key, value in super().as_json().items() if value is not None}


class Sidecar(AnyMapRecord):
    """What the sidecars of maps in years have in common."""

    units: str = Field(description="years, or the target's unit")
    weight: float = Field(description="years of the ensemble's estimate to one year of this map")
    rule: str = Field(description="by which the map was made")
    backend: str = Field(description="native or innvestigate")
    aggregation: str = Field(description="heads, or the plain mean over base models")
    relevance_sum: float = Field(description="sum of the map as it is stored")
    rounding: float = Field(description="what storing values in whole steps took from the sum")
    estimate: float = Field(description="of the networks' own outputs, by their head")
    closure_error: float = Field(description="estimate minus all that is accounted for")
    account: tuple[AccountLine, ...] = Field(description="line by line, from the output to the image")
    quality: dict[str, Any] = Field(description="measured on this map")


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


class NormsRecord(NormsFacts):
    """Whom z scores compare with, and how far the person is like them."""

    model_config = AnyMapRecord.model_config


class ZMapRecord(AnyMapRecord):
    """Sidecar of a DBA map as standard deviations from what is usual at an age."""

    of: str = Field(description="BIDS URI of the DBA map")
    known: float = Field(description="the person's age, or value of the target, that norms were asked for")
    entries: dict[str, str] = Field(
        default_factory=dict,
        description="the person's entries in columns such as sex, by which what is usual was shifted",
    )
    norms: NormsRecord = Field(description="whom the map compares with; `Beyond` is of their blocks")
    block_size: tuple[float, float, float] = Field(
        description="mm: a z is of the sum of years in such a block, and all of its voxels have it"
    )
    blocks: int = Field(description="that have a z; where there are no norms, the map is 0")
    beyond: float = Field(description="share of these beyond 1.96, of which 5 % are by chance")
    multiple_comparison_correction: str = Field(description="none: see the description")
