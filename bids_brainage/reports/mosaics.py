"""Pictures of the brain: mask, registration and relevance over anatomy, in three axes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import nibabel as nib
import numpy as np

from bids_brainage.reports import canvas, colours
from bids_brainage.reports.slices import AXES, Slices, canonical, grey
from bids_brainage.reports.words import Words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH = 13.0
# What is darker than this share of the brightest is not brain.
NEARLY_BLACK = 0.03
# Anatomy is a little darker behind relevance, so that its colours stand out.
BEHIND_COLOURS = 0.8
MINUS = "\N{MINUS SIGN}"
BAR_HEIGHT = 0.06
LABEL_HEIGHT = 0.018
NAME_HEIGHT = 0.03
# Coarse images are enlarged to about this many pixels per row, so that JPEG does not blur their voxels.
MIN_PIXELS = 1400
MASK_COLOUR = "#ff3b30"
EDGE_COLOUR = "#ffd60a"
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
FLICKER = """
@keyframes flicker { 0%, 40% { opacity: 1 } 60%, 100% { opacity: 0 } }
svg:hover .moved, svg:focus .moved { animation: flicker 1.2s ease-in-out infinite alternate }
"""


def mask_figure(image: nib.Nifti1Image, mask: nib.Nifti1Image, out: Path, title: str) -> Path:
    """Draw the outline of a brain mask over the image it was made for.

    Parameters
    ----------
    image, mask : nib.Nifti1Image
        On the same grid.
    out : Path
        The SVG file to write.
    title : str
        What is read out instead of the picture.

    Returns
    -------
    Path
        `out`.
    """
    slices = Slices.through(mask)
    inside = canonical(mask) > 0
    picture = Mosaic(slices)
    picture.show(grey(canonical(image), inside))
    picture.outline(inside.astype(np.float32), MASK_COLOUR)
    return picture.save(out, title)


def registration_figure(
    moved: nib.Nifti1Image, fixed: nib.Nifti1Image, out: Path, title: str, names: tuple[str, str]
) -> Path:
    """Draw a registered image that flickers with the fixed one under the pointer or keyboard focus.

    Outlines of the fixed image's brain and of its bright tissue lie over both, so that the printed
    figure tells as well.

    Parameters
    ----------
    moved, fixed : nib.Nifti1Image
        On the same grid, brain only.
    out : Path
        The SVG file to write.
    title : str
        What is read out instead of the picture.
    names : tuple of str
        What the moved and the fixed image are called in the corner.

    Returns
    -------
    Path
        `out`.
    """
    fixed_data, moved_data = canonical(fixed), canonical(moved)
    scaled = grey(fixed_data)
    brain = _filled(scaled > NEARLY_BLACK)
    canonical_affine = nib.as_closest_canonical(fixed).affine
    slices = Slices.through(nib.Nifti1Image(brain.astype(np.uint8), canonical_affine))
    picture = Mosaic(slices, foot=NAME_HEIGHT)
    picture.show(scaled, group="fixed")
    picture.name(names[1], group="fixed")
    picture.show(grey(moved_data, brain), group="moved")
    picture.name(names[0], group="moved")
    picture.outline(brain.astype(np.float32), MASK_COLOUR)
    picture.outline(scaled, EDGE_COLOUR, level=_bright_tissue(scaled), width=0.5)
    return picture.save(out, title, style=FLICKER)


def relevance_figure(
    relevance: nib.Nifti1Image,
    anatomy: nib.Nifti1Image,
    mask: nib.Nifti1Image,
    out: Path,
    title: str,
    words: Words,
) -> Path:
    """Draw a relevance map over anatomy in the colours of Hofmann et al. 2022, with a bar in its unit.

    The slices are laid through the part of the brain that carries relevance.

    Parameters
    ----------
    relevance, anatomy, mask : nib.Nifti1Image
        On the same grid; relevance in the unit of `words` per voxel.
    out : Path
        The SVG file to write.
    title : str
        What is read out instead of the picture.
    words : Words
        What the map's estimate is called, and its unit.

    Returns
    -------
    Path
        `out`.
    """
    data, inside = canonical(relevance), canonical(mask) > 0
    part = relevance if np.any(data) else mask
    limit = colours.symmetric_limit(data)
    background = grey(canonical(anatomy), inside)
    picture = Mosaic(Slices.through(part), foot=BAR_HEIGHT)
    picture.show_colours(data, limit, background)
    note = f"relevance in {words.unit} per voxel, clipped at the 99th percentile of its absolute values"
    ends = (f"{MINUS}{scientific(limit)}", "0", f"+{scientific(limit)}")
    picture.colour_bar(ends, (f"makes it {words.less}", f"makes it {words.more}"), note)
    return picture.save(out, title)


def scientific(value: float) -> str:
    """Write a positive number as a person would: 8.4 × 10⁻⁵."""  # noqa: RUF002
    if value == 0 or 0.01 <= value < 1000:
        return f"{value:.2g}"
    digits, power = f"{value:.1e}".split("e")
    return f"{digits} × 10{str(int(power)).translate(_SUPERSCRIPTS)}"  # noqa: RUF001


def _filled(mask: np.ndarray) -> np.ndarray:
    from scipy.ndimage import binary_fill_holes

    return np.asarray(binary_fill_holes(mask))


def _bright_tissue(scaled: np.ndarray) -> float:
    """Return a grey value that parts the bright tissue (about a third of a brain) from all else."""
    values = scaled[scaled > NEARLY_BLACK]
    level = _otsu(values)
    return _otsu(values[values > level]) if np.mean(values > level) > 0.6 else level


def _otsu(values: np.ndarray) -> float:
    """Return Otsu's threshold: the one that sets the means of both sides furthest apart."""
    if values.size < 2:
        return 1.0
    counts, edges = np.histogram(values, bins=64)
    centres = (edges[1:] + edges[:-1]) / 2
    below = np.cumsum(counts)[:-1]
    above = counts.sum() - below
    sums = np.cumsum(counts * centres)
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = sums[:-1] / below - (sums[-1] - sums[:-1]) / above
    return float(edges[1:-1][int(np.nanargmax(below * above * distance**2))])


