"""Where the years are: a group's DBA split into regions, and how alike the maps of sequences are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bids_brainage.reports import canvas
from bids_brainage.reports.charts import FAINT, INK, OLDER, QUIET, WIDTH, YOUNGER, shortened
from bids_brainage.reports.group.testing_figures import signed_colours
from bids_brainage.reports.training_figures import frame
from bids_brainage.reports.words import Words

LONGEST_NAME = 56


@dataclass(frozen=True)
class Part:
    """A part of a group's DBA: its name, years, and both ends of their 95 % interval."""

    name: str
    years: float
    low: float | None = None
    high: float | None = None


def split_figure(parts: Sequence[Part], total: Part, out: Path, title: str, words: Words) -> Path:
    """Draw parts as bars with intervals, and below them what they add up to.

    Parameters
    ----------
    parts : sequence of Part
        All of them.
    total : Part
    out : Path
        The SVG file to write.
    title : str
        What is read out instead of the picture.
    words : Words
    """
    rows = [*parts, total]
    height = 0.27 * len(rows) + 0.75
    figure = canvas.new_figure(WIDTH, height)
    axes = figure.add_axes((0.4, 0.5 / height, 0.56, 1 - 0.6 / height))
    for row, part in enumerate(rows):
        colour = INK if part is total else OLDER if part.years > 0 else YOUNGER
        axes.barh(row, part.years, height=0.62, color=colour, alpha=0.85, zorder=2)
        if part.low is not None and part.high is not None:
            axes.plot([part.low, part.high], [row, row], color=QUIET, linewidth=1.1, zorder=3)
        edge = max(part.years, part.high or 0, 0)
        axes.annotate(
            words.signed(part.years) if abs(part.years) >= 0.05 else "0.0", (edge, row), xytext=(5, 0),
            textcoords="offset points", va="center", fontsize=8, color=INK,
        )  # fmt: skip
    axes.axvline(0, color=QUIET, linewidth=0.8, zorder=3)
    names = [shortened(part.name, LONGEST_NAME) for part in rows]
    axes.set_yticks(range(len(rows)), names, fontsize=8.5, color=INK, parse_math=False)
    axes.get_yticklabels()[-1].set_fontweight("bold")
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.margins(x=0.08)
    frame(axes, words.unit.replace("$", r"\$"), "")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", color=FAINT, linewidth=0.6, zorder=0)
    return canvas.save(figure, out, title)


def likeness_figure(names: Sequence[str], r: NDArray[np.float64], out: Path, title: str) -> Path:
    """Draw correlations (k, k) between maps, not a number where they are not known."""
    size = 0.62 * len(names)
    figure = canvas.new_figure(WIDTH, size + 1.0)
    axes = figure.add_axes((0.34, 0.05 / (size + 1), min(0.6, size / WIDTH * 1.3), size / (size + 1.0)))
    axes.imshow(r, cmap=signed_colours(), vmin=-1, vmax=1, aspect="auto")
    for (row, column), value in np.ndenumerate(r):
        if np.isfinite(value):
            colour = "white" if abs(value) > 0.65 else INK
            axes.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=8.5, color=colour)
    short = [shortened(name, LONGEST_NAME) for name in names]
    axes.set_yticks(range(len(names)), short, fontsize=9, color=INK, parse_math=False)
    axes.set_xticks(range(len(names)), [shortened(name, 26) for name in names], fontsize=8.5, color=INK,
                    rotation=20, ha="left", parse_math=False)  # fmt: skip
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    return canvas.save(figure, out, title)
