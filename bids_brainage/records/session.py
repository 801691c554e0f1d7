"""The record of completion of a session: which stages are finished, and every file of each."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Literal

from pydantic import Field

from bids_brainage.records.schema import Record
from bids_brainage.terms import STANDARD_SPACE

SESSION_VERSION: Literal[1] = 1
#: What a stage does: prepare the images of one modality, or estimate and explain with one ensemble.
StageKind = Literal["preprocessing", "estimate"]
#: Kind and name: a modality, or an ensemble.
StageKey = tuple[StageKind, str]
#: The modality that all others are aligned with: what depends on it is made again with it.
FIRST = "T1w"
#: The stage of the T1w image's way to the template, called as the standard space.
TEMPLATE = STANDARD_SPACE
#: Stages of the T1w image's linear ways there, which some published networks need.
LINEAR = ("rigid", "affine")
#: Sources of images that some published networks take in as they are, and what the files of these are called.
SOURCES = {
    "native": "scanned",
    "given": "given",
    "freesurfer:brainmask": "freesurferBrainmask",
    "freesurfer:brain": "freesurferBrain",
}

Role = Literal[
    "brain_mask", "transform", "linear_transform", "coregistration", "subject_image", "standard_image",
    "source_image", "truth", "estimate", "regions", "relevance", "reference_regions", "reference_map",
    "z_map", "sidecar",
]  # fmt: skip


class FileMark(Record):
    """One file of a stage, and how to tell whether it is still what was written.

    `about` says what it shows, so that nobody guesses from names: ``modality``, ``space``, ``source``,
    ``target``, ``sub_ensemble``, ``region``, ``kind`` (of reference, or of registration), ``origin`` (one of
    `SOURCES`).
    """

    path: str = Field(description="below the output folder")
    role: Role = Field(description="what kind of file it is")
    bytes: int = Field(ge=0, description="its size")
    sha256: str = Field(description="of its content")
    about: dict[str, str] = Field(default_factory=dict, description="what it shows")


class InputMark(Record):
    """An input file as it was read; if size and time are the same, it is not read again for comparison."""

    bytes: int = Field(description="its size")
    mtime_ns: int = Field(description="when it was changed")
    sha256: str = Field(description="of its content")


class Stage(Record):
    """A finished stage: the prepared images of one modality, or one ensemble's estimate and explanation."""

    fingerprint: str = Field(description="of all that decides the result")
    files: tuple[FileMark, ...] = Field(description="all of it")
    inputs: dict[str, InputMark] = Field(default_factory=dict, description="by name, what it was made of")
    seconds: dict[str, float] = Field(default_factory=dict, description="that each step took")
    model: str | None = Field(default=None, description="of an estimate, sha256 of the bundle that made it")
    left_out: str | None = Field(
        default=None, description="why there are no files: the sequence's image cannot be used"
    )


class SessionRecord(Record):
    """What is finished of a session. It is written last; what it does not list is not finished.

    `pending` names files that an interrupted write may have left behind; the next one removes them.
    """

    schema_version: Literal[1] = Field(default=SESSION_VERSION, description="of this record")
    participant_id: str = Field(description="with `sub-`")
    session_id: str | None = Field(description="with `ses-`; null in a dataset without sessions")
    version: str = Field(description="of bids_brainage")
    preprocessing: dict[str, Stage] = Field(
        default_factory=dict,
        description="by modality; of images that networks take in as they are, with their source",
    )
    estimates: dict[str, Stage] = Field(default_factory=dict, description="by ensemble")
    pending: tuple[str, ...] = Field(default=(), description="files that an interrupted write may have left")

    def stages(self) -> Iterator[tuple[StageKey, Stage]]:
        """All that is finished."""
        for modality, stage in self.preprocessing.items():
            yield ("preprocessing", modality), stage
        for ensemble, stage in self.estimates.items():
            yield ("estimate", ensemble), stage

    def stage(self, key: StageKey) -> Stage | None:
        """A stage, if it is finished."""
        return dict(self.stages()).get(key)

    def files(self) -> Iterator[FileMark]:
        """Every file of every stage."""
        for _, stage in self.stages():
            yield from stage.files

    def with_stage(self, key: StageKey, stage: Stage) -> SessionRecord:
        """The record with one more finished stage, or another one in its place."""
        group, name = ("estimates" if key[0] == "estimate" else "preprocessing"), key[1]
        stages = dict(sorted({**getattr(self, group), name: stage}.items()))
        return self.model_copy(update={group: stages})

    def without(self, key: StageKey, models: Collection[str | None] = (None,)) -> SessionRecord:
        """The record without a stage, all that depends on it, and estimates of models other than `models`."""
        stands = {other for other, stage in self.stages() if _yields(key, models, other, stage)}
        return self.model_copy(
            update={
                "preprocessing": {
                    name: stage
                    for name, stage in self.preprocessing.items()
                    if ("preprocessing", name) not in stands
                },
                "estimates": {
                    name: stage for name, stage in self.estimates.items() if ("estimate", name) not in stands
                },
            }
        )


def source_stage(modality: str, source: str) -> str:
    """The stage of an image that networks take in as it is, such as ``T2w/native``."""
    return f"{modality}/{source}"


def source_of(stage: str) -> str | None:
    """The source of the image of such a stage; None of any other stage."""
    return stage.partition("/")[2] or None


def _yields(key: StageKey, models: Collection[str | None], other: StageKey, stage: Stage) -> bool:
    """Whether a stage is dropped when `key` is remade: the same, a dependent one, or another model's."""
    if key[0] == "preprocessing":
        # An image that is kept as it is stands on nothing, and nothing but estimates on it.
        as_it_is = source_of(other[1]) is not None
        stands_on_template = key[1] == TEMPLATE and other[1] not in (FIRST, *LINEAR)
        stands = not as_it_is and (key[1] == FIRST or stands_on_template)
        return other == key or other[0] == "estimate" or stands
    return other == key or (other[0] == "estimate" and stage.model not in models)
