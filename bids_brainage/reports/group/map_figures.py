"""Figures 5 and 6 of the paper in slices: a statistic, or an effect, with the outline of what holds."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from bids_brainage.preprocessing.templates import template_brain
from bids_brainage.reports import colours
from bids_brainage.reports.mosaics import BAR_HEIGHT, MASK_COLOUR, MINUS, Mosaic, scientific
from bids_brainage.reports.pictures import read_image
from bids_brainage.reports.slices import Slices, canonical, grey
from bids_brainage.reports.words import Words

#: -log10 of the corrected p that outlines are drawn at.
HOLDS = -np.log10(0.05)
OUTLINE = "#ffffff"
#: Colours of a statistic or an effect are not amplified, so that what is weak stays dark.
GAIN = 1.3
#: Width of pictures, in pixels.
WIDE, NARROW = 1400, 700


def statistic_figure(
    statistic: Path, holds: Path | None, mask: Path, out: Path, title: str, *, name: str, pixels: int = WIDE
) -> Path:
    """Draw a map of t or F over the template's brain, with the outline of corrected p of at most 0.05.

    Parameters
    ----------
    statistic, holds, mask : Path
        Maps on the 2 mm grid: t or F, -log10 of corrected p if it is known, and the voxels tested.
    out : Path
        The SVG file to write.
    title : str
        What is read out instead of the picture.
    name : str
        t or F.
    pixels : int
        Width of the picture within.
    """
    data = canonical(read_image(statistic))
    limit = float(np.abs(data).max()) or 1.0
    signed = bool((data < 0).any())
    middle = "0" if signed else f"{limit / 2:.1f}"
    ends = (f"{MINUS}{limit:.1f}" if signed else "0", middle, f"{limit:.1f}")
    note = f"{name}; white lines: corrected p ≤ 0.05" if holds else name
    return _figure(data, limit, holds, mask, out, title, ends, ("less", "more") if signed else ("", ""), note,
                   -1 if signed else 0, pixels)  # fmt: skip


def effect_figure(
    effect: Path,
    holds: Path | None,
    mask: Path,
    out: Path,
    title: str,
    *,
    words: Words,
    pixels: int = WIDE,
) -> Path:
    """Draw the map of a contrast's effect over the template's brain, with the outline of what holds.

    Parameters
    ----------
    effect, holds, mask, out, title, pixels
        See `statistic_figure`; the effect is in the unit of `words` per voxel.
    words : Words
    """
    data = canonical(read_image(effect))
    limit = colours.symmetric_limit(data) or 1.0
    signed = bool((data < 0).any())
    middle = "0" if signed else scientific(limit / 2)
    ends = (f"{MINUS}{scientific(limit)}" if signed else "0", middle, f"+{scientific(limit)}")
    note = f"effect in {words.unit} per voxel, clipped at the 99th percentile of its absolute values"
    note += "; white lines: corrected p ≤ 0.05" if holds else ""
    return _figure(data, limit, holds, mask, out, title, ends, ("less", "more") if signed else ("", ""), note,
                   -1 if signed else 0, pixels)  # fmt: skip


def _figure(
    data: np.ndarray,
    limit: float,
    holds: Path | None,
    mask: Path,
    out: Path,
    title: str,
    ends: Sequence[str],
    sides: tuple[str, str],
    note: str,
    lowest: float,
    pixels: int,
) -> Path:
    tested, background = read_image(mask), _background()
    peak = tuple(int(i) for i in np.unravel_index(int(np.argmax(np.abs(data))), data.shape))
    slices = Slices.through(tested, voxel=peak)  # type: ignore[arg-type]
    picture = Mosaic(slices, foot=BAR_HEIGHT, pixels=pixels)
    picture.show_colours(data, limit, background, GAIN)
    if holds is not None:
        picture.outline(holding(holds).astype(np.float32), OUTLINE, width=1.0)
    picture.colour_bar(ends, sides, note, lowest, GAIN)
    return picture.save(out, title, pictures="webp")


def holding(corrected: Path) -> np.ndarray:
    """Where a map of -log10 of corrected p says at most 0.05; rounding of that very p included."""
    return canonical(read_image(corrected)) >= HOLDS - 1e-4


def coverage_figure(coverage: Path, mask: Path, out: Path, title: str) -> Path:
    """Draw which share of people have a map at each voxel, with the outline of what was tested."""
    data, tested = canonical(read_image(coverage)), read_image(mask)
    picture = Mosaic(Slices.through(tested), pixels=NARROW)
    picture.show(data)
    picture.outline(canonical(tested), MASK_COLOUR)
    return picture.save(out, title, pictures="webp")


@lru_cache(maxsize=1)
def _background() -> np.ndarray:
    return grey(canonical(template_brain(2)))
