"""The schema of ``bundle.json``, versions 1 and 2.

Version 2 has networks as graphs of layers with a readout of their own, inputs by recipes, and medians as
heads. A bundle without them is of version 1, which older programs can read.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import (
    Discriminator,
    Field,
    SerializerFunctionWrapHandler,
    Tag,
    model_serializer,
    model_validator,
)

from bids_brainage.models.bundles.fields import (
    LARGEST_BUNDLE,
    LARGEST_FILE,
    LARGEST_NUMBER,
    Count,
    EnsembleName,
    Label,
    Level,
    Name,
    Number,
    Record,
    RelativePath,
    Seed,
    Sha256,
    Size,
    Text,
)
from bids_brainage.models.bundles.limits import check_size
from bids_brainage.models.bundles.recipe import Recipe
from bids_brainage.models.ensembles.typicality import Norms
from bids_brainage.networks.graph import Architecture, LayerGraph
from bids_brainage.preprocessing.input_spec import InputSpec
from bids_brainage.preprocessing.recipes.vocabulary import InputRecipe
from bids_brainage.terms import AGE

SCHEMA_VERSION = 2
#: The files of a bundle's reference inputs: one of each sub-ensemble, and what is expected at an age.
REFERENCE_FILE, EXPECTED_FILE = "reference.safetensors", "expected.safetensors"
#: The file of what regions' DBA is like at an age.
NORMS_FILE = "norms.safetensors"
PURPOSES = Literal["demonstration", "research"]
MOST_FOLDS = 100
MOST_BASE_MODELS = 100
MOST_ENSEMBLES = 20


class FileRecord(Record):
    """What a file of the bundle must be."""

    sha256: Sha256
    bytes: int = Field(ge=0, le=LARGEST_FILE)


class CurveRecord(Record):
    """A spline of one prediction: knots and B-spline coefficients in the target's unit; straight outside."""

    knots: tuple[Number, ...] = Field(max_length=200)
    coefficients: tuple[Number, ...] = Field(min_length=1)
    degree: int = Field(default=3, ge=1, le=5)

    @model_validator(mode="after")
    def _a_spline(self) -> CurveRecord:
        if len(self.knots) != len(self.coefficients) + self.degree + 1:
            raise ValueError("a spline needs degree + 1 more knots than coefficients")
        if any(later < earlier for earlier, later in pairwise(self.knots)):
            raise ValueError("the knots of a spline must not descend")
        if self.knots[self.degree] >= self.knots[-self.degree - 1]:
            raise ValueError("the knots of a spline must span a range")
        return self


