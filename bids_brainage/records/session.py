"""The record of completion of a session: which stages are finished, and every file of each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from bids_brainage.records.schema import Record

SESSION_VERSION: Literal[1] = 1
#: Name of the stage that all estimates stand on.
PREPROCESSING = "preprocessing"

Role = Literal[
    "brain_mask", "transform", "coregistration", "subject_image", "standard_image",
    "estimate", "regions", "relevance", "sidecar",
]  # fmt: skip


class FileMark(Record):
    """One file of a stage, and how to tell whether it is still what was written.

    `about` says what it shows, so that nobody guesses from names: ``modality``, ``space``, ``source``,
    ``target``, ``sub_ensemble``, ``region``.
    """

    path: str = Field(description="below the output folder")
    role: Role
    bytes: int = Field(ge=0)
    sha256: str
    about: dict[str, str] = Field(default_factory=dict)


class InputMark(Record):
    """An input file as it was read."""

    bytes: int
    mtime_ns: int
    sha256: str


class Stage(Record):
    """A finished stage: preprocessing, or one ensemble's estimate and explanation."""

    fingerprint: str = Field(description="of all that decides the result")
    files: tuple[FileMark, ...]
    seconds: dict[str, float] = Field(default_factory=dict, description="that each step took")


class SessionRecord(Record):
    """What of a session is finished. It is written last; what it does not name is not finished.

    `pending` names files that an interrupted write may have left behind; the next one removes them.
    """

    schema_version: Literal[1] = SESSION_VERSION
    participant_id: str
    session_id: str | None
    version: str = Field(description="of bids_brainage")
    inputs: dict[str, InputMark] = Field(default_factory=dict, description="by path")
    preprocessing: Stage | None = None
    estimates: dict[str, Stage] = Field(default_factory=dict, description="by ensemble")
    pending: tuple[str, ...] = ()

    def stages(self) -> Iterator[tuple[str, Stage]]:
        """Name and stage of all that is finished."""
        if self.preprocessing is not None:
            yield PREPROCESSING, self.preprocessing
        yield from self.estimates.items()

    def files(self) -> Iterator[FileMark]:
        """Every file of every stage."""
        for _, stage in self.stages():
            yield from stage.files
