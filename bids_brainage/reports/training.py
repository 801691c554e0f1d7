"""The page of a training: how good the models are, on people they were not trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bids_brainage.atomic import write_text
from bids_brainage.reports import charts
from bids_brainage.reports.templates import template_environment
from bids_brainage.reports.training_figures import age_figure
from bids_brainage.reports.words import Words, spoken

if TYPE_CHECKING:
    from jinja2 import Environment

SECTIONS = ("Summary", "Errors", "Estimates", "Methods")


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Estimates of one ensemble for people held out; arrays (n,) in years or the target's unit."""

    ages: NDArray[np.float64]
    estimates: NDArray[np.float64]
    spreads: NDArray[np.float64]
    guess: NDArray[np.float64]


def write_training_page(
    page: Path, figures: Path, record: Mapping[str, Any], held_out: Mapping[str, HeldOut]
) -> Path:
    """Write the page.

    Parameters
    ----------
    page : Path
        The HTML file.
    figures : Path
        Folder of the figures, which are put into the page as well.
    record : Mapping
        Content of ``bundle.json``.
    held_out : Mapping of str to HeldOut
        By ensemble.
    """
    from markupsafe import Markup

    words = Words(record["target"], record["unit"])
    drawn = {
        name: Markup('<figure class="chart">{}</figure>').format(
            Markup(_draw(figures, name, people, words).read_text(encoding="utf-8"))
        )
        for name, people in held_out.items()
    }
    sections = []
    for name in SECTIONS:
        template = _environment().get_template(f"training/{name.lower()}.html.j2")
        context = {"bundle": record, "drawn": drawn, "tables": _tables(record), "words": words}
        content = Markup(template.render(context))
        shown = {"title": "", "subtitle": "", "description": "", "components": [(content, "")]}
        sections.append({"name": name, "reportlets": [shown]})
    template = _environment().get_template("page.html.j2")
    html = template.render(title=f"Training of {record['name']}", sections=sections, assembled="")
    return write_text(page, html)


def _draw(folder: Path, name: str, people: HeldOut, words: Words) -> Path:
    error = words.error(np.abs(people.estimates - people.ages).mean())
    against = f"{words.estimate} against {'age' if words.of_age else 'what was measured'}"
    title = f"{spoken(name)}: {against}, mean absolute error {error} {words.unit}."
    arrays = (people.ages, people.estimates, people.spreads, people.guess)
    return age_figure(*arrays, folder / f"figure-2_{name}.svg", title, words)


def _tables(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The paper's table 1 for each ensemble: base models by sub-ensemble, sub-ensembles, ensemble."""
    return [_table(ensemble) for ensemble in record["ensembles"]]


def _table(ensemble: Mapping[str, Any]) -> dict[str, Any]:
    errors = ensemble["errors"]
    rows = []
    for sub in (row for row in errors if row["level"] == "sub_ensemble"):
        prefix = f"{sub['name']}_bm-"
        base = [row["mae"] for row in errors if row["name"].startswith(prefix)]
        # Networks that were kept from a bundle of another target have no errors.
        known = {"base_mean": float(np.mean(base)), "base_range": (min(base), max(base))} if base else {}
        rows.append({**sub, "base_mean": None, "base_range": (None, None), **known})
    whole, *subsets = sorted(
        (row for row in errors if row["level"] == "ensemble"), key=lambda row: -len(row["modalities"])
    )
    return {"name": ensemble["name"], "rows": rows, "whole": whole, "subsets": subsets}


def pooled(parts: Sequence[HeldOut]) -> HeldOut:
    """The people of several folds together."""
    return HeldOut(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in HeldOut.__dataclass_fields__)
    )


@cache
def _environment() -> Environment:
    filters = {
        "years": lambda value: "n/a" if value is None else f"{value:.2f}".replace("-", charts.MINUS),
        "whole": lambda value: "n/a" if value is None else f"{value:.0f}",
        "ensemble": spoken,
        "spaced": lambda name: str(name).replace("_", " · "),
    }
    return template_environment(filters)
