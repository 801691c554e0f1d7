"""The record of an estimate, ``*_desc-<Ensemble>_brainage.json``: what writers and readers agree on."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bids_brainage.flags import Severity
from bids_brainage.records.schema import Record

ESTIMATE_VERSION: Literal[1] = 1


class Target(Record):
    """What is estimated."""

    name: str = Field(default="age", description="`age`, or another column of participants.tsv")
    unit: str = Field(default="years", description="empty if unknown")
    measured: float | None = Field(default=None, description="the person's own value; null if unknown")

    @property
    def of_age(self) -> bool:
        """Whether age is estimated."""
        return self.name == "age"


class FlagRecord(Record):
    """What a reader must know in addition to the number."""

    code: str = Field(description="for programs; see below")
    severity: Severity = Field(description="note, warning or error")
    text: str = Field(description="one sentence for people")


class SubEnsemblePart(Record):
    """One sub-ensemble's part in an estimate; all years are its own, before weighting."""

    name: str = Field(description="region and modality, such as `WholeBrain_T1w`")
    region: str = Field(description="part of the brain that it sees")
    modality: str = Field(description="sequence that it sees")
    brain_age: float = Field(description="the sub-ensemble's own estimate")
    uncertainty: float | None = Field(description="95 % confidence interval width over its base models")
    base_models: tuple[float, ...] = Field(description="estimate of each base model")
    weight: float = Field(
        description="years of the ensemble's estimate per year of this one's; below 0, what makes this one's "
        "older makes the ensemble's younger"
    )
    target_bias: float | None = Field(default=None, description="its estimate before any voxel contributes")
    relevance_sum: float | None = Field(default=None, description="what its map adds to its own estimate")
    absorbed: float | None = Field(
        default=None, description="what biases and epsilon retained on the way back"
    )
    sees: float | None = Field(
        default=None,
        description="its own estimate minus target_bias: how much older (or younger) the brain looks to it, "
        "whatever the ensemble makes of that",
    )
    contribution: float | None = Field(
        default=None, description="weight times relevance_sum: what its map adds to the ensemble's estimate"
    )

    distribution_sd: tuple[float, ...] = Field(
        default=(),
        description="standard deviation of each base model's distribution over ages, if any",
    )
    distribution_mode: tuple[float, ...] = Field(
        default=(), description="most probable age of each of these distributions"
    )

    @property
    def map_weight(self) -> float:
        """The weight of its map in the ensemble's; other than `weight` where maps are averaged."""
        if self.contribution is None or not self.relevance_sum:
            return self.weight
        return self.contribution / self.relevance_sum


class Contributions(Record):
    """Years that the maps add to the ensemble's estimate, summed in two ways."""

    modality: dict[str, float] = Field(description="by sequence")
    region: dict[str, float] = Field(description="by part of the brain that sub-ensembles see")


class PublishedFacts(Record):
    """What the authors of a published network say of it, and what is known to go wrong."""

    title: str = Field(description="of the network")
    paper: str = Field(description="where it was published; empty if unknown")
    repository: str = Field(description="of the authors' code")
    commit: str = Field(description="at which that was read")
    licence: str = Field(description="of the weights")
    registration: str = Field(description="of its input to the template: none, rigid, affine or nonlinear")
    modality: str = Field(default="T1w", description="sequence that it takes in")
    source: str = Field(
        default="t1w",
        description="of its input here: t1w, head, native (as scanned), given, freesurfer:brainmask",
    )
    mae: float | None = Field(description="mean absolute error that the authors give, years")
    people: str = Field(description="of whom they give it")
    problems: tuple[str, ...] = Field(default=(), description="known ones")


class ModelFacts(Record):
    """The bundle that the estimate was made with."""

    name: str = Field(description="of the bundle")
    version: str = Field(description="of the bundle")
    purpose: str = Field(description="research or demonstration")
    heads: str = Field(description="linear, or spline if some are curved")
    sha256: str = Field(description="of bundle.json, which names all other files")
    published: PublishedFacts | None = Field(
        default=None, description="of a published network; null of a bundle that was trained"
    )


