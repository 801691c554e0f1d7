"""The page of one participant: OUT/sub-XX.html, one file that opens without a network."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bids_brainage import messages
from bids_brainage.atomic import replacing
from bids_brainage.errors import InputError
from bids_brainage.labels import is_label
from bids_brainage.records.files import sha256_of
from bids_brainage.records.page import PageRecord, page_path, page_record_path, read_page_record, shown
from bids_brainage.records.reading import read_participant
from bids_brainage.reports.assembly import SessionPart, assemble
from bids_brainage.reports.figures import draw, session_figures
from bids_brainage.reports.fragments import page_texts, session_texts

if TYPE_CHECKING:
    from bids_brainage.reports.pictures import Template

LOG = logging.getLogger(__name__)


def write_participant_report(
    out_dir: Path,
    participant: str,
    *,
    run: Mapping[str, Any] | None = None,
    template: Template | None = None,
) -> Path:
    """Make the page of a participant from their finished sessions, and record what it shows.

    Figures are written to OUT/sub-XX/figures and put inside the page. Those that are there and were drawn
    from the same are kept; those that the page before had, and this one has not, are removed.

    Parameters
    ----------
    out_dir : Path
        The output dataset.
    participant : str
        ``sub-01``.
    run : Mapping, optional
        Of the run: `versions` (package to version), `errors` (sentences), `crash_files` (paths of nipype's
        ``crash-*.txt``), `command` (what was typed). Each may be missing.
    template : Path or nib.Nifti1Image, optional
        The template's brain, for the picture of the registration.

    Returns
    -------
    Path
        OUT/sub-XX.html.

    Raises
    ------
    InputError
        For a name that is not a participant label, or a file of a finished session that cannot be read.
    """
    if not participant.startswith("sub-") or not is_label(participant.removeprefix("sub-")):
        raise InputError(messages.REPORT_BAD_LABEL.format(participant=participant))
    out_dir = Path(out_dir).absolute()
    sessions = read_participant(out_dir, participant)
    parts = []
    for number, session in enumerate(sessions, start=1):
        key = f"S{number}"
        figures = tuple(session_figures(session, key, template))
        parts.append(SessionPart(key, session, figures, session_texts(session, key)))
    drawn_from = {figure.path.name: figure.drawn_from for part in parts for figure in part.figures}
    told = bool((run or {}).get("errors") or (run or {}).get("crash_files"))
    shows = shown(sessions, failed=told)
    known = _begin(out_dir, participant, drawn_from, shows)
    for part in parts:
        draw(part.figures, known)
    page = page_path(out_dir, participant)
    with replacing(page) as temporary:
        assemble(temporary, participant, parts, page_texts(participant, sessions, run or {}))
    _record(out_dir, participant, drawn_from, shows, sha256_of(page))
    LOG.info("Wrote %s (%.1f MB)", page, page.stat().st_size / 1e6)
    return page


def _begin(
    out_dir: Path, participant: str, drawn_from: Mapping[str, str], shows: Mapping[str, str]
) -> dict[str, str]:
    """Take back the page before, if it shows something else, and its figures that are not needed.

    Returns what the figures that still hold were drawn from; of the others nothing is known from here on,
    so that after a kill the next page draws them anew or removes them.
    """
    before = read_page_record(out_dir, participant)
    known = before.figures if before else {}
    holding = {name: own for name, own in drawn_from.items() if known.get(name) == own}
    _record(out_dir, participant, {**dict.fromkeys({**known, **drawn_from}, ""), **holding})
    if before is None or before.shows != shows:
        page_path(out_dir, participant).unlink(missing_ok=True)
    for name in known.keys() - drawn_from.keys():
        (page_record_path(out_dir, participant).parent / name).unlink(missing_ok=True)
    return holding


def _record(
    out_dir: Path,
    participant: str,
    figures: Mapping[str, str],
    shows: Mapping[str, str] | None = None,
    sha256: str = "",
) -> None:
    record = PageRecord(
        participant_id=participant, sha256=sha256, shows=dict(shows or {}), figures=dict(figures)
    )
    record.write(page_record_path(out_dir, participant))
