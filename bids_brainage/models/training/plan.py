"""The training plan: everything that determines a training, in one YAML file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel as PydanticModel
from pydantic import ConfigDict, Field, ValidationError, field_validator, model_validator

from bids_brainage import messages
from bids_brainage.errors import InputError
from bids_brainage.faults import first_fault
from bids_brainage.models.bundles.fields import EnsembleName, Label, Name, Seed, Text
from bids_brainage.models.bundles.finding import SHIPPED
from bids_brainage.models.bundles.schema import MOST_BASE_MODELS, MOST_ENSEMBLES, PURPOSES
from bids_brainage.models.training.augmentation import AugmentationPlan
from bids_brainage.networks.architecture import BaseModelSpec, Initializer
from bids_brainage.preprocessing.input_spec import (
    InputSpec,
    IntensityRule,
    Orientation,
    SamplingRule,
    check_region,
)
from bids_brainage.quoting import one_line
from bids_brainage.reading import read_yaml_mapping
from bids_brainage.terms import AGE, REGIONS, SPACES

#: Bytes of a plan; those that ship with the program have two thousand.
LARGEST_PLAN = 100_000


class Part(PydanticModel):
    """Frozen, without unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class EnsemblePlan(Part):
    """The sub-ensembles of a multi-level ensemble, and their number of base models."""

    name: EnsembleName
    stage: Literal["subject", "standard"]
    regions: tuple[Label, ...] = Field(min_length=1, max_length=len(REGIONS))
    modalities: tuple[Label, ...] = Field(min_length=1, max_length=20)
    base_models: int = Field(ge=1, le=MOST_BASE_MODELS)
    epochs: int | None = Field(default=None, ge=1, description="instead of the fitting's epochs")

    @field_validator("regions", "modalities")
    @classmethod
    def _once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) != len(names):
            raise ValueError("a name is given twice")
        return names

    @model_validator(mode="after")
    def _known_regions(self) -> EnsemblePlan:
        for region in self.regions:
            check_region(self.stage, region)
        return self

    def sub_ensembles(self) -> list[tuple[str, str, str]]:
        """Name, region and modality of every sub-ensemble."""
        return [
            (f"{region}_{modality}", region, modality)
            for region in self.regions
            for modality in self.modalities
        ]


class InputPlan(Part):
    """Resolution and boxes; boxes in mm, along the axes of `orientation`."""

    voxel_size: float = Field(default=1.0, gt=0)
    orientation: Orientation = "LIA"
    margin: int = Field(default=2, ge=0)
    smallest_subject_box_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    intensity: IntensityRule = IntensityRule()
    sampling: SamplingRule | None = None

    def spec(
        self, ensemble: EnsemblePlan, region: str, modality: str, box: tuple[int, int, int]
    ) -> InputSpec:
        """The input specification of one sub-ensemble."""
        return InputSpec(
            modality=modality,
            stage=ensemble.stage,
            space=SPACES[ensemble.stage],
            region=region,
            voxel_size=self.voxel_size,
            orientation=self.orientation,
            box=box,
            margin=self.margin,
            intensity=self.intensity,
            sampling=self.sampling,
        )


class FittingPlan(Part):
    """How a base model is fitted. Loss: mean squared error in years; optimiser: Adam."""

    epochs: int = Field(default=80, ge=1)
    batch_size: int = Field(default=4, ge=1)
    learning_rate: float = Field(default=5e-4, gt=0)
    schedule: Literal["constant", "cosine"] = "constant"
    initializer: Initializer = "glorot"
    flip: bool = Field(default=True, description="mirror left and right at random")
    augmentation: AugmentationPlan = AugmentationPlan()
    sampling: Literal["everybody", "even_ages"] = Field(
        default="everybody", description="an epoch shows everyone once, or all ages equally often"
    )
    restart_after: int | None = Field(
        default=None,
        ge=1,
        description="epochs after which a model that still guesses the mean age restarts its schedule",
    )
    weights_dtype: Literal["float32", "float16"] = Field(
        default="float32", description="kernels are rounded to this before they are evaluated and kept"
    )


