"""Numbers as pictures: estimates with their intervals, and contributions that visibly add up."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bids_brainage.reports import canvas
from bids_brainage.reports.words import MINUS as MINUS
from bids_brainage.reports.words import Words, measured_value, words_of
from bids_brainage.terms import WHOLE_BRAIN

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, QUIET, FAINT = "#1f2933", "#616e7c", "#d9dee4"
OLDER, YOUNGER, LEVEL, AGE = "#c8321f", "#1f6fb2", "#3e4c59", "#7a5195"
WIDTH = 9.5
ROW = 0.3
TOLERANCE = 0.005
_SIDED = re.compile(r"\b(left|right)\b", re.IGNORECASE)
NAMES = {"TypeI": "Type I (whole brain)", "TypeII": "Type II (by region)"}


@dataclass(frozen=True)
class Step:
    """One bar of a waterfall: its name and what it adds, in years."""

    name: str
    years: float


def steps_of(record: Mapping[str, Any], parts: Sequence[Step]) -> list[Step]:
    """Add to `parts` what biases and epsilon absorbed and, if any is left, what nothing accounts for.

    Target bias and all steps together are the estimate exactly.

    Parameters
    ----------
    record : Mapping
        A ``*_brainage.json`` with `brain_age`, `target_bias` and `absorbed`, in years.
    parts : sequence of Step
        Contributions.

    Returns
    -------
    list of Step
        `parts`, "Absorbed by biases and epsilon" and "Not accounted for" where it is 0.005 years or more.
    """
    steps = [*parts, Step("Absorbed by biases and ε", float(record.get("absorbed") or 0.0))]
    change = record["brain_age"] - record["target_bias"]
    rest = change - sum(step.years for step in steps)
    # Of other targets than age, in proportion to what there is to account for.
    tolerance = TOLERANCE * (1 if words_of(record).of_age else abs(change) / 15)
    return steps if abs(rest) < tolerance else [*steps, Step("Not accounted for", rest)]


def largest_regions(rows: Sequence[Mapping[str, str]], number: int = 12) -> list[Step]:
    """Sum a regions table over sub-ensembles and give the regions with the largest contributions.

    Parameters
    ----------
    rows : sequence of Mapping
        Rows of a ``*_regions.tsv``.
    number : int
        How many regions are named; all others are summed into one last step.

    Returns
    -------
    list of Step
        The largest first, by absolute value.
    """
    totals: dict[str, float] = {}
    for row in rows:
        name = region_label(row["region"], row.get("hemisphere") or "")
        totals[name] = totals.get(name, 0.0) + float(row["relevance"])
    ordered = sorted(totals.items(), key=lambda item: -abs(item[1]))
    steps = [Step(name, years) for name, years in ordered[:number]]
    others = ordered[number:]
    if others:
        steps.append(Step(f"{len(others)} other regions", sum(years for _, years in others)))
    return steps


def region_label(region: str, hemisphere: str = "") -> str:
    """Name an atlas region as a person would, with its side once.

    Parameters
    ----------
    region : str
        The name in the atlas, "left thalamus" or "Thalamus".
    hemisphere : str
        "L", "R", or anything else for both or neither.
    """
    if _SIDED.search(region):
        return region
    side = {"L": "left ", "R": "right "}.get(hemisphere.strip().upper(), "")
    return f"{side}{region}"


def waterfall_figure(record: Mapping[str, Any], parts: Sequence[Step], out: Path, title: str) -> Path:
    """Draw bars that lead from the target bias to the estimate.

    Parameters
    ----------
    record : Mapping
        A ``*_brainage.json``.
    parts : sequence of Step
        Contributions in years; see `steps_of`.
    out : Path
        The SVG file to write.
    title : str
        What is read out instead of the picture.

    Returns
    -------
    Path
        `out`.
    """
    steps = steps_of(record, parts)
    axes, words = _sheet(len(steps) + 2, left=0.29), words_of(record)
    position = float(record["target_bias"])
    ticks = ["Target bias (starting point)"]
    _level(axes, 0, position, words)
    for row, step in enumerate(steps, start=1):
        _bar(axes, row, position, step.years, words)
        position += step.years
        axes.plot([position, position], [row, row + 1], color=QUIET, linewidth=0.7, zorder=1)
        ticks.append(step.name)
    _level(axes, len(steps) + 1, float(record["brain_age"]), words)
    ticks.append("Estimate")
    axes.plot([record["target_bias"]] * 2, [0, 1], color=QUIET, linewidth=0.7, zorder=1)
    _finish(axes, ticks, words.unit)
    low, high = axes.get_xlim()
    room = 0.1 * (high - low)
    axes.set_xlim(low - room, high + room)
    return canvas.save(axes.figure, out, title)  # type: ignore[arg-type]


def _bar(axes: Axes, row: int, start: float, years: float, words: Words) -> None:
    colour = OLDER if years > 0 else YOUNGER
    axes.barh(row, years, left=start, height=0.62, color=colour, zorder=2)
    end = start + years
    side, align = (3, "left") if years >= 0 else (-3, "right")
    text = words.signed(years)
    axes.annotate(
        text, (end, row), xytext=(side, 0), textcoords="offset points", ha=align, va="center",
        fontsize=8.5, color=INK,
    )  # fmt: skip


def _level(axes: Axes, row: int, years: float, words: Words) -> None:
    axes.plot([years], [row], marker="D", color=LEVEL, markersize=6, zorder=3)
    axes.annotate(
        words.number(years), (years, row), xytext=(8, 0), textcoords="offset points", ha="left", va="center",
        fontsize=9, weight="bold", color=INK,
    )  # fmt: skip


def forest_figure(record: Mapping[str, Any], out: Path, title: str) -> Path:
    """Draw the estimates of one ensemble: base models, sub-ensembles, ensemble and interval.

    Parameters
    ----------
    record : Mapping
        A ``*_brainage.json``.
    out : Path
        The SVG file to write.
    title : str
        What is read out instead of the picture.

    Returns
    -------
    Path
        `out`.
    """
    subs = record.get("sub_ensembles") or []
    axes = _sheet(len(subs) + 1)
    for row, sub in enumerate(subs):
        _sub_ensemble(axes, row, sub)
    _ensemble(axes, len(subs), record)
    age, words = measured_value(record), words_of(record)
    if age is not None:
        axes.axvline(age, color=AGE, linestyle=(0, (5, 3)), linewidth=1.3, zorder=1)
        axes.annotate(
            _plain(f"{words.measured} {words.number(age)}"), (age, -0.75), xytext=(4, 0),
            textcoords="offset points", color=AGE, fontsize=8.5, va="center",
        )  # fmt: skip
    names = [f"{region_name(sub['region'])} · {sub['modality']}" for sub in subs]
    _finish(axes, [*names, NAMES.get(record["ensemble"], str(record["ensemble"]))], words.unit, top=-1.1)
    axes.get_yticklabels()[-1].set_fontweight("bold")
    return canvas.save(axes.figure, out, title)  # type: ignore[arg-type]


def _sub_ensemble(axes: Axes, row: int, sub: Mapping[str, Any]) -> None:
    base = sub.get("base_models") or []
    axes.scatter(base, [row] * len(base), s=16, facecolor="none", edgecolor=QUIET, linewidth=0.8, zorder=2)
    half = (sub.get("uncertainty") or 0) / 2
    years = sub["brain_age"]
    axes.plot([years - half, years + half], [row, row], color=YOUNGER, linewidth=2, zorder=3)
    axes.plot([years], [row], marker="s", markersize=6, color=YOUNGER, zorder=4)


def _ensemble(axes: Axes, row: int, record: Mapping[str, Any]) -> None:
    years, half = record["brain_age"], (record.get("uncertainty") or 0) / 2
    low, high = record.get("lower_95"), record.get("upper_95")
    axes.axhspan(row - 0.5, row + 0.5, color="#f2f4f7", zorder=0)
    if low is not None and high is not None:
        axes.plot([low, high], [row, row], color=INK, linewidth=1.1, zorder=2)
        for end in (low, high):
            axes.plot([end, end], [row - 0.16, row + 0.16], color=INK, linewidth=1.1, zorder=2)
    axes.plot([years - half, years + half], [row, row], color=OLDER, linewidth=4, zorder=3)
    axes.plot([years], [row], marker="D", markersize=8, color=OLDER, zorder=4)


def region_name(region: str) -> str:
    """Write the name of a region as words: Whole brain."""
    return {WHOLE_BRAIN: "Whole brain"}.get(region, region)


def described(record: Mapping[str, Any], parts: Sequence[Step]) -> str:
    """Tell in words what a waterfall shows."""
    words = words_of(record)
    steps = ", ".join(f"{step.name} {words.signed(step.years)}" for step in steps_of(record, parts))
    start, end = (words.number(record[name]) for name in ("target_bias", "brain_age"))
    return f"Target bias {start}; {steps}; estimate {end} {words.unit}."


def signed(years: float) -> str:
    """Write years with their sign, one decimal, and the minus sign of typography."""
    return Words().signed(years)


def _sheet(rows: int, left: float = 0.2) -> Axes:
    height = ROW * rows + 0.75
    figure = canvas.new_figure(WIDTH, height)
    return figure.add_axes((left, 0.5 / height, 0.97 - left, 1 - 0.62 / height))


def _finish(axes: Axes, names: Sequence[str], unit: str, top: float = -0.7) -> None:
    short = [name if len(name) <= 42 else name[:41] + "…" for name in names]
    axes.set_yticks(range(len(short)), [_plain(name) for name in short], fontsize=9.5, color=INK)
    axes.set_ylim(len(short) - 0.4, top)
    axes.set_xlabel(_plain(unit), fontsize=9, color=QUIET)
    axes.tick_params(axis="x", labelsize=9, colors=QUIET, length=3)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color=FAINT, linewidth=0.7, zorder=0)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(FAINT)


def _plain(name: str) -> str:
    """Keep matplotlib from reading dollar signs as mathematics."""
    return name.replace("$", r"\$")
