"""DBA against age, before and after it is corrected for age."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bids_brainage.reports import canvas
from bids_brainage.reports.charts import FAINT, INK, OLDER, QUIET, WIDTH
from bids_brainage.reports.training_figures import frame
from bids_brainage.reports.words import Words


def correction_figure(
    ages: NDArray[np.float64],
    before: NDArray[np.float64],
    after: NDArray[np.float64],
    out: Path,
    title: str,
    words: Words,
) -> Path:
    """Draw DBA against age, raw and corrected, on one scale.

    Parameters
    ----------
    ages, before, after : array (n,)
        Of people of whom all are known; DBA in years.
    out : Path
        The SVG file to write.
    title : str
        What is read out instead of the picture.
    words : Words
    """
    figure = canvas.new_figure(WIDTH, 3.7)
    panels = figure.subplots(1, 2, sharey=True)
    corrected = "Corrected for age" if words.of_age else "Corrected for the measured value"
    for axes, dba, name in zip(panels, (before, after), ("Raw", corrected), strict=True):
        up = f"DBA ({words.unit})" if name == "Raw" else ""
        frame(axes, f"{words.measured} ({words.unit})".replace("$", r"\$"), up.replace("$", r"\$"))
        axes.axhline(0, color=QUIET, linewidth=1, linestyle=(0, (5, 3)), zorder=1)
        axes.scatter(ages, dba, s=14, color=INK, alpha=0.65, linewidth=0, zorder=2)
        if np.ptp(ages) > 0:
            slope, intercept = np.polyfit(ages, dba, 1)
            ends = np.array([ages.min(), ages.max()])
            axes.plot(ends, intercept + slope * ends, color=OLDER, linewidth=1.8, zorder=3)
        axes.set_title(name, fontsize=10.5, color=INK)
        axes.grid(axis="y", color=FAINT, linewidth=0.6, zorder=0)
    figure.tight_layout(w_pad=3)
    return canvas.save(figure, out, title)
