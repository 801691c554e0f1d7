"""The record of a participant's page: what it shows, and every file that belongs to it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from bids_brainage.errors import InputError
from bids_brainage.records.files import sha256_of
from bids_brainage.records.reading import FinishedSession
from bids_brainage.records.schema import Record

#: Figures that a page no longer has are removed by name, so a name leads to no other folder.
FigureName = Annotated[str, Field(pattern=r"^sub-[A-Za-z0-9_.+-]+\.svg$")]


#: A page that shows a failure is outdated as soon as a run goes well.
FAILED = "failures"


class PageRecord(Record):
    """Written before the page, without its hash, and again after it; see `is_current`."""

    schema_version: Literal[1] = Field(default=1, description="of this record")
    participant_id: str = Field(description="with `sub-`")
    sha256: str = Field(description="of the page")
    shows: dict[str, str] = Field(description="by session, what its stages were made of")
    figures: dict[FigureName, str] = Field(description="by name in sub-*/figures, what each was drawn from")


def page_path(out_dir: Path, participant: str) -> Path:
    """The page of a participant (``sub-01``)."""
    return out_dir / f"{participant}.html"


def page_record_path(out_dir: Path, participant: str) -> Path:
    """Beside the figures, which only the page uses."""
    return out_dir / participant / "figures" / f"{participant}_page.json"


def read_page_record(out_dir: Path, participant: str) -> PageRecord | None:
    """What is known of a participant's page; None if there is no usable record."""
    try:
        return PageRecord.read(page_record_path(out_dir, participant))
    except InputError:
        return None


def shown(sessions: Sequence[FinishedSession], *, failed: bool = False) -> dict[str, str]:
    """What a page of these sessions shows: the fingerprints of their finished stages, and any failure."""
    failures = {FAILED: "of the run that wrote the page"} if failed else {}
    return failures | {
        session.name: " ".join(f"{name}={stage.fingerprint}" for (_, name), stage in session.record.stages())
        for session in sessions
    }


def is_current(out_dir: Path, participant: str, sessions: Sequence[FinishedSession]) -> bool:
    """Whether the page exists as it was written, and shows what is finished now."""
    record, page = read_page_record(out_dir, participant), page_path(out_dir, participant)
    if record is None or record.shows != shown(sessions) or not page.is_file():
        return False
    return sha256_of(page) == record.sha256