class SplitPlan(Part):
    """Training : validation : test, stratified by age; `folds` of the possible repetitions are trained."""

    parts: tuple[int, int, int] = (8, 1, 1)
    folds: int = Field(default=10, ge=1)
    group_column: str | None = Field(default=None, description="people of one group are never split")

    @model_validator(mode="after")
    def _possible(self) -> SplitPlan:
        if min(self.parts) < 1 or self.folds * self.parts[2] > sum(self.parts):
            raise ValueError("every part needs at least 1, and folds x test at most the sum of the parts")
        return self


class HeadPlan(Part):
    """How the heads are fitted; `top_alpha` 0 without `positive` is the plain linear model of the paper.

    Penalties are for ages in years; for another target they are scaled with its spread.
    """

    kind: Literal["linear", "spline"] = Field(
        default="linear", description="top heads: linear, or with a smooth curve for each sub-ensemble"
    )
    sub_ensemble_kind: Literal["linear", "spline"] = Field(
        default="linear", description="sub-ensembles' heads, with a curve for each base model"
    )
    knots: int = Field(default=4, ge=2, le=20, description="of each curve")
    spline_alpha: float = Field(
        default=1.0, gt=0, description="penalty of the curves: the larger, the more linear"
    )

    positive: bool = Field(
        default=True, description="no negative weights: what looks older to a model never makes younger"
    )
    alpha: float = Field(default=1.0, ge=0)
    top_alpha: float = Field(default=0.0, ge=0)
    top_fitted_on: Literal["test", "validation+test"] = "test"
    cross_validation: int = Field(default=5, ge=2)
    levels: tuple[float, ...] = (0.8, 0.9, 0.95)
    interval: Literal["normalised", "constant"] = Field(
        default="normalised", description="wider if the models disagree, or the same for everyone"
    )


class TrainingPlan(Part):
    """Everything that determines a training; the defaults are the paper's, but for `heads.positive`."""

    name: Label
    version: Label = "1"
    licence: Text = "n/a"
    purpose: PURPOSES = "research"
    description: Text = ""
    seed: Seed = 0
    target: Name = Field(default=AGE, min_length=1, description="column of participants.tsv to estimate")
    ensembles: tuple[EnsemblePlan, ...] = Field(min_length=1, max_length=MOST_ENSEMBLES)
    input: InputPlan = InputPlan()
    architecture: BaseModelSpec = BaseModelSpec()
    fitting: FittingPlan = FittingPlan()
    split: SplitPlan = SplitPlan()
    heads: HeadPlan = HeadPlan()

    @model_validator(mode="after")
    def _names_once(self) -> TrainingPlan:
        if len({ensemble.name for ensemble in self.ensembles}) != len(self.ensembles):
            raise ValueError("two ensembles have the same name")
        return self

    @property
    def modalities(self) -> tuple[str, ...]:
        """All modalities that any ensemble sees."""
        return tuple(dict.fromkeys(m for ensemble in self.ensembles for m in ensemble.modalities))


def find_plan(name_or_path: str) -> Path:
    """The file of a plan: one that ships with the program (``paper``, ``demo``, ...), or any path."""
    shipped = SHIPPED / f"{name_or_path}_plan.yaml"
    return shipped if shipped.is_file() else Path(name_or_path).expanduser()


def read_plan_file(path: Path) -> dict[str, Any]:
    """What a plan's YAML says, not checked yet; InputError if it cannot be read."""
    try:
        return read_yaml_mapping(path, LARGEST_PLAN)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or one_line(error)
        raise InputError(messages.PLAN_UNREADABLE.format(file=path, reason=reason)) from error


def make_plan(content: Mapping[str, Any], file: str) -> TrainingPlan:
    """The plan of that content; InputError if it is wrong."""
    try:
        return TrainingPlan.model_validate(content)
    except ValidationError as error:
        fault = first_fault(error)
        where = fault.where or "plan"
        raise InputError(messages.PLAN_WRONG.format(file=file, where=where, reason=fault.reason)) from error
