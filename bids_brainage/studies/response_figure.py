"""Dose and response: years gained, and which share of them maps put where the change is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bids_brainage.reports import canvas
from bids_brainage.reports.charts import INK, QUIET

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Row = dict[str, Any]
_COLOURS = (
    "#1b6ca8",
    "#c8553d",
    "#588157",
    "#8e5ea2",
    "#d98e04",
    "#3a9d9d",
    "#7a4b2b",
    "#5b6670",
    "#c2417d",
    "#33312e",
    "#a3b18a",
    "#4d7ea8",
)
_MARKERS = ("o", "s", "^", "D", "v", "P")


def response_figure(summary: Sequence[Row], path: Path) -> Path:
    """Draw years gained by dose, and at the highest dose the share near the change by method.

    Parameters
    ----------
    summary : sequence of dict
        Rows of response.tsv, of one kind of change.
    path : Path
        Of the SVG file.
    """
    names = list(dict.fromkeys((row["ensemble"], row["sub_ensemble"]) for row in summary))
    parts = [name for name in names if name[1] != "all"]
    colour = {name: _COLOURS[index % len(_COLOURS)] for index, name in enumerate(parts)}
    figure = canvas.new_figure(11, 1.8 + 0.28 * max(10, len(parts)))
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.15))
    _gains(left, summary, names, colour)
    _shares(right, summary, parts, colour)
    first = summary[0]
    where = "" if first["side"] == "both" else f", {first['side']} side"
    region = "" if first["region"] is None else f" ({first['region'].replace('_', ' ')})"
    title = f"{first['change']}{region}{where}: response of the estimates (people: {first['n']})"
    figure.suptitle(title, x=0.01, ha="left", color=INK, fontsize=11)
    figure.tight_layout(rect=(0, 0, 1, 0.97))
    return canvas.save(figure, path, title)


def _gains(
    axes: Axes, summary: Sequence[Row], names: Sequence[tuple[str, str]], colour: dict[tuple[str, str], str]
) -> None:
    """Years gained by dose; every method explains the same estimate."""
    for name in names:
        own = {row["dose"]: row for row in summary if (row["ensemble"], row["sub_ensemble"]) == name}
        doses = sorted(own)
        style: dict[str, Any] = {"color": colour.get(name, INK), "lw": 1.3 if name in colour else 2.2}
        style |= {"ls": "-" if name in colour else ("--" if name == names[-1] else "-")}
        label = f"{name[0]} {'estimate' if name[1] == 'all' else name[1].replace('_', ' ')}"
        gained = [0.0, *(own[dose]["gained"] for dose in doses)]
        spread = [0.0, *(own[dose]["gained_sd"] or 0.0 for dose in doses)]
        axes.errorbar(
            [0.0, *doses], gained, spread, label=label, marker=".", capsize=2, elinewidth=0.7, **style
        )
    axes.axhline(0, color=QUIET, lw=0.7)
    unit = summary[0]["unit"]
    axes.set_xlabel("dose (share)" if unit == "share" else f"dose ({unit})")
    axes.set_ylabel("years gained (mean and sd over people)")
    axes.legend(fontsize=6.5, frameon=False)
    _frame(axes)


def _shares(
    axes: Axes, summary: Sequence[Row], parts: Sequence[tuple[str, str]], colour: dict[tuple[str, str], str]
) -> None:
    highest = max(row["dose"] for row in summary)
    methods = list(dict.fromkeys(row["method"] for row in summary))
    for place, name in enumerate(parts):
        for number, method in enumerate(methods):
            row = _find(summary, name, method, highest)
            if row is None or row["near_share"] is None:
                continue
            level = place + 0.55 * ((number + 0.5) / len(methods) - 0.5)
            marker = _MARKERS[number % len(_MARKERS)]
            axes.plot(100 * row["near_share"], level, marker, color=colour[name], ms=5)
            axes.plot([100 * row["chance"]] * 2, [place - 0.35, place + 0.35], color=QUIET, lw=1)
    for number, method in enumerate(methods):
        axes.plot([], [], _MARKERS[number % len(_MARKERS)], color=INK, ms=5, label=method)
    axes.plot([], [], color=QUIET, lw=1, label="chance")
    axes.axvline(100, color=QUIET, lw=0.5, ls=":")
    axes.set_yticks(range(len(parts)), [f"{own} {sub.replace('_', ' ')}" for own, sub in parts], fontsize=7)
    axes.set_ylim(len(parts) - 0.5, -0.5)
    axes.set_xlabel(f"% of the years gained near the change, at a dose of {highest:g}")
    axes.legend(fontsize=7, frameon=False)
    _frame(axes)


def _find(summary: Sequence[Row], name: tuple[str, str], method: str, dose: float) -> Row | None:
    for row in summary:
        if (row["ensemble"], row["sub_ensemble"]) == name and (row["method"], row["dose"]) == (method, dose):
            return row
    return None


def _frame(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=7, colors=INK)
    axes.xaxis.label.set_fontsize(8)
    axes.yaxis.label.set_fontsize(8)