class Preparation(Record):
    """How the images were really prepared."""

    origin: str = Field(description="raw, preprocessed (of -d) or freesurfer")
    source: str | None = Field(default=None, description="name of the dataset of -d")
    software: tuple[str, ...] = Field(default=(), description="programs that made that dataset")
    skull_strip: str = Field(description="what was asked for")
    skull_strip_method: str | None = Field(default=None, description="what was done")
    native_voxel_size: float | None = Field(default=None, description="of the T1w image as scanned, mm")
    bias_corrected: bool = Field(default=True, description="whether N4 was run on the T1w image here")
    registered: bool = Field(
        default=True, description="whether the T1w image was registered to the template here"
    )
    aligned: tuple[str, ...] = Field(
        default=(), description="sequences that lay in the T1w image's space already"
    )
    left_out: dict[str, str] = Field(
        default_factory=dict, description="by sequence, why its image could not be used"
    )
    warnings: tuple[str, ...] = Field(default=(), description="what was unusual about the images")
    altered: str | None = Field(
        default=None, description="what `bids_brainage_simulate inject` put into the images"
    )


class ExplanationFacts(Record):
    """How the estimate was explained."""

    rule: str = Field(description="see relevance.md")
    backend: str = Field(description="native or innvestigate")
    aggregation: str = Field(description="heads, or the plain mean over base models")


class ReferenceFacts(Record):
    """What the person's images are compared with."""

    kind: Literal["reference", "dba"] = Field(
        description="reference: the mean input of many people; dba: that expected at the person's own age"
    )
    age: float | None = Field(
        default=None,
        description="at which it is expected: the person's, or the nearest that is known; null for the mean",
    )
    n: int | None = Field(default=None, description="people whom it was made from; null if unknown")
    n_usual: int = Field(default=0, description="people whose maps are known, and were taken as usual")
    datasets: tuple[str, ...] = Field(default=(), description="that they are of; empty if unknown")


class DifferencePart(Record):
    """One sub-ensemble's part in a difference; all years but the contribution are its own."""

    name: str = Field(description="of the sub-ensemble")
    reference_estimate: float = Field(description="its own estimate of the reference")
    usual: float = Field(default=0.0, description="what maps of people of that age usually add to that")
    relevance_sum: float = Field(description="what its map adds to both")
    quadrature: float = Field(description="the rest: what the sum over points of the way leaves")
    points: int = Field(description="of the way from the reference, at which gradients were taken")
    weight: float = Field(description="years of the ensemble's difference per year of this one's")
    contribution: float = Field(description="weight times relevance_sum")


class NormsFacts(Record):
    """Whom z scores of the regions of a DBA map compare with, and how far the person is like them."""

    n: int = Field(description="people whom norms were made from")
    ends: tuple[float, float] = Field(description="youngest and oldest of them (or least and greatest value)")
    datasets: tuple[str, ...] = Field(default=(), description="that they are of; empty if unknown")
    simulated: bool = Field(description="whether they are simulated")
    columns: tuple[str, ...] = Field(default=(), description="by whose entries norms differ, such as sex")
    beyond: float = Field(
        description="share of their own z scores beyond 1.96, each by the norms of the others"
    )
    outside: bool = Field(description="whether the person is younger or older than all of them")
    unknown: tuple[str, ...] = Field(
        default=(), description="columns in which nobody of them has the person's entry"
    )
    among: bool = Field(description="whether the person is one of them")


