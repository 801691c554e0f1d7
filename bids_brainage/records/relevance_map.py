"""The sidecar of a relevance map: what it is, how it was made, and how it adds up."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_pascal

from bids_brainage.records.estimate import ModelFacts
from bids_brainage.records.schema import Record

#: What ``res-2`` means, as BIDS has it in sidecars.
RESOLUTION = {"2": "2 mm isotropic, 91 x 109 x 91 voxels"}


class AccountLine(Record):
    """What one layer received, passed on and absorbed."""

    layer: str
    received: float
    passed_on: float
    absorbed: float


class MapRecord(Record):
    """Sidecar of a relevance map.

    TargetBias + RelevanceSum + Absorbed + Rounding + ClosureError = Estimate.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, populate_by_name=True, alias_generator=to_pascal
    )

    description: str
    units: str
    space: str = Field(description="the grid of the map")
    resolution: dict[str, str] | None = None
    spatial_reference: str | None = Field(
        None, description="BIDS URI of the image on whose grid the map lies"
    )
    ensemble: str
    sub_ensemble: str = Field(description="`all` for the sum over sub-ensembles, each times its weight")
    weight: float = Field(description="years of the ensemble's estimate to one year of this map")
    rule: str
    backend: str
    aggregation: str
    target_bias: float
    relevance_sum: float = Field(description="sum of the map as it is stored")
    absorbed: float
    rounding: float = Field(description="what storing values in whole steps took from the sum")
    step: float = Field(description="the step that values were rounded to")
    estimate: float = Field(description="of the networks' own outputs, by their head")
    estimate_minus_target_bias: float
    closure_error: float = Field(description="estimate minus all that is accounted for")
    account: tuple[AccountLine, ...]
    quality: dict[str, Any]
    model: ModelFacts
    sources: tuple[str, ...]
    skull_stripped: bool = True
    disclaimer: str | None = None
