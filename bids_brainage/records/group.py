"""What a group analysis found: records that the page reads, and nobody guesses from names."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bids_brainage.records.schema import Record


class Peak(Record):
    """The place of the largest statistic."""

    x: float = Field(description="mm, MNI152NLin6Asym")
    y: float = Field(description="mm")
    z: float = Field(description="mm")
    statistic: float = Field(description="t or F there")
    region: str = Field(description="of the merged atlas, with its hemisphere")


class ContrastRecord(Record):
    """A contrast, tested on one set of maps."""

    name: str = Field(description="as the design calls it")
    label: str = Field(description="as file names call it")
    statistic: Literal["t", "F"] = Field(description="t or F")
    degrees_of_freedom: tuple[int, int] = Field(description="of the effect and of the errors")
    two_sided: bool = Field(description="whether effects of either sign count")
    measure: str | None = Field(default=None, description="what voxels are judged by; null if none were")
    rearrangements: int = Field(description="of the data, that which changes nothing included")
    distinct: str = Field(description="how many different ones there are; text, as it may be astronomical")
    enumerated: bool = Field(description="whether all of them were taken, so that p values are exact")
    voxels: int = Field(default=0, description="tested")
    significant: int = Field(default=0, description="voxels with corrected p of at most 0.05")
    smallest_p: float | None = Field(default=None, description="corrected, of any voxel")
    threshold: float | None = Field(
        default=None, description="of the measure, above which corrected p is at most 0.05"
    )
    corrected_over: str = Field(default="voxels", description="what corrected p values are corrected over")
    tail_fit: float | None = Field(
        default=None, description="p of the fit of the null's tail, if one was used"
    )
    peak: Peak | None = Field(default=None, description="of the statistic")
    files: dict[str, str] = Field(
        default_factory=dict, description="below the analysis' folder, by what they hold"
    )


class UnitRecord(Record):
    """A model, tested on the maps of one sub-ensemble or ensemble."""

    ensemble: str = Field(description="as its bundle calls it")
    sub_ensemble: str = Field(description="empty for the ensemble's own map, the sum over all")
    region: str = Field(description="that the sub-ensemble sees")
    modality: str = Field(description="that it sees")
    kind: Literal["lrp", "dba"] = Field(description="of maps")
    label: str = Field(description="as file names call these maps")
    people: tuple[str, ...] = Field(description="who takes part, in the order of the design's rows")
    design: str = Field(description="table of the design, below the analysis' folder")
    notes: tuple[str, ...] = Field(default=(), description="sentences that belong to the results")
    contrasts: tuple[ContrastRecord, ...] = Field(description="what was asked")
    mask: str | None = Field(default=None, description="voxels that were tested")
    coverage: str | None = Field(default=None, description="share of people with a map there")


class AnalysisRecord(Record):
    """``group/<analysis>/analysis.json``: written last."""

    schema_version: Literal[1] = Field(default=1, description="of this record")
    name: str = Field(description="of the analysis and its folder")
    title: str = Field(description="for people")
    source: str = Field(description="where the analysis comes from; empty if it is the user's own")
    absolute: bool = Field(description="whether the maps' absolute values were tested")
    seed: int = Field(description="rearrangement i is drawn with (seed, i)")
    smoothing: float = Field(description="full width at half maximum, mm; 0 for none")
    fingerprint: str = Field(description="of all that decides the results")
    units: tuple[UnitRecord, ...] = Field(description="by maps")
    likeness: str | None = Field(
        default=None, description="table of how alike the sequences' maps of the statistic are"
    )
    software: dict[str, str] = Field(description="versions of what decides the results")


class SkippedAnalysis(Record):
    """An analysis that could not be done."""

    name: str = Field(description="of the analysis")
    title: str = Field(description="for people")
    source: str = Field(description="where it comes from")
    reason: str = Field(description="why it was not done")


class GroupRecord(Record):
    """``group/group.json``: what the group level has written; the page is made of it."""

    schema_version: Literal[1] = Field(default=1, description="of this record")
    dataset: str = Field(description="name of the raw dataset")
    model: str = Field(description="bundle, or bundles, of all estimates")
    disclaimer: str | None = Field(default=None, description="why estimates must not be read as such")
    target: str = Field(description="what is estimated")
    unit: str = Field(description="of the estimates")
    ensembles: tuple[str, ...] = Field(description="as their bundle calls them")
    estimates: int = Field(description="rows of brainage.tsv")
    unfinished: tuple[str, ...] = Field(description="sessions without an estimate")
    analyses: tuple[str, ...] = Field(description="folders with an analysis.json")
    skipped: tuple[SkippedAnalysis, ...] = Field(description="what could not be done, and why")
    failed: dict[str, str] = Field(
        default_factory=dict, description="by analysis, why it was begun but not finished"
    )
    warnings: tuple[str, ...] = Field(default=(), description="what a reader must know")
    tables: dict[str, str] = Field(default_factory=dict, description="about people, by what they hold")
