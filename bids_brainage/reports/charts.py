"""Numbers as pictures: estimates with their intervals, and contributions that visibly add up."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bids_brainage.records.estimate import Difference, EstimateRecord, SubEnsemblePart
from bids_brainage.reports import canvas
from bids_brainage.reports.words import MINUS as MINUS
from bids_brainage.reports.words import Words, reference_name, spoken, sub_ensemble_name, words_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, QUIET, FAINT = "#1f2933", "#616e7c", "#d9dee4"
OLDER, YOUNGER, LEVEL, AGE = "#c8321f", "#1f6fb2", "#3e4c59", "#7a5195"
WIDTH = 9.5
ROW = 0.3
TOLERANCE = 0.005
_SIDED = re.compile(r"\b(left|right)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Step:
    """One bar of a waterfall: its name and what it adds, in years."""

    name: str
    years: float


@dataclass(frozen=True)
class Account:
    """How an ensemble's estimate adds up, in years of the ensemble.

    Attributes
    ----------
    target_bias, relevance, absorbed : float
        Together the estimate, but for `gap`. For maps against a reference, they are the estimate of the
        reference, what the map adds, and what the quadrature leaves.
    estimate : float
    words : Words
        Of the estimate's target.
    start, rest : str
        What `target_bias` and `absorbed` are called.
    """

    target_bias: float
    relevance: float
    absorbed: float
    estimate: float
    words: Words = field(default_factory=Words)
    start: str = "Target bias"
    rest: str = "Absorbed by biases and ε"

    @property
    def total(self) -> float:
        """What is accounted for."""
        return self.target_bias + self.relevance + self.absorbed

    @property
    def gap(self) -> float:
        """What is not."""
        return self.estimate - self.total


def account_of(record: EstimateRecord) -> Account | None:
    """The account of an estimate; None where it was not explained."""
    if record.target_bias is None or record.relevance_sum is None or record.absorbed is None:
        return None
    parts = (record.target_bias, record.relevance_sum, record.absorbed)
    return Account(*parts, record.brain_age, words_of(record))


def account_of_difference(record: EstimateRecord, difference: Difference) -> Account:
    """The account of an estimate's difference from that of a reference."""
    parts = (difference.start, difference.relevance_sum, difference.quadrature)
    sums = difference.start + difference.relevance_sum + difference.quadrature
    words = words_of(record)
    # Of plain means, the maps do not add up to the estimate that the heads make.
    mean = record.lrp is not None and record.lrp.aggregation == "mean"
    start = reference_name(difference.reference, words)
    return Account(
        *parts, sums if mean else record.brain_age, words, start[0].upper() + start[1:], "Left by quadrature"
    )


def steps_of(account: Account, parts: Sequence[Step]) -> list[Step]:
    """Add to `parts` what biases and epsilon absorbed and, if any is left, what nothing accounts for.

    Target bias and all steps together are the estimate exactly.

    Parameters
    ----------
    account : Account
    parts : sequence of Step
        Contributions to the ensemble's estimate.

    Returns
    -------
    list of Step
        `parts`, "Absorbed by biases and epsilon" and "Not accounted for" where it is 0.005 years or more.
    """
    steps = [*parts, Step(account.rest, account.absorbed)]
    change = account.estimate - account.target_bias
    rest = change - sum(step.years for step in steps)
    # Of other targets than age, in proportion to what there is to account for.
    tolerance = TOLERANCE * (1 if account.words.of_age else abs(change) / 15)
    return steps if abs(rest) < tolerance else [*steps, Step("Not accounted for", rest)]


def largest_regions(rows: Sequence[Mapping[str, str]], number: int = 12) -> list[Step]:
    """Sum a regions table over sub-ensembles and give the regions with the largest contributions.

    Parameters
    ----------
    rows : sequence of Mapping
        Rows of a ``*_regions.tsv``; ``contribution`` is in years of the ensemble's estimate.
    number : int
        How many regions are named; all others are summed into one last step, unless it is one alone.

    Returns
    -------
    list of Step
        The largest first, by absolute value.
    """
    totals: dict[str, float] = {}
    for row in rows:
        name = region_label(row["region"], row.get("hemisphere") or "")
        totals[name] = totals.get(name, 0.0) + float(row["contribution"])
    ordered = sorted(totals.items(), key=lambda item: -abs(item[1]))
    if len(ordered) <= number + 1:
        return [Step(name, years) for name, years in ordered]
    steps, others = [Step(name, years) for name, years in ordered[:number]], ordered[number:]
    return [*steps, Step(f"{len(others)} other regions", sum(years for _, years in others))]


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


