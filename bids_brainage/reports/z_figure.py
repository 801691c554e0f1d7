"""The picture of a map of z scores: where a brain is unusual for its age."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np

from bids_brainage.reports.mosaics import BAR_HEIGHT, MINUS, Mosaic
from bids_brainage.reports.norms import LIMIT
from bids_brainage.reports.slices import Slices, canonical, grey

# Colours are clipped here, and not amplified: what is usual is clear.
CLIPPED, GAIN = 5.0, 1.0
COLOUR = "#ffffff"


def z_figure(
    z: nib.Nifti1Image, anatomy: nib.Nifti1Image, mask: nib.Nifti1Image, out: Path, title: str
) -> Path:
    """Draw a map of z scores over anatomy, with an outline of what lies beyond 1.96.

    Parameters
    ----------
    z, anatomy, mask : nib.Nifti1Image
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
    data, inside = canonical(z), canonical(mask) > 0
    picture = Mosaic(Slices.through(z if np.any(data) else mask), foot=BAR_HEIGHT)
    picture.show_colours(data, CLIPPED, grey(canonical(anatomy), inside), GAIN)
    picture.outline((np.abs(data) > LIMIT).astype(np.float32), COLOUR, width=0.7)
    ends = [f"{value:+g}".replace("-", MINUS) for value in (-CLIPPED, -CLIPPED / 2, 0, CLIPPED / 2, CLIPPED)]
    ends[2] = "0"
    note = f"z, standard deviations from what is usual at that age; beyond ±{LIMIT} outlined"
    picture.colour_bar(ends, ("less than usual", "more than usual"), note, gain=GAIN)
    return picture.save(out, title)