class HeadRecord(Record):
    """A linear model's coefficients and intercept (years); of a curved one, also a curve for each.

    With `median`, the median of the predictions stands in the place of their weighted sum, and the
    coefficients only say how many there are.
    """

    coefficients: tuple[Number, ...] = Field(min_length=1)
    intercept: Number
    alpha: Size
    curves: tuple[CurveRecord | None, ...] = ()
    median: bool = False

    @model_serializer(mode="wrap")
    def _as_before(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without what version 1 does not know, where it is not used."""
        content: dict[str, Any] = dump(self)
        if not self.median:
            content.pop("median", None)
        return content

    @model_validator(mode="after")
    def _one_curve_each(self) -> HeadRecord:
        if self.curves and len(self.curves) != len(self.coefficients):
            raise ValueError("a curved head needs a curve, or null, for each coefficient")
        if self.median and (self.curves or self.intercept):
            raise ValueError("a median has neither curves nor an intercept")
        return self


class Errors(Record):
    """Errors on people not in training, in years; `guess_mae` is that of always guessing the mean age."""

    level: Literal["base_model", "sub_ensemble", "ensemble"]
    name: Name
    modalities: tuple[Label, ...]
    n: Count
    mae: Size
    rmse: Size
    r2: Number
    r: Number | None
    guess_mae: Size


class NormalisedRecord(Record):
    """Interval that follows the spread of the models: estimate +- quantile * (spread + offset), years."""

    offset: float = Field(gt=0, le=LARGEST_NUMBER)
    quantiles: dict[Level, Size]


class AgeBiasRecord(Record):
    """Regression line of (estimate - age) on age in held-out people, in years."""

    intercept: Number
    slope: Number


class TopHeadRecord(Record):
    """Head above the sub-ensembles of one subset of modalities, with its calibration."""

    modalities: tuple[Label, ...] = Field(min_length=1)
    sub_ensembles: tuple[Label, ...] = Field(min_length=1)
    head: HeadRecord
    n_calibration: Count
    half_widths: dict[Level, Size] = Field(default_factory=dict)
    normalised: NormalisedRecord | None = None
    age_bias: AgeBiasRecord | None = None
    disagreement_99: Size | None = None

    @model_validator(mode="after")
    def _one_coefficient_each(self) -> TopHeadRecord:
        if len(self.head.coefficients) != len(self.sub_ensembles):
            raise ValueError("a top head needs one coefficient for each sub-ensemble")
        return self


class SubEnsembleFold(Record):
    """The trained part of a sub-ensemble in one fold."""

    base_models: tuple[RelativePath, ...] = Field(min_length=1, max_length=MOST_BASE_MODELS)
    head: HeadRecord

    @model_validator(mode="after")
    def _one_coefficient_each(self) -> SubEnsembleFold:
        if len(self.head.coefficients) != len(self.base_models):
            raise ValueError("a head needs one coefficient for each base model")
        return self


def _kind_of_input(content: Any) -> str:
    """Whether an input is a recipe's, which alone have a grid."""
    has_grid = "grid" in content if isinstance(content, dict) else hasattr(content, "grid")
    return "recipe" if has_grid else "spec"


AnyInput = Annotated[
    Annotated[InputSpec, Tag("spec")] | Annotated[InputRecipe, Tag("recipe")], Discriminator(_kind_of_input)
]


class SubEnsembleRecord(Record):
    """One sub-ensemble: what it sees, how it is built, what was trained in each fold."""

    name: Label
    input: AnyInput
    architecture: Architecture
    folds: tuple[SubEnsembleFold, ...] = Field(min_length=1, max_length=MOST_FOLDS)
    norms: Norms = Field(
        default_factory=dict, description="mean and standard deviation of training inputs' measures"
    )

    @property
    def input_shape(self) -> tuple[int, int, int, int]:
        """Shape of what a base model takes: the box and its channels."""
        x, y, z = self.input.box
        return (x, y, z, self.input.channels)

    @model_validator(mode="after")
    def _possible_network(self) -> SubEnsembleRecord:
        check_size(self.architecture, self.input.box)
        return self


class EnsembleRecord(Record):
    """One multi-level ensemble; `top_heads` has, for each fold, one head per subset of modalities."""

    name: EnsembleName
    sub_ensembles: tuple[SubEnsembleRecord, ...] = Field(min_length=1, max_length=100)
    top_heads: tuple[tuple[TopHeadRecord, ...], ...] = Field(min_length=1, max_length=MOST_FOLDS)
    errors: tuple[Errors, ...] = ()

    @model_validator(mode="after")
    def _fits_together(self) -> EnsembleRecord:
        names = [sub.name for sub in self.sub_ensembles]
        if len(set(names)) != len(names):
            raise ValueError(f"{self.name} has two sub-ensembles with the same name")
        if any(len(sub.folds) != len(self.top_heads) for sub in self.sub_ensembles):
            raise ValueError(f"{self.name} does not have the same number of folds everywhere")
        for head in (head for fold in self.top_heads for head in fold):
            if unknown := set(head.sub_ensembles) - set(names):
                raise ValueError(f"a top head of {self.name} names unknown sub-ensembles: {sorted(unknown)}")
        for fold in zip(*(sub.folds for sub in self.sub_ensembles), strict=True):
            files = [file for part in fold for file in part.base_models]
            if len(set(files)) != len(files):
                raise ValueError(f"{self.name} has two base models with the same file in a fold")
        return self


class ScanRange(Record):
    """Images of one sequence: extent of scanned voxels (least, greatest) and smoothness (mean, sd), in mm."""

    voxels: tuple[Size, Size] | None = None
    smoothness: tuple[Size, Size] | None = None


class Cohort(Record):
    """Whom the bundle was trained on; some of it may be unknown for imported bundles.

    `target_range`, `target_mean` and `target_sd` are for a target other than age.
    """

    n: Count | None = None
    age_range: tuple[Number, Number] | None = None
    age_mean: Number | None = None
    age_sd: Size | None = None
    age_edges: tuple[Number, ...] = ()
    age_counts: tuple[Count, ...] = ()
    sexes: dict[Name, Count] = Field(default_factory=dict)
    sites: dict[Name, Count] = Field(default_factory=dict)
    sequences: dict[Name, Count] = Field(default_factory=dict)
    scans: dict[Name, ScanRange] = Field(default_factory=dict)
    datasets: tuple[Name, ...] = ()
    simulated: bool
    target_range: tuple[Number, Number] | None = None
    target_mean: Number | None = None
    target_sd: Size | None = None


class Source(Record):
    """The file of another program that a base model was imported from."""

    file: Name
    sha256: Sha256
    program: Name


class Protocol(Record):
    """How the bundle was trained; `plan` is the whole training plan.

    For an imported bundle, plan, seed and split are unknown; `sources` says which file each base model
    was imported from.
    """

    plan: dict[str, Any] = Field(default_factory=dict)
    seed: Seed | None = None
    n_training: tuple[Count, ...] = ()
    n_validation: tuple[Count, ...] = ()
    n_test: tuple[Count, ...] = ()
    heads_fitted_on: Text
    top_heads_fitted_on: Text
    errors_measured_on: Text
    versions: dict[Name, Name] = Field(default_factory=dict)
    sources: dict[RelativePath, Source] = Field(default_factory=dict)


class Participants(Record):
    """Salted hashes of the training participants, each with the fold that tested it, or None."""

    salt: Annotated[str, Field(pattern=r"^[0-9a-f]{32,128}$")]
    folds: dict[Sha256, Annotated[int, Field(ge=0, lt=MOST_FOLDS)] | None] = Field(default_factory=dict)


class Parent(Record):
    """The bundle that base models come from, and whom it had been trained on.

    `refit`: with only new heads, or with all weights trained further.
    """

    name: Label
    version: Label
    sha256: Sha256
    refit: Literal["heads", "all"]
    target: Name
    unit: Name
    cohort: Cohort
    participants: Participants


class Reference(Record):
    """Reference inputs (`file`; uint8, or floats of a graph or recipe), and each base model's predictions.

    In years, `predictions` has, by ``<ensemble>/<sub-ensemble>``, one tuple per fold with one number per base
    model.
    """

    file: RelativePath
    tolerance: float = Field(default=0.01, gt=0, le=LARGEST_NUMBER)
    predictions: dict[str, tuple[tuple[Number, ...], ...]]


class ExpectedInputs(Record):
    """What inputs are expected to be like by age (or the target's value), and from whom this is known.

    `file` holds a packed `ExpectedInput` by ``<ensemble>/<sub-ensemble>``, from `n` people, and may hold a
    packed `UsualMap`, from `n_maps`.
    """

    file: RelativePath
    n: Count
    n_maps: Count = 0
    centre: Number
    spread: Annotated[float, Field(gt=0, le=LARGEST_NUMBER)]
    ends: tuple[Number, Number]
    datasets: tuple[Name, ...] = ()
    simulated: bool

    @model_validator(mode="after")
    def _a_range(self) -> ExpectedInputs:
        if self.ends[0] >= self.ends[1]:
            raise ValueError("the ages of reference inputs must span a range")
        return self


class VoxelNorms(Record):
    """Norms of the same maps in standard space, by blocks of voxels; see `voxel_norms`.

    `edge`: voxels of 2 mm along each edge of a block. `sub_ensembles` are those whose own maps are known,
    beside the ensemble's. `beyond` is the share of people's z scores beyond 1.96, each by the norms of the
    others.
    """

    edge: Annotated[int, Field(ge=1, le=10)]
    pieces: Annotated[int, Field(gt=0, le=100)]
    sub_ensembles: tuple[Label, ...] = Field(default=(), max_length=100)
    beyond: Annotated[float, Field(ge=0, le=1)]


class PlaceNorms(Record):
    """Norms of one ensemble's DBA maps, as it is estimated from some sequences; see `region_norms`.

    `ends` are the least and greatest age (or value of the target) of its `n` people. `beyond` is the share of
    their z scores beyond 1.96, each by the norms of the others. `levels` are those entries of columns of
    participants.tsv that enough of them have.
    """

    ensemble: EnsembleName
    modalities: tuple[Label, ...] = Field(min_length=1, max_length=20)
    aggregation: Literal["heads", "mean"]
    sub_ensembles: tuple[Label, ...] = Field(min_length=1, max_length=100)
    regions: Annotated[int, Field(gt=0, le=10_000)]
    n: Count
    ends: tuple[Number, Number]
    pieces: Annotated[int, Field(gt=0, le=100)]
    levels: dict[Name, tuple[Name, ...]] = Field(default_factory=dict, max_length=20)
    beyond: Annotated[float, Field(ge=0, le=1)]
    voxels: VoxelNorms | None = None


class RegionNorms(Record):
    """What regions' DBA is like at an age, and from whom this is known.

    `people` are salted hashes, as those of `Participants`.
    """

    file: RelativePath
    sets: tuple[PlaceNorms, ...] = Field(min_length=1, max_length=100)
    datasets: tuple[Name, ...] = ()
    simulated: bool
    people: tuple[Sha256, ...] = ()


class BundleRecord(Record):
    """All of ``bundle.json``.

    `target` is the column of participants.tsv that is estimated, `unit` its unit (empty if unknown).
    `parents` are the bundles this one was transferred from, the most recent first. `recipe` is that of a
    published network.
    """

    schema_version: Literal[1, 2] = 1
    name: Label
    version: Label
    licence: Text
    purpose: PURPOSES
    description: Text = ""
    target: Name = AGE
    unit: Name = "years"
    cohort: Cohort
    protocol: Protocol
    ensembles: tuple[EnsembleRecord, ...] = Field(min_length=1, max_length=MOST_ENSEMBLES)
    participants: Participants
    parents: tuple[Parent, ...] = Field(default=(), max_length=20)
    reference: Reference
    expected_inputs: ExpectedInputs | None = None
    region_norms: RegionNorms | None = None
    recipe: Recipe | None = None
    files: dict[RelativePath, FileRecord]

    @model_serializer(mode="wrap")
    def _as_before(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without what version 1 does not know, where it is not used."""
        content: dict[str, Any] = dump(self)
        if self.recipe is None:
            content.pop("recipe", None)
        return content

    @model_validator(mode="after")
    def _complete(self) -> BundleRecord:
        names = [ensemble.name for ensemble in self.ensembles]
        if len(set(names)) != len(names):
            raise ValueError("two ensembles have the same name")
        if unlisted := self.named_files() - set(self.files):
            raise ValueError(f"no sha256 is given for {sorted(unlisted)[0]}")
        if sum(file.bytes for file in self.files.values()) > LARGEST_BUNDLE:
            raise ValueError(f"its files are larger than {LARGEST_BUNDLE / 1e9:g} GB together")
        folds = min(len(ensemble.top_heads) for ensemble in self.ensembles)
        if any(fold is not None and fold >= folds for fold in self.participants.folds.values()):
            raise ValueError("participants were tested by a fold that is not there")
        if needed_version(self.ensembles) > self.schema_version or (self.recipe and self.schema_version < 2):
            raise ValueError("it has what only a bundle of schema version 2 may have")
        return self

    def named_files(self) -> set[str]:
        """Every file that the record points to."""
        weights = {
            path
            for ensemble in self.ensembles
            for sub in ensemble.sub_ensembles
            for fold in sub.folds
            for path in fold.base_models
        }
        added = {part.file for part in (self.expected_inputs, self.region_norms) if part is not None}
        return weights | added | {self.reference.file}


def needed_version(ensembles: Sequence[EnsembleRecord]) -> Literal[1, 2]:
    """The version that a bundle of these ensembles must say it has."""
    subs = [sub for ensemble in ensembles for sub in ensemble.sub_ensembles]
    tops = [top for ensemble in ensembles for fold in ensemble.top_heads for top in fold]
    heads = [*(top.head for top in tops), *(fold.head for sub in subs for fold in sub.folds)]
    graphs = any(
        isinstance(sub.architecture, LayerGraph) or isinstance(sub.input, InputRecipe) for sub in subs
    )
    return 2 if graphs or any(head.median for head in heads) else 1
