"""The page of the simulation study: OUT/tori.html, one file that opens without a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bids_brainage.atomic import write_text
from bids_brainage.reports.charts import MINUS
from bids_brainage.reports.templates import template_environment
from bids_brainage.studies import tori_figures as figures
from bids_brainage.studies.tori_figures import Row, TorusPicture

if TYPE_CHECKING:
    from jinja2 import Environment

#: What the figure of truths shows: regions of the table, and their names.
OLDER_PANELS = (
    ("lesions", "Lesions"),
    ("atrophies", "Borders beside atrophies"),
    ("lesions and atrophies", "Both"),
)
SECTIONS = ("Summary", "Estimates", "Maps", "Quality", "Training", "Methods")
YOUNGER_PANELS = (
    ("border", "Border"),
    ("intact border", "Intact border"),
    ("intact matter", "Intact matter"),
)
SIGN_PANELS = (
    ("lesions", "On lesions"),
    ("atrophies", "Beside atrophies"),
    ("intact border", "Intact border"),
    ("intact matter", "Intact matter"),
)


@dataclass(frozen=True, eq=False)
class TorusStudy:
    """What the page shows.

    Attributes
    ----------
    summary : Mapping
        Contents of summary.json.
    ages, predictions, sums : array (n,)
        Of the test tori, in years.
    examples : sequence of TorusPicture
        From young to old.
    rivals : Mapping of str to array
        Maps of the second-last example, by method.
    rows, curves : sequence of Mapping
        The tables of quality figures and of perturbation curves.
    fits : sequence of (errors by epoch, best epoch)
        One per base model.
    distance : int
        How far the truth extends in figures and text, in pixels.
    """

    summary: Mapping[str, Any]
    ages: NDArray[np.float64]
    predictions: NDArray[np.float64]
    sums: NDArray[np.float64]
    examples: Sequence[TorusPicture]
    rivals: Mapping[str, NDArray[np.float32]]
    rows: Sequence[Row]
    curves: Sequence[Row]
    fits: Sequence[tuple[Sequence[float], int]]
    distance: int = 1


def write_tori_page(folder: Path, study: TorusStudy) -> Path:
    """Draw all figures into `folder`/figures, put them into one page, and return the page."""
    drawn = _draw(folder / "figures", study)
    sections = [_section(name, study, drawn) for name in SECTIONS]
    page = _environment().get_template("page.html.j2")
    html = page.render(title="Simulation study with tori", sections=sections, assembled="")
    return write_text(folder / "tori.html", html)


def _draw(folder: Path, study: TorusStudy) -> dict[str, Any]:
    """Draw the figures; markup of each, by name."""
    from markupsafe import Markup

    summary, rows = study.summary, study.rows
    mass = [row for row in rows if row["measure"] == "mass accuracy" and row["ages"] == "all"]
    older = [row for row in mass if row["evidence"] == "older" and row["distance"] == study.distance]
    younger = [row for row in mass if row["evidence"] == "younger"]
    ages = ", ".join(f"{torus.age:.0f}" for torus in study.examples)
    likeness = [row for row in rows if row["measure"] == "likeness after randomisation"]
    paths = {
        "estimates": figures.estimates_figure(
            study.ages, study.predictions, study.sums, summary["target_bias"], folder / "estimates.svg",
            f"Predictions against ages, mean absolute error {summary['mae']:.2f} years; sums of relevance "
            "against predictions.",
        ),
        "tori": figures.tori_figure(
            study.examples, folder / "tori.svg", f"Tori of the ages {ages} with relevance and truth."
        ),
        "methods": figures.methods_figure(
            study.examples[-2], study.rivals, folder / "methods.svg", "One torus, several methods."
        ),
        "older": figures.truth_figure(
            older, OLDER_PANELS, folder / "older.svg", "Positive relevance on the evidence for a higher age."
        ),
        "younger": figures.truth_figure(
            younger, YOUNGER_PANELS, folder / "younger.svg", "Negative relevance on borders and intact parts."
        ),
        "signs": figures.sign_figure(
            [row for row in rows if row["measure"] == "positive share"], SIGN_PANELS, ages_of(rows),
            folder / "signs.svg", "Share of relevance that is positive, by region and age."
        ),
        "curves": figures.curves_figure(
            study.curves, folder / "perturbation.svg",
            "Predictions while blocks are replaced, most relevant ones first."
        ),
        "randomisation": figures.randomisation_figure(
            likeness, folder / "randomisation.svg", "Likeness of maps while layers are randomised."
        ),
        "training": figures.training_figure(
            study.fits, folder / "training.svg", "Validation error of each base model by epoch."
        ),
    }  # fmt: skip
    dark = ("tori", "methods")
    return {
        name: Markup('<figure class="{}">{}</figure>').format(
            "brain" if name in dark else "chart", Markup(path.read_text(encoding="utf-8"))
        )
        for name, path in paths.items()
    }


def ages_of(rows: Sequence[Row]) -> list[str]:
    """The age groups of a table, except all."""
    return [name for name in dict.fromkeys(row["ages"] for row in rows) if name != "all"]


def _section(name: str, study: TorusStudy, drawn: Mapping[str, Any]) -> dict[str, Any]:
    """One section as the page's template needs it."""
    from markupsafe import Markup

    template = _environment().get_template(f"tori/{name.lower()}.html.j2")
    found = {_key(row): row for row in study.rows}

    def figure(measure: str, method: str = "LRP", region: str | None = None, **where: Any) -> Row | None:
        ages, distance = where.get("ages", "all"), where.get("distance")
        return found.get((measure, method, region, distance, ages))

    def mean(*arguments: Any, **where: Any) -> float | None:
        row = figure(*arguments, **where)
        return None if row is None else row["mean"]

    methods = list(dict.fromkeys(row["method"] for row in study.rows if row["method"] != "none"))
    context = {"figure": figure, "mean": mean, "methods": methods, "distance": study.distance, "drawn": drawn}
    content = Markup(template.render(summary=study.summary, **context))
    words = {"title": "", "subtitle": "", "description": ""}
    return {"name": name, "reportlets": [words | {"components": [(content, "")]}]}


def _key(row: Row) -> tuple[Any, ...]:
    return (row["measure"], row["method"], row["region"], row["distance"], row["ages"])


@cache
def _environment() -> Environment:
    filters = {
        "years": lambda value: _number(value, ".2f"),
        "signed": lambda value: _number(value, "+.1f"),
        "percent": lambda value: _number(None if value is None else 100 * value, ".0f"),
    }
    return template_environment(filters)


def _number(value: float | None, form: str) -> str:
    return "n/a" if value is None else format(float(value), form).replace("-", MINUS)
