"""What stands behind a test: its null distribution, the strongest regions, and the design."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bids_brainage.reports import canvas
from bids_brainage.reports.charts import FAINT, INK, OLDER, QUIET, WIDTH, YOUNGER, shortened
from bids_brainage.reports.group.tables import p_text
from bids_brainage.reports.training_figures import frame

NAMES = {"tfce": "TFCE", "voxel": "statistic", "extent": "extent", "mass": "mass"}
if TYPE_CHECKING:
    from matplotlib.colors import Colormap

LONGEST_NAME = 56
PALE = {OLDER: "#eebbb4", YOUNGER: "#b5d0e6"}
LEVEL = 0.05
#: From this many times the largest of the null on, the axis is logarithmic.
FAR = 4


@dataclass(frozen=True)
class RegionBar:
    """A region: its statistic, and p corrected over all regions."""

    name: str
    statistic: float
    p: float | None

    @property
    def holds(self) -> bool:
        """Whether corrected p is at most 0.05."""
        return self.p is not None and self.p <= LEVEL


def null_figure(
    null: NDArray[np.float64], threshold: float | None, measure: str, out: Path, title: str
) -> Path:
    """Draw the null distribution of the maximum, with the observed one and the threshold.

    Parameters
    ----------
    null : array (rearrangements,)
        Largest values under rearrangements, the observed one first.
    threshold : float or None
        Above it, corrected p is at most 0.05.
    measure : str
        What voxels are judged by.
    out : Path
        The SVG file to write.
    title : str
        What is read out instead of the picture.
    """
    observed, others = float(null[0]), null[1:]
    figure = canvas.new_figure(WIDTH, 2.5)
    axes = figure.add_axes((0.07, 0.22, 0.9, 0.7))
    far = others.size and others.min() > 0 and observed > FAR * others.max()
    if far:
        axes.set_xscale("log")
    axes.hist(others, bins=_edges(others, logarithmic=bool(far)), color="#b9c3ce", zorder=2)
    lines: list[tuple[float, str, str, Any]] = [(observed, OLDER, "observed", "-")]
    if threshold is not None:
        lines.append((threshold, INK, "p = 0.05", (0, (4, 2))))
    for value, colour, name, style in lines:
        axes.axvline(value, color=colour, linewidth=1.8, linestyle=style, zorder=3, label=name)
    frame(axes, f"largest {NAMES.get(measure, measure)} of a rearrangement", "rearrangements")
    axes.legend(frameon=False, fontsize=9)
    return canvas.save(figure, out, title)


def _edges(values: NDArray[np.float64], *, logarithmic: bool) -> list[float]:
    """Edges of bins, evenly spaced on their axis."""
    number, low, high = min(60, max(8, len(values) // 10)), float(values.min()), float(values.max())
    if low == high:
        return [low - 0.5, high + 0.5]
    found = np.geomspace(low, high, number + 1) if logarithmic else np.linspace(low, high, number + 1)
    return [float(edge) for edge in found]


def regions_figure(bars: Sequence[RegionBar], statistic: str, out: Path, title: str) -> Path:
    """Draw the statistics of regions as bars, pale where corrected p is above 0.05."""
    height = 0.27 * len(bars) + 0.7
    figure = canvas.new_figure(WIDTH, height)
    axes = figure.add_axes((0.4, 0.5 / height, 0.55, 1 - 0.6 / height))
    for row, bar in enumerate(bars):
        colour = OLDER if bar.statistic > 0 else YOUNGER
        axes.barh(row, bar.statistic, height=0.66, color=colour if bar.holds else PALE[colour], zorder=2)
        side, align = (4, "left") if bar.statistic >= 0 else (-4, "right")
        axes.annotate(
            f"p = {p_text(bar.p)}",
            (bar.statistic, row), xytext=(side, 0), textcoords="offset points", ha=align, va="center",
            fontsize=8, color=INK if bar.holds else QUIET,
        )  # fmt: skip
    names = [shortened(bar.name, LONGEST_NAME) for bar in bars]
    axes.set_yticks(range(len(bars)), names, fontsize=8.5, color=INK, parse_math=False)
    axes.set_ylim(len(bars) - 0.4, -0.6)
    axes.axvline(0, color=QUIET, linewidth=0.8, zorder=3)
    axes.margins(x=0.16)
    frame(axes, statistic, "")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", color=FAINT, linewidth=0.6, zorder=0)
    return canvas.save(figure, out, title)


def design_figure(matrix: NDArray[np.float64], names: Sequence[str], out: Path, title: str) -> Path:
    """Draw a design: its columns, each scaled to [-1, 1], and the correlations between them.

    Parameters
    ----------
    matrix : array (n, columns)
    names : sequence of str
        What stands below each column; short.
    out, title
        As elsewhere.
    """
    figure = canvas.new_figure(WIDTH, 3.9)
    left, right = figure.subplots(1, 2, gridspec_kw={"width_ratios": (1, 1.1)})
    scale = np.abs(matrix).max(axis=0)
    shown = matrix / np.where(scale > 0, scale, 1)
    left.imshow(shown, aspect="auto", cmap="RdBu_r", vmin=-1.2, vmax=1.2, interpolation="nearest")
    left.set_ylabel(f"{len(matrix)} people", fontsize=9.5, color=INK)
    left.set_title("Design", fontsize=10.5, color=INK)
    correlations = correlated(matrix)
    picture = right.imshow(correlations, cmap=signed_colours(), vmin=-1, vmax=1)
    if len(names) <= 12:
        for (row, column), value in np.ndenumerate(correlations):
            text = "–" if np.isnan(value) else f"{value:.2f}"  # noqa: RUF001
            colour = "white" if abs(value) > 0.65 else INK
            right.text(column, row, text, ha="center", va="center", fontsize=8, color=colour)
    right.set_title("Correlations of its columns", fontsize=10.5, color=INK)
    figure.colorbar(picture, ax=right, fraction=0.046, pad=0.03).ax.tick_params(labelsize=8)
    for axes in (left, right):
        axes.set_xticks(range(len(names)), names, fontsize=8.5)
        axes.tick_params(colors=QUIET, length=2)
    left.set_yticks([])
    right.set_yticks(range(len(names)), names, fontsize=8.5)
    figure.tight_layout(w_pad=2)
    return canvas.save(figure, out, title)


def signed_colours() -> Colormap:
    """Blue to red, and grey for what is not known: pictures within SVG files cannot be transparent."""
    import matplotlib as mpl

    return mpl.colormaps["RdBu_r"].with_extremes(bad="#e8ebef")


def correlated(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Correlations of the columns; not a number of one that does not vary."""
    centred = matrix - matrix.mean(axis=0)
    sizes = np.linalg.norm(centred, axis=0)
    sizes = np.where(sizes > 1e-12 * np.abs(matrix).max(axis=0, initial=1), sizes, np.nan)
    found: NDArray[np.float64] = centred.T @ centred / np.outer(sizes, sizes)
    return found
