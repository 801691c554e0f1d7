"""Figure 2 of the paper: estimates against age, and error and uncertainty against age."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bids_brainage.reports import canvas
from bids_brainage.reports.charts import FAINT, INK, OLDER, QUIET, WIDTH, YOUNGER
from bids_brainage.reports.words import Words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CURVE_DEGREE = 3  # the paper's polynomials
FEWEST_FOR_A_CURVE = 12


def age_figure(
    ages: NDArray[np.float64],
    estimates: NDArray[np.float64],
    spreads: NDArray[np.float64],
    guess: NDArray[np.float64],
    out: Path,
    title: str,
    words: Words | None = None,
    spread: str = "spread of the models",
) -> Path:
    """Draw held-out estimates, their errors and the models' spread against age.

    Parameters
    ----------
    ages, estimates : array (n,)
        Years.
    spreads : array (n,)
        Standard deviation between the sub-ensembles, or another measure of uncertainty, years; not a number
        where it is not known.
    guess : array (n,)
        What guessing the training people's mean age gives, years.
    out : Path
        The SVG file to write.
    title : str
        What is read out instead of the picture.
    words : Words, optional
        For another target than age.
    spread : str
        What `spreads` are called.
    """
    words = words or Words()
    across = f"{words.measured} ({words.unit})".replace("$", r"\$")
    up = f"{words.estimate} ({words.unit})" if words.of_age else f"estimate ({words.unit})"
    figure = canvas.new_figure(WIDTH, 4.4)
    left, right = figure.subplots(1, 2)
    room = 2 if words.of_age else 0.05 * float(np.ptp(ages))
    limits = (min(ages.min(), estimates.min()) - room, max(ages.max(), estimates.max()) + room)
    frame(left, across, up.replace("$", r"\$"))
    left.plot(limits, limits, color=QUIET, linewidth=1, linestyle=(0, (5, 3)), zorder=1)
    left.axhline(float(guess.mean()), color=FAINT, linewidth=1.2, zorder=0)
    left.scatter(ages, estimates, s=14, color=INK, alpha=0.65, linewidth=0, zorder=2)
    curve(left, ages, estimates, OLDER)
    left.set(
        xlim=limits, ylim=limits, title="Estimate and age" if words.of_age else "Estimate and measured value"
    )
    frame(right, across, words.unit.replace("$", r"\$"))
    for values, colour, name in (
        (np.abs(estimates - ages), OLDER, "absolute error"),
        (spreads, YOUNGER, spread),
    ):
        few = len(ages) < FEWEST_FOR_A_CURVE
        right.scatter(
            ages, values, s=10, color=colour, alpha=0.35, linewidth=0, zorder=2, label=name if few else None
        )
        curve(right, ages, values, colour, name)
    right.set(ylim=(0, None), title="Error and uncertainty")
    right.legend(frameon=False, fontsize=9, loc="upper left")
    figure.tight_layout(w_pad=3)
    return canvas.save(figure, out, title)


def curve(
    axes: Axes, ages: NDArray[np.float64], values: NDArray[np.float64], colour: str, name: str = ""
) -> None:
    """A polynomial of third degree, where there are enough people for one."""
    known = np.isfinite(ages) & np.isfinite(values)
    ages, values = ages[known], values[known]
    if len(ages) < FEWEST_FOR_A_CURVE or np.ptp(ages) == 0:
        return
    fitted = np.polynomial.Polynomial.fit(ages, values, CURVE_DEGREE)
    grid = np.linspace(ages.min(), ages.max(), 100)
    axes.plot(grid, fitted(grid), color=colour, linewidth=1.8, zorder=3, label=name or None)


def frame(axes: Axes, across: str, up: str) -> None:
    """Name both axes, and draw no more of them than is needed."""
    axes.set_xlabel(across, color=INK, fontsize=9.5)
    axes.set_ylabel(up, color=INK, fontsize=9.5)
    axes.tick_params(colors=QUIET, labelsize=8.5)
    axes.title.set(fontsize=10.5, color=INK)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(FAINT)
