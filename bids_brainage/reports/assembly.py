"""One HTML file from figures and texts, by nireports' assembler."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bids_brainage.atomic import write_text
from bids_brainage.records.estimate import EstimateRecord
from bids_brainage.records.reading import FinishedSession
from bids_brainage.reports.canvas import as_data_address
from bids_brainage.reports.figures import Figure
from bids_brainage.reports.templates import TEMPLATES, template_environment
from bids_brainage.reports.words import Words, in_order, spoken, sub_ensemble_name, words_of
from bids_brainage.terms import REFERENCE_MAPS

PAGE = TEMPLATES / "page.html.j2"
SPECIFICATION = "participant.yaml.j2"
_FILE = re.compile(r'(?:src|data)="\./([^"]+)"')
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.DOTALL)
# The specification's lines are filled in by str.format: nothing of a table may become a field of theirs.
_NOT_PLAIN = re.compile(r"[^\w .,:;%/+'()·–-]+")  # noqa: RUF001


@dataclass(frozen=True)
class SessionPart:
    """A session as a page shows it.

    Attributes
    ----------
    key : str
        Names of its reportlets begin with it.
    session : FinishedSession
    figures : sequence of Figure
    texts : mapping of str to str
        HTML by reportlet.
    """

    key: str
    session: FinishedSession
    figures: Sequence[Figure]
    texts: Mapping[str, str]


def assemble(page: Path, participant: str, parts: Sequence[SessionPart], texts: Mapping[str, str]) -> None:
    """Have nireports collect figures and texts, put all of them inside, and write `page`.

    It works on copies whose names say which reportlet shows them, because it reads entities off names.
    """
    from nireports.assembler.report import Report

    with TemporaryDirectory(prefix="bids_brainage") as name:
        stage = Path(name)
        folder = stage / "figures"
        folder.mkdir()
        for own in (texts, *(part.texts for part in parts)):
            for reportlet, html in own.items():
                write_text(folder / f"desc-{reportlet}_text.html", html)
        for number, figure in enumerate(figure for part in parts for figure in part.figures):
            shutil.copyfile(
                figure.path, folder / f"fig-{number:04d}_desc-{figure.reportlet}_{figure.kind}.svg"
            )
        bootstrap = write_text(stage / "page.yaml", specification(participant, parts))
        report = Report(stage, None, bootstrap_file=bootstrap, out_filename=page)
        for section in report.sections:
            for reportlet in section.reportlets:
                reportlet.components = [
                    (_inlined(content, stage), caption) for content, caption in reportlet.components
                ]
        report.generate_report()


def specification(participant: str, parts: Sequence[SessionPart]) -> str:
    """The bootstrap file: sections and reportlets of this page, as YAML."""
    records = [record for part in parts for record in part.session.estimates]
    title = (words_of(records[0]) if records else Words()).title
    return (
        template_environment({"text": _yaml_text})
        .get_template(SPECIFICATION)
        .render(
            title=f"{title} · {participant}",
            template_path=str(PAGE),
            sessions=[_shown(part) for part in parts],
            estimated=bool(records),
            compared=any(_compared(record) for record in records),
        )
    )


def _shown(part: SessionPart) -> dict[str, Any]:
    session, images = part.session, part.session.images
    ensembles = [
        {
            "key": f"{part.key}E{number}",
            "name": spoken(record.ensemble),
            "more": words_of(record).more,
            "less": words_of(record).less,
            "turned": _turned(record),
            "comparisons": [
                {"part": part, "question": _question(kind, words_of(record))}
                for kind, part in REFERENCE_MAPS.items()
                if kind in _compared(record)
            ],
        }
        for number, record in enumerate(session.estimates, start=1)
    ]
    label = (session.place.session or "").removeprefix("ses-")
    return {
        "key": part.key,
        "title": f"Session {label}" if label else "",
        "ensembles": ensembles,
        "others": in_order(images.subject.keys() - {"T1w"}) if images else [],
    }


def _compared(record: EstimateRecord) -> set[str]:
    """The kinds of reference of which the page says something."""
    return {own.reference.kind for own in record.differences} | set(record.not_explained)


def _question(kind: str, words: Words) -> str:
    """Which question a map against a reference answers."""
    same = "its age" if words.of_age else f"its {words.target}"
    return f"why it is not the average of {same if kind == 'dba' else 'all people'}"


def _turned(record: EstimateRecord) -> str:
    """What captions of contributions add where weights are negative."""
    names = [sub_ensemble_name(part) for part in record.sub_ensembles if part.map_weight < 0]
    if not names:
        return ""
    return (
        " In these bars, what some sub-ensembles see is turned round, because their weights are negative: "
        f"{', '.join(names)}."
    )


def _yaml_text(text: object) -> str:
    """Plain text as a quoted YAML scalar."""
    from markupsafe import Markup

    return Markup(json.dumps(_NOT_PLAIN.sub(" ", str(text)), ensure_ascii=False))


def _inlined(content: str, folder: Path) -> str:
    """Replace nireports' reference to a figure file by the figure itself.

    A figure that moves (nireports' ``<object>``) becomes part of the page, so that pointer and keyboard
    reach it; all others become images of a data address, with their title as text.
    """
    found = _FILE.search(content)
    if found is None:
        return content
    path = folder / found.group(1)
    svg = path.read_text(encoding="utf-8")
    if "<object" in content:
        return f'<figure class="brain">{svg}</figure>'
    titled = _TITLE.search(svg)
    title = titled.group(1).strip() if titled else path.stem
    image = f'<img alt="{title}" src="{as_data_address(path)}">'
    if path.stem.endswith("_chart"):
        return f'<figure class="chart">{image}</figure>'
    caption = f"<figcaption>{title}</figcaption>" if path.stem.endswith("_map") else ""
    return f'<figure class="brain">{caption}{image}</figure>'
