"""Figure 7 of the paper: correlations with DBA in sliding windows of age."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bids_brainage.reports import canvas
from bids_brainage.reports.charts import FAINT, INK, OLDER, QUIET, WIDTH, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Of ensembles, in their order; the first two are the paper's.
COLOURS = ("#1f6fb2", "#d9822b", "#3c8d5a", "#7a5195")
ACROSS = 3
#: Inches above the panels, where there are several ensembles to be told apart.
LEGEND = 0.3
LONGEST_NAME = 34


@dataclass(frozen=True, eq=False)
class Series:
    """The correlations of a column with an ensemble's DBA.

    Attributes
    ----------
    name : str
        Of the ensemble.
    ages : array (windows,)
        Middles of windows, years.
    n : array (windows,)
        People in each.
    r, low, high : array (windows,)
        Correlation and its 95 % interval; not a number where it is not known.
    in_column, in_all : array of bool (windows,)
        Whether corrected p is at most 0.05: over the windows of this column, and of all columns.
    """

    name: str
    ages: NDArray[np.float64]
    n: NDArray[np.float64]
    r: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    in_column: NDArray[np.bool_]
    in_all: NDArray[np.bool_]


def windows_figure(panels: Mapping[str, Sequence[Series]], out: Path, title: str) -> Path:
    """Draw a panel for each column: correlations with intervals, people in each window, what holds.

    Parameters
    ----------
    panels : mapping of str to sequence of Series
        By column.
    out : Path
        The SVG file to write.
    title : str
        What is read out instead of the picture.
    """
    rows = -(-len(panels) // ACROSS)
    figure = canvas.new_figure(WIDTH, 2.25 * rows + 0.4)
    grid = figure.subplots(rows, ACROSS, sharex=True, sharey=True, squeeze=False)
    ages = np.concatenate([own.ages[np.isfinite(own.r)] for series in panels.values() for own in series])
    most = max(float(own.n.max(initial=1)) for series in panels.values() for own in series)
    for place, axes in enumerate(grid.flat):
        if place >= len(panels):
            axes.set_visible(False)
            continue
        name = list(panels)[place]
        _panel(axes, name, panels[name], most, last=place + ACROSS >= len(panels), first=place % ACROSS == 0)
        axes.set(xlim=(ages.min() - 1.5, ages.max() + 1.5), ylim=(-1, 1))
    several = len(next(iter(panels.values()))) > 1
    if several:
        handles, names = grid.flat[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="upper right", ncols=4, frameon=False, fontsize=9)
    figure.tight_layout(h_pad=1.2, rect=(0, 0, 1, 1 - LEGEND / figure.get_figheight() if several else 1))
    return canvas.save(figure, out, title)


def _panel(axes: Axes, name: str, series: Sequence[Series], most: float, *, last: bool, first: bool) -> None:
    axes.axhline(0, color=QUIET, linewidth=0.8, zorder=1)
    for own, colour in zip(series, COLOURS * len(series), strict=False):
        known = np.isfinite(own.r)
        axes.fill_between(own.ages, own.low, own.high, where=known, color=colour, alpha=0.16, linewidth=0)
        axes.plot(own.ages, own.r, color=colour, linewidth=1.6, marker=".", markersize=3, label=own.name)
        for held, face in ((own.in_column & ~own.in_all, "white"), (own.in_all, OLDER)):
            axes.plot(
                own.ages[held], own.r[held], "D", color=face, markeredgecolor=OLDER, markersize=5, zorder=4
            )
    counts = series[0]
    step = float(np.diff(counts.ages).min()) if len(counts.ages) > 1 else 1.0
    # People in each window as bars along the foot, a quarter of the panel high for the fullest.
    axes.bar(counts.ages, 0.5 * counts.n / most, 0.9 * step, bottom=-1, color=FAINT, zorder=0)
    fullest = int(np.nanargmax(counts.n))
    axes.annotate(
        f"n = {counts.n[fullest]:.0f}",
        (counts.ages[fullest], -1 + 0.5 * counts.n[fullest] / most),
        ha="center", va="bottom", fontsize=7.5, color=QUIET,
    )  # fmt: skip
    axes.set_title(shortened(name, LONGEST_NAME), fontsize=9.5, color=INK, parse_math=False)
    if last:
        axes.set_xlabel("middle of the window (years)", fontsize=8.5, color=INK)
        axes.tick_params(labelbottom=True)
    if first:
        axes.set_ylabel("r with DBA", fontsize=8.5, color=INK)
    axes.tick_params(colors=QUIET, labelsize=8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(FAINT)