class Mosaic:
    """One black sheet with a row of slices an axis; all rows are equally wide."""

    def __init__(self, slices: Slices, foot: float = 0.0, pixels: int = MIN_PIXELS) -> None:
        self.slices, self.pixels = slices, pixels
        probe = np.broadcast_to(np.float32(0), tuple(side.stop for side in slices.box))
        shapes = {axis: slices.row(probe, axis).shape for axis in AXES}
        self.heights = {axis: shape[0] / shape[1] for axis, shape in shapes.items()}
        self.height = sum(self.heights.values()) + len(AXES) * LABEL_HEIGHT + foot
        self.figure = canvas.new_figure(WIDTH, WIDTH * self.height, face="black")
        self.axes: Axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set(xlim=(0, 1), ylim=(self.height, 0), facecolor="black")
        self.axes.axis("off")

    def _rows(self) -> list[tuple[str, float, float]]:
        """Return name, top and bottom of each row; the label strip lies below the bottom."""
        rows, top = [], 0.0
        for axis in AXES:
            rows.append((axis, top, top + self.heights[axis]))
            top += self.heights[axis] + LABEL_HEIGHT
        return rows

    def show(self, data: np.ndarray, group: str = "") -> None:
        """Lay grey values in [0, 1] down."""
        for axis, top, bottom in self._rows():
            row = self.slices.row(data, axis)
            self._image(np.repeat(row[..., None], 3, axis=-1), top, bottom, group)

    def name(self, text: str, group: str) -> None:
        """Write in the strip at the foot which image is shown, hiding the name written before."""
        from matplotlib.patches import Rectangle

        strip = Rectangle((0, self.height - NAME_HEIGHT), 1, NAME_HEIGHT, facecolor="black", zorder=2)
        self.axes.add_patch(strip).set_gid(group)
        style: dict[str, Any] = {"color": "white", "fontsize": 12, "weight": "bold", "zorder": 2}
        self.axes.text(0.5, self.height - NAME_HEIGHT / 2, text, ha="center", va="center", **style).set_gid(
            group
        )

    def show_colours(
        self, relevance: np.ndarray, limit: float, background: np.ndarray, gain: float = colours.GAIN
    ) -> None:
        """Lay relevance, or another map, clipped at `limit`, over anatomy down."""
        for axis, top, bottom in self._rows():
            values = colours.normalise(self.slices.row(relevance, axis), limit)
            anatomy = BEHIND_COLOURS * self.slices.row(background, axis)
            self._image(colours.over_anatomy(values, anatomy, gain=gain), top, bottom, "")

    def _image(self, row: np.ndarray, top: float, bottom: float, group: str) -> None:
        pixels = (np.clip(row, 0, 1) * 255).round().astype(np.uint8)
        repeats = max(1, round(self.pixels / row.shape[1]))
        pixels = pixels.repeat(repeats, axis=0).repeat(repeats, axis=1)
        image = self.axes.imshow(
            pixels, extent=(0, 1, bottom, top), aspect="auto", interpolation="none", zorder=1
        )
        if group:
            image.set_gid(group)

    def outline(self, data: np.ndarray, colour: str, level: float = 0.5, width: float = 0.9) -> None:
        """Draw where `data` crosses `level`."""
        for axis, top, bottom in self._rows():
            row = self.slices.row(data, axis)
            x = (np.arange(row.shape[1]) + 0.5) / row.shape[1]
            y = top + (np.arange(row.shape[0]) + 0.5) / row.shape[0] * (bottom - top)
            if row.min() < level < row.max():
                self.axes.contour(x, y, row, levels=[level], colors=[colour], linewidths=width, zorder=3)

    def _labels(self) -> None:
        letter = {"axial": "z", "coronal": "y", "sagittal": "x"}
        style: dict[str, Any] = {"color": "#c8c8c8", "fontsize": 9, "zorder": 4}
        for axis, top, bottom in self._rows():
            positions: Sequence[float] = self.slices.positions[axis]
            step = 1 / len(positions)
            for i, position in enumerate(positions):
                text = f"{letter[axis]} = {position:.0f} mm".replace("-", MINUS)
                self.axes.text((i + 0.5) * step, bottom + 0.002, text, ha="center", va="top", **style)
            sides = ("L", "R") if axis != "sagittal" else ("P", "A")
            box = {"facecolor": "black", "edgecolor": "none", "pad": 1.5}
            self.axes.text(0.004, top + 0.008, sides[0], ha="left", va="top", bbox=box, **style)
            self.axes.text(0.996, top + 0.008, sides[1], ha="right", va="top", bbox=box, **style)

    def colour_bar(
        self,
        ends: Sequence[str],
        sides: tuple[str, str],
        note: str,
        lowest: float = -1,
        gain: float = colours.GAIN,
    ) -> None:
        """Draw the colours with their meaning and unit along the bottom.

        Parameters
        ----------
        ends : sequence of str
            What stands below the bar, evenly from its left end to its right end.
        sides : tuple of str
            What stands on its left and on its right.
        note : str
            What stands below.
        lowest : float
            The normalised value at the left end; the right end is 1.
        gain : float
            As the map's.
        """
        top, bottom = self.height - BAR_HEIGHT * 0.82, self.height - BAR_HEIGHT * 0.52
        ramp = np.linspace(lowest, 1, 401)
        strip = np.repeat(colours.black_fire_red(ramp, gain)[None], 12, axis=0)
        pixels = (strip * 255).round().astype(np.uint8)
        self.axes.imshow(
            pixels, extent=(0.3, 0.7, bottom, top), aspect="auto", interpolation="none", zorder=2
        )
        # A unit may hold dollar signs, which are no mathematics.
        style: dict[str, Any] = {"color": "white", "fontsize": 10, "zorder": 4, "parse_math": False}
        for x, text in zip(np.linspace(0.3, 0.7, len(ends)), ends, strict=True):
            self.axes.text(x, bottom + 0.004, text, ha="center", va="top", **style)
        middle = (top + bottom) / 2
        self.axes.text(0.29, middle, sides[0], ha="right", va="center", **style)
        self.axes.text(0.71, middle, sides[1], ha="left", va="center", **style)
        self.axes.text(0.5, self.height - 0.003, note, ha="center", va="bottom", **style | {"fontsize": 8.5})

    def save(
        self, out: Path, title: str, style: str = "", pictures: Literal["jpeg", "webp"] = "jpeg"
    ) -> Path:
        """Write the sheet; see `canvas.save`."""
        self._labels()
        return canvas.save(self.figure, out, title, style, pictures)
