"""Figures of the simulation study: figure 3 of the paper, and how good the maps are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bids_brainage.reports import canvas, colours
from bids_brainage.reports.charts import AGE, FAINT, INK, MINUS, OLDER, QUIET, WIDTH, YOUNGER
from bids_brainage.reports.mosaics import BEHIND_COLOURS, scientific

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Atrophied pixels are mint green, as in the paper; lesions are outlined.
MINT, LESION = "#98ffcc", "white"
METHOD_COLOURS = {
    "LRP": OLDER,
    "gradient x input": YOUNGER,
    "integrated gradients": AGE,
    "SmoothGrad": "#d98e04",
    "edges": "#8895a3",
}
# Each pixel of a torus becomes a square of this many, so that JPEG does not blur it.
ENLARGED = 5
DETAIL = 30
Row = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class TorusPicture:
    """One torus, the truth about it, and its estimate and map.

    Attributes
    ----------
    age, prediction : float
        Years.
    image : array (size, size)
        Intensities in [0, 1].
    lesions, atrophies : array (size, size)
        Not zero where there are any.
    relevance : array (size, size)
        Years per pixel.
    """

    age: float
    prediction: float
    image: NDArray[np.float32]
    lesions: NDArray[Any]
    atrophies: NDArray[Any]
    relevance: NDArray[np.float32]


def estimates_figure(
    ages: NDArray[np.float64],
    predictions: NDArray[np.float64],
    sums: NDArray[np.float64],
    target_bias: float,
    out: Path,
    title: str,
) -> Path:
    """Draw predictions against ages and, beside it, sums of relevance against predictions.

    Parameters
    ----------
    ages, predictions, sums : array (n,)
        Of the test tori, in years.
    target_bias : float
        Where every estimate starts, in years.
    out : Path
        The SVG file to write.
    title : str
        What is read out instead of the picture.
    """
    figure = canvas.new_figure(WIDTH, 4.5)
    left, right = figure.subplots(1, 2)
    limits = (min(ages.min(), predictions.min()) - 2, max(ages.max(), predictions.max()) + 2)
    _frame(left, "age (years)", "prediction (years)")
    left.plot(limits, limits, color=QUIET, linewidth=1, linestyle=(0, (5, 3)), zorder=1)
    left.axhline(target_bias, color=FAINT, linewidth=1.2, zorder=0)
    left.scatter(ages, predictions, s=14, color=INK, alpha=0.7, linewidth=0, zorder=2)
    left.set(xlim=limits, ylim=limits, title="(a) Prediction and age")
    _frame(right, "prediction (years)", "sum of relevance (years)")
    span = np.array(limits)
    right.plot(span, span - target_bias, color=QUIET, linewidth=1, linestyle=(0, (5, 3)), zorder=1)
    right.axhline(0, color=FAINT, linewidth=1.2, zorder=0)
    right.axvline(target_bias, color=FAINT, linewidth=1.2, zorder=0)
    colour = np.where(sums > 0, OLDER, YOUNGER)
    right.scatter(predictions, sums, s=14, c=colour, alpha=0.8, linewidth=0, zorder=2)
    right.set(xlim=limits, title="(b) Relevance and prediction")
    _note(right, f"target bias {target_bias:.1f}", (target_bias, right.get_ylim()[0]), (4, 4))
    return _save(figure, out, title)


def tori_figure(tori: Sequence[TorusPicture], out: Path, title: str) -> Path:
    """Draw tori with their truth, their relevance maps, and a detail of each map.

    Parameters
    ----------
    tori : sequence of TorusPicture
        One column each.
    out : Path
        The SVG file to write.
    title : str
        What is read out instead of the picture.
    """
    columns, gap, foot = len(tori), 0.012, 0.055
    side = (1 - gap * (columns - 1)) / columns
    # Pixels of a torus are shown from edge to edge of its column.
    height = 0.045 + 3 * side + 2 * gap + foot
    sheet = _Sheet(height)
    for column, torus in enumerate(tori):
        x = column * (side + gap)
        name = f"age {torus.age:.0f}   prediction {torus.prediction:.1f}"
        sheet.text(x + side / 2, 0.034, name, weight="bold")
        limit = colours.symmetric_limit(torus.relevance)
        truth = _Tile(_truth(torus), torus.lesions != 0)
        map_ = _Tile(_map(torus, limit), torus.lesions != 0)
        rows, cols = _busiest(torus)
        top = 0.045
        sheet.tile(truth, x, top, side)
        sheet.tile(map_, x, top + side + gap, side)
        sheet.frame(x, top + side + gap, side, rows, cols, torus.image.shape)
        sheet.text(x + side / 2, top + 2 * side + gap, f"limit ±{scientific(limit)}", fontsize=8.5)
        sheet.tile(map_.cut(rows, cols), x, top + 2 * (side + gap), side)
    sheet.colour_bar(height - foot)
    return canvas.save(sheet.figure, out, title)


def methods_figure(
    torus: TorusPicture, maps: Mapping[str, NDArray[np.float32]], out: Path, title: str
) -> Path:
    """Draw the maps of one torus by several methods, each clipped at its own limit."""
    columns, gap = len(maps), 0.012
    side = (1 - gap * (columns - 1)) / columns
    sheet = _Sheet(0.045 + side)
    for column, (method, relevance) in enumerate(maps.items()):
        x = column * (side + gap)
        picture = TorusPicture(
            torus.age, torus.prediction, torus.image, torus.lesions, torus.atrophies, relevance
        )
        limit = colours.symmetric_limit(relevance)
        sheet.text(x + side / 2, 0.034, f"{method}  (±{scientific(limit)})", weight="bold")
        sheet.tile(_Tile(_map(picture, limit), torus.lesions != 0), x, 0.045, side)
    return canvas.save(sheet.figure, out, title)


def truth_figure(rows: Sequence[Row], panels: Sequence[tuple[str, str]], out: Path, title: str) -> Path:
    """Draw how much of the relevance lies in each region, by method, and what chance would give.

    Parameters
    ----------
    rows : sequence of Mapping
        Of the table of quality figures: one measure, one row per region and method.
    panels : sequence of (str, str)
        Regions and their headings.
    out : Path
        The SVG file to write.
    title : str
        What is read out instead of the picture.
    """
    figure = canvas.new_figure(WIDTH, 2.7)
    sheets = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    sheets[0].invert_yaxis()
    for axes, (region, heading) in zip(sheets, panels, strict=True):
        own = [row for row in rows if row["region"] == region and row["mean"] is not None]
        _frame(axes, "", "")
        axes.grid(axis="y", visible=False)
        for position, row in enumerate(own):
            axes.barh(position, 100 * row["mean"], height=0.62, color=METHOD_COLOURS[row["method"]], zorder=2)
            axes.annotate(
                f"{100 * row['mean']:.0f}", (100 * row["mean"], position), xytext=(3, 0), fontsize=8,
                textcoords="offset points", va="center", color=INK,
            )  # fmt: skip
            axes.plot(
                [100 * row["chance"]] * 2,
                [position - 0.42, position + 0.42],
                color=INK,
                linewidth=1.6,
                zorder=3,
            )
        axes.set_yticks(range(len(own)), [row["method"] for row in own], fontsize=9, color=INK)
        axes.set_xlim(0, 1.18 * axes.get_xlim()[1])
        axes.set_title(heading, fontsize=9.5, color=INK)
        axes.set_xlabel("per cent", fontsize=8.5, color=QUIET)
    return _save(figure, out, title)


def sign_figure(
    rows: Sequence[Row], panels: Sequence[tuple[str, str]], ages: Sequence[str], out: Path, title: str
) -> Path:
    """Draw the share of positive relevance in each region, from young to old tori."""
    figure = canvas.new_figure(WIDTH, 2.6)
    sheets = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, (region, heading) in zip(sheets, panels, strict=True):
        _frame(axes, "age", "positive (per cent)" if axes is sheets[0] else "")
        axes.axhline(50, color=QUIET, linewidth=1, linestyle=(0, (4, 2)), zorder=1)
        for method, colour in METHOD_COLOURS.items():
            own = {row["ages"]: row for row in rows if (row["method"], row["region"]) == (method, region)}
            values = [own[age]["mean"] if age in own else None for age in ages]
            points = [np.nan if value is None else 100 * value for value in values]
            axes.plot(
                range(len(ages)), points, color=colour, linewidth=1.6, marker="o", markersize=4, label=method
            )
        axes.set_xticks(range(len(ages)), list(ages), fontsize=8)
        axes.set(xlim=(-0.3, len(ages) - 0.7), ylim=(-4, 104))
        axes.set_title(heading, fontsize=9.5, color=INK)
    return _save(figure, out, title, legend=True)


def curves_figure(points: Sequence[Row], out: Path, title: str) -> Path:
    """Draw the mean perturbation curves of all methods and of random orders."""
    names = list(dict.fromkeys(point["curve"] for point in points))
    figure = canvas.new_figure(WIDTH, 2.9)
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        _frame(axes, "blocks replaced (per cent)", "change of prediction (years)" if name == names[0] else "")
        for method, colour in METHOD_COLOURS.items():
            own = [point for point in points if point["curve"] == name and point["method"] == method]
            parts = [100 * point["part"] for point in own]
            axes.plot(parts, [point["change"] for point in own], color=colour, linewidth=1.6, label=method)
        random = [point["random"] for point in own]
        axes.plot(parts, random, color=QUIET, linewidth=1.4, linestyle=(0, (4, 2)), label="random order")
        axes.set_title(name, fontsize=9.5, color=INK)
    return _save(figure, out, title, legend=True)


def randomisation_figure(rows: Sequence[Row], out: Path, title: str) -> Path:
    """Draw how similar to the original a map stays while layers are randomised from the output down."""
    figure = canvas.new_figure(WIDTH, 2.7)
    axes = figure.subplots()
    _frame(axes, "randomised from the output down to", "rank correlation")
    layers = list(dict.fromkeys(row["region"] for row in rows))
    for method, colour in METHOD_COLOURS.items():
        values = [row["mean"] for row in rows if row["method"] == method]
        axes.plot(
            range(len(values)), values, color=colour, linewidth=1.6, marker="o", markersize=4, label=method
        )
    axes.set_xticks(range(len(layers)), [layer.removeprefix("down to ") for layer in layers], fontsize=8.5)
    axes.set_ylim(-0.05, 1.05)
    return _save(figure, out, title, legend=True)


def training_figure(fits: Sequence[tuple[Sequence[float], int]], out: Path, title: str) -> Path:
    """Draw the validation error of each base model (errors by epoch, best epoch)."""
    figure = canvas.new_figure(WIDTH, 2.5)
    axes = figure.subplots()
    _frame(axes, "epoch", "validation MAE (years)")
    for number, (errors, best) in enumerate(fits, start=1):
        epochs = np.arange(1, len(errors) + 1)
        (line,) = axes.plot(
            epochs, errors, linewidth=1.4, color=list(METHOD_COLOURS.values())[(number - 1) % 4]
        )
        axes.plot([best + 1], [errors[best]], marker="D", markersize=6, color=line.get_color())
        _note(
            axes,
            f"base model {number}: epoch {best + 1}",
            (best + 1, errors[best]),
            (-6, -12 - 11 * number),
            "right",
        )
    axes.set_ylim(0, min(20.0, 1.1 * max(max(errors) for errors, _ in fits)))
    return _save(figure, out, title)


def _frame(axes: Axes, x: str, y: str) -> None:
    axes.set_xlabel(x, fontsize=9, color=QUIET)
    axes.set_ylabel(y, fontsize=9, color=QUIET)
    axes.tick_params(labelsize=8.5, colors=QUIET, length=3)
    axes.title.set_fontsize(10)
    axes.title.set_color(INK)
    axes.grid(color=FAINT, linewidth=0.6, zorder=0)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(FAINT)


def _note(
    axes: Axes, text: str, place: tuple[float, float], shift: tuple[float, float], side: str = "left"
) -> None:
    axes.annotate(text, place, xytext=shift, textcoords="offset points", fontsize=8.5, color=QUIET, ha=side)


def _save(figure: Figure, out: Path, title: str, legend: bool = False) -> Path:
    room = 0.0
    if legend:
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(
            handles,
            labels,
            loc="lower center",
            ncols=len(labels),
            frameon=False,
            fontsize=8.5,
            labelcolor=INK,
        )
        room = 0.27 / figure.get_figheight()
    figure.tight_layout(pad=0.6, rect=(0, room, 1, 1))
    return canvas.save(figure, out, title)


@dataclass(frozen=True, eq=False)
class _Tile:
    """Colours of some pixels, and what is outlined among them."""

    pixels: NDArray[Any]
    outlined: NDArray[np.bool_]

    def cut(self, rows: slice, columns: slice) -> _Tile:
        return _Tile(self.pixels[rows, columns], self.outlined[rows, columns])

    def edges(self) -> list[tuple[tuple[int, int], tuple[int, int]]]:
        """Line segments, in pixels (x, y), between what is outlined and what is not."""
        inside = np.pad(self.outlined, 1)
        level = np.argwhere(inside[1:, 1:-1] != inside[:-1, 1:-1])
        upright = np.argwhere(inside[1:-1, 1:] != inside[1:-1, :-1])
        return [((x, y), (x + 1, y)) for y, x in level] + [((x, y), (x, y + 1)) for y, x in upright]


def _truth(torus: TorusPicture) -> NDArray[Any]:
    pixels = np.repeat(0.75 * torus.image[..., None], 3, axis=-1)
    return _with_atrophies(pixels, torus)


def _map(torus: TorusPicture, limit: float) -> NDArray[Any]:
    values = colours.normalise(torus.relevance, limit)
    return _with_atrophies(colours.over_anatomy(values, BEHIND_COLOURS * torus.image), torus)


def _with_atrophies(pixels: NDArray[Any], torus: TorusPicture) -> NDArray[Any]:
    from matplotlib.colors import to_rgb

    return np.where((torus.atrophies != 0)[..., None], to_rgb(MINT), pixels)


def _busiest(torus: TorusPicture) -> tuple[slice, slice]:
    """The detail with the most lesions and relevance, at the border where there are no lesions."""
    from scipy.ndimage import uniform_filter

    interest = 1.0 * (torus.lesions != 0) + 0.5 * (torus.atrophies != 0)
    size = torus.image.shape[0]
    half = DETAIL // 2
    inner = uniform_filter(interest, DETAIL, mode="constant")[half : size - half, half : size - half]
    row, column = np.unravel_index(int(inner.argmax()), inner.shape)
    return slice(int(row), int(row) + DETAIL), slice(int(column), int(column) + DETAIL)


class _Sheet:
    """One black sheet, as wide as 1, on which tiles are laid."""

    def __init__(self, height: float) -> None:
        self.height = height
        self.figure = canvas.new_figure(13.0, 13.0 * height, face="black")
        self.axes: Axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set(xlim=(0, 1), ylim=(height, 0), facecolor="black")
        self.axes.axis("off")

    def text(self, x: float, y: float, text: str, **style: Any) -> None:
        options: dict[str, Any] = {"color": "white", "fontsize": 10, "ha": "center", "va": "bottom"} | style
        self.axes.text(x, y, text, **options)

    def tile(self, tile: _Tile, x: float, y: float, side: float) -> None:
        """Lay a square tile down with its upper left corner at (x, y)."""
        from matplotlib.collections import LineCollection

        size = tile.pixels.shape[0]
        repeats = round(ENLARGED * 98 / size)
        pixels = (np.clip(tile.pixels, 0, 1) * 255).round().astype(np.uint8)
        pixels = pixels.repeat(repeats, axis=0).repeat(repeats, axis=1)
        extent = (x, x + side, y + side, y)
        self.axes.imshow(pixels, extent=extent, aspect="auto", interpolation="none", zorder=1)
        lines = [[(x + side * a / size, y + side * b / size) for a, b in edge] for edge in tile.edges()]
        self.axes.add_collection(LineCollection(lines, colors=LESION, linewidths=0.9, zorder=2))

    def frame(
        self, x: float, y: float, side: float, rows: slice, columns: slice, shape: tuple[int, ...]
    ) -> None:
        """Draw a frame around a detail of the tile at (x, y)."""
        from matplotlib.patches import Rectangle

        scale = side / shape[0]
        corner = (x + columns.start * scale, y + rows.start * scale)
        size = (rows.stop - rows.start) * scale
        self.axes.add_patch(
            Rectangle(corner, size, size, fill=False, edgecolor="#9aa5b1", linewidth=1.1, zorder=3)
        )

    def colour_bar(self, top: float) -> None:
        """Draw the colours and the marks with their meaning."""
        strip = np.repeat(colours.black_fire_red(np.linspace(-1, 1, 401))[None], 12, axis=0)
        pixels = (strip * 255).round().astype(np.uint8)
        low, high = top + 0.014, top + 0.026
        self.axes.imshow(pixels, extent=(0.2, 0.5, high, low), aspect="auto", interpolation="none", zorder=2)
        middle = (low + high) / 2
        style: dict[str, Any] = {"va": "center", "fontsize": 9.5}
        self.text(0.195, middle, "takes years away", ha="right", **style)
        self.text(0.505, middle, "adds years", ha="left", **style)
        self.text(0.35, high + 0.004, f"{MINUS}limit          0          +limit", va="top", fontsize=8.5)
        self._mark(0.66, middle, MINT, "none")
        self.text(0.675, middle, "atrophied pixel (truth)", ha="left", **style)
        self._mark(0.84, middle, "none", LESION)
        self.text(0.855, middle, "lesion (truth)", ha="left", **style)

    def _mark(self, x: float, y: float, face: str, edge: str) -> None:
        self.axes.plot(
            [x], [y], marker="s", markersize=9, markerfacecolor=face, markeredgecolor=edge, zorder=4
        )