class Difference(Record):
    """Why the estimate is not that of a reference.

    reference_estimate + usual + relevance_sum + quadrature = brain_age; the first two are what the model
    usually says of people of that age.
    """

    reference: ReferenceFacts = Field(description="what the person's images are compared with")
    reference_estimate: float = Field(description="what the ensemble says of the reference")
    usual: float = Field(default=0.0, description="what maps of people of that age usually add to that")
    relevance_sum: float = Field(description="what the ensemble's map adds to both")
    quadrature: float = Field(description="the rest: what the sum over points of the way leaves")
    parts: tuple[DifferencePart, ...] = Field(description="by sub-ensemble")
    contributions: Contributions = Field(description="the parts' contributions, summed in two ways")
    norms: NormsFacts | None = Field(
        default=None, description="whom the regions' z scores compare with; null if there are none"
    )

    @property
    def start(self) -> float:
        """What the model says of the reference, or usually says of people like it."""
        return self.reference_estimate + self.usual


class EstimateRecord(Record):
    """An estimate, and everything it is made of. If the target is not age, years stand for its unit."""

    schema_version: Literal[1] = Field(default=ESTIMATE_VERSION, description="of this record")
    participant_id: str = Field(description="with `sub-`")
    session_id: str | None = Field(description="with `ses-`; null in a dataset without sessions")
    dataset: str = Field(description="name of the raw dataset")
    ensemble: str = Field(description="as its bundle calls it")
    target: Target = Field(description="what is estimated")
    chronological_age: float | None = Field(description="years; null if unknown")
    sex: str | None = Field(description="as participants.tsv has it")
    brain_age: float = Field(description="the estimate")
    dba: float | None = Field(description="estimate minus age (or measured value)")
    brain_age_corrected: float | None = Field(
        default=None,
        description="corrected for regression to the mean; uses the age, so not an estimate of it",
    )
    dba_corrected: float | None = Field(default=None, description="the same, minus age (or measured value)")
    uncertainty: float | None = Field(
        description="width of the 95 % confidence interval of the mean over models"
    )
    lower_95: float | None = Field(description="lower end of the calibrated 95 % interval")
    upper_95: float | None = Field(description="upper end of it")
    in_training_set: bool | None = Field(description="null if it is not known on whom the bundle was trained")
    fold: int | None = Field(
        description="of a training participant, the fold that never saw them and predicts"
    )
    flags: tuple[FlagRecord, ...] = Field(description="what a reader must know beside the number")
    disclaimer: str | None = Field(description="why the estimate must not be read as one")
    constant: float = Field(description="years that no sub-ensemble contributes")
    modalities_used: tuple[str, ...] = Field(description="sequences that the estimate rests on")
    modalities_missing: tuple[str, ...] = Field(description="sequences that the ensemble could have used")
    sub_ensembles: tuple[SubEnsemblePart, ...] = Field(description="all years here are their own, unweighted")
    target_bias: float | None = Field(
        default=None, description="the ensemble's estimate before any voxel contributes"
    )
    relevance_sum: float | None = Field(default=None, description="what the ensemble's map adds")
    absorbed: float | None = Field(
        default=None, description="the rest: target_bias + relevance_sum + absorbed = brain_age"
    )
    contributions: Contributions | None = Field(
        default=None, description="the sub-ensembles' contributions, summed in two ways"
    )
    model: ModelFacts = Field(description="the bundle")
    training_range: tuple[float, float] | None = Field(description="least and greatest target trained on")
    simulated_input: bool = Field(description="whether the images are simulated")
    preprocessing: Preparation = Field(description="how the images were really prepared")
    lrp: ExplanationFacts | None = Field(description="null if nothing was explained by LRP")
    differences: tuple[Difference, ...] = Field(
        default=(), description="from references: one for each kind of map that was asked for and can be had"
    )
    not_explained: dict[str, str] = Field(
        default_factory=dict, description="by kind of map that was asked for, why there is none"
    )
    inputs: tuple[str, ...] = Field(description="BIDS URIs of the person's own files")
    warnings: tuple[str, ...] = Field(description="what the tables left open")
    versions: dict[str, str] = Field(description="of the packages that determine the result")

    @property
    def of_age(self) -> bool:
        """Whether age is estimated, and not another column."""
        return self.target.of_age

    @property
    def measured(self) -> float | None:
        """What the estimate is compared with: the age, or the target's measured value."""
        return self.chronological_age if self.of_age else self.target.measured
