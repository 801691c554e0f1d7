"""The page of a group: OUT/group.html, one file that opens without a network."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bids_brainage.atomic import write_text
from bids_brainage.reports.boilerplate import as_html
from bids_brainage.reports.group.analyses import Budget, analysis_context
from bids_brainage.reports.group.biomarkers import biomarkers_context
from bids_brainage.reports.group.downloads import downloads_context
from bids_brainage.reports.group.estimates import estimates_context
from bids_brainage.reports.group.gallery import Gallery
from bids_brainage.reports.group.methods import group_methods, write_group_methods
from bids_brainage.reports.group.places import places_context
from bids_brainage.reports.group.reading import GROUP, GroupResults, read_group
from bids_brainage.reports.group.summary import summary_context
from bids_brainage.reports.group.tables import p_text, written
from bids_brainage.reports.group.words import short_name
from bids_brainage.reports.templates import template_environment
from bids_brainage.reports.words import Words, spoken

if TYPE_CHECKING:
    from jinja2 import Environment

#: Bytes of a page, and how much less is drawn if it is larger: a share of the figures of maps.
LARGEST = 25_000_000
SHARES = (1.0, 0.5, 0.2, 0.0)

LOGGER = logging.getLogger(__name__)


def group_page_path(out_dir: Path) -> Path:
    """The page of a group."""
    return out_dir / f"{GROUP}.html"


def write_group_page(out_dir: Path, told: Callable[[str], None] = lambda name: None) -> Path:
    """Make the page of a group from what the group level has written below an output folder.

    Figures are written to OUT/group/figures and put inside the page. Those that are there and were drawn
    from the same are kept.

    Parameters
    ----------
    out_dir : Path
        The output dataset.
    told : callable
        Called with the name of each section before it is made.

    Returns
    -------
    Path
        OUT/group.html.

    Raises
    ------
    InputError
        There is no group, or a file of it cannot be read.
    """
    results = read_group(Path(out_dir).absolute())
    for share in SHARES:
        gallery = Gallery(results.folder / "figures")
        html = _html(results, gallery, Budget.of(len(results.analyses), share), told)
        if len(html.encode()) <= LARGEST:
            break
    page = write_text(group_page_path(Path(out_dir).absolute()), html)
    write_group_methods(results)
    gallery.close()
    LOGGER.info("Wrote %s (%.1f MB)", page, page.stat().st_size / 1e6)
    return page


def _html(results: GroupResults, gallery: Gallery, budget: Budget, told: Callable[[str], None]) -> str:
    sections = list(_sections(results, gallery, budget, told))
    title = f"Group report · {results.record.dataset}" if results.record.dataset else "Group report"
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            title=title,
            sections=sections,
            assembled="",
            style="group/group.css",
            scripts=list(gallery.scripts),
        )
    )


def _sections(
    results: GroupResults, gallery: Gallery, budget: Budget, told: Callable[[str], None]
) -> Iterator[dict[str, Any]]:
    yield _section("Summary", "summary", summary_context(results))
    told("Estimates")
    yield _section("Estimates", "estimates", estimates_context(results, gallery))
    told("Biomarkers")
    biomarkers = biomarkers_context(results, gallery)
    if biomarkers is not None:
        yield _section("Biomarkers", "biomarkers", biomarkers)
    told("Places")
    places = places_context(results, gallery)
    if places is not None:
        yield _section("Places", "places", places)
    several = len(results.record.ensembles) > 1
    for number, analysis in enumerate(results.analyses, start=1):
        told(analysis.record.title)
        context = analysis_context(
            analysis, results.words, gallery, budget, several=several, viewer=number <= budget.viewers
        )
        section = _section(short_name(analysis.record.name), "analysis", context)
        yield {**section, "id": f"analysis-{number}", "heading": analysis.record.title}
    yield _section("Methods", "methods", {"methods": as_html(group_methods(results))})
    yield _section("Downloads", "downloads", downloads_context(results))


def _section(name: str, template: str, context: dict[str, Any]) -> dict[str, Any]:
    from markupsafe import Markup

    content = Markup(_environment().get_template(f"group/{template}.html.j2").render(context))
    shown = {"title": "", "subtitle": "", "description": "", "components": [(content, "")]}
    return {"name": name, "reportlets": [shown]}


@cache
def _environment() -> Environment:
    plain = Words()
    return template_environment(
        {
            "spoken": spoken,
            "p": p_text,
            "form": lambda value, form: written(value, form, plain),
            "count": lambda value: f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}"),
        }
    )