def waterfall_figure(account: Account, parts: Sequence[Step], out: Path, title: str) -> Path:
    """Draw bars that lead from the target bias to the estimate.

    Parameters
    ----------
    account : Account
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
    steps = steps_of(account, parts)
    axes, words = _sheet(len(steps) + 2, left=0.29), account.words
    position = account.target_bias
    ticks = [f"{account.start} (starting point)" if len(account.start) < 20 else account.start]
    _level(axes, 0, position, words)
    for row, step in enumerate(steps, start=1):
        _bar(axes, row, position, step.years, words)
        position += step.years
        axes.plot([position, position], [row, row + 1], color=QUIET, linewidth=0.7, zorder=1)
        ticks.append(step.name)
    _level(axes, len(steps) + 1, account.estimate, words)
    ticks.append("Estimate")
    axes.plot([account.target_bias] * 2, [0, 1], color=QUIET, linewidth=0.7, zorder=1)
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


def forest_figure(record: EstimateRecord, out: Path, title: str) -> Path:
    """Draw the estimates of one ensemble: base models, sub-ensembles, ensemble and interval.

    Parameters
    ----------
    record : EstimateRecord
    out : Path
        The SVG file to write.
    title : str
        What is read out instead of the picture.

    Returns
    -------
    Path
        `out`.
    """
    subs = record.sub_ensembles
    axes = _sheet(len(subs) + 1)
    for row, sub in enumerate(subs):
        _sub_ensemble(axes, row, sub)
    _ensemble(axes, len(subs), record)
    words = words_of(record)
    names = [*map(sub_ensemble_name, subs), spoken(record.ensemble)]
    _finish(axes, names, words.unit, top=-1.1)
    axes.get_yticklabels()[-1].set_fontweight("bold")
    if record.measured is not None:
        _measured(axes, record.measured, f"{words.measured} {words.number(record.measured)}")
    return canvas.save(axes.figure, out, title)  # type: ignore[arg-type]


def _measured(axes: Axes, value: float, text: str) -> None:
    """A line at what was measured, its label on the side where there is more room."""
    axes.axvline(value, color=AGE, linestyle=(0, (5, 3)), linewidth=1.3, zorder=1)
    side, align = (4, "left") if value < sum(axes.get_xlim()) / 2 else (-4, "right")
    axes.annotate(
        _plain(text), (value, -0.75), xytext=(side, 0), textcoords="offset points", ha=align, va="center",
        color=AGE, fontsize=8.5,
    )  # fmt: skip


def _sub_ensemble(axes: Axes, row: int, sub: SubEnsemblePart) -> None:
    base, half = sub.base_models, (sub.uncertainty or 0) / 2
    axes.scatter(base, [row] * len(base), s=16, facecolor="none", edgecolor=QUIET, linewidth=0.8, zorder=2)
    axes.plot([sub.brain_age - half, sub.brain_age + half], [row, row], color=YOUNGER, linewidth=2, zorder=3)
    axes.plot([sub.brain_age], [row], marker="s", markersize=6, color=YOUNGER, zorder=4)


def _ensemble(axes: Axes, row: int, record: EstimateRecord) -> None:
    years, half = record.brain_age, (record.uncertainty or 0) / 2
    low, high = record.lower_95, record.upper_95
    axes.axhspan(row - 0.5, row + 0.5, color="#f2f4f7", zorder=0)
    if low is not None and high is not None:
        axes.plot([low, high], [row, row], color=INK, linewidth=1.1, zorder=2)
        for end in (low, high):
            axes.plot([end, end], [row - 0.16, row + 0.16], color=INK, linewidth=1.1, zorder=2)
    axes.plot([years - half, years + half], [row, row], color=OLDER, linewidth=4, zorder=3)
    axes.plot([years], [row], marker="D", markersize=8, color=OLDER, zorder=4)


def described(account: Account, parts: Sequence[Step]) -> str:
    """Tell in words what a waterfall shows."""
    words = account.words
    steps = ", ".join(f"{step.name} {words.signed(step.years)}" for step in steps_of(account, parts))
    start, end = words.number(account.target_bias), words.number(account.estimate)
    return f"{account.start} {start}; {steps}; estimate {end} {words.unit}."


def _sheet(rows: int, left: float = 0.2) -> Axes:
    height = ROW * rows + 0.75
    figure = canvas.new_figure(WIDTH, height)
    return figure.add_axes((left, 0.5 / height, 0.97 - left, 1 - 0.62 / height))


def _finish(axes: Axes, names: Sequence[str], unit: str, top: float = -0.7) -> None:
    short = [shortened(name, 37) for name in names]
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


def shortened(name: str, longest: int) -> str:
    """A name of at most so many letters."""
    return name if len(name) <= longest else name[: longest - 1] + "…"


def _plain(name: str) -> str:
    """Keep matplotlib from reading dollar signs as mathematics."""
    return name.replace("$", r"\$")
