"""Projections of a map, as in the paper's figure 5: a glass brain, and the cortex of fsaverage5."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np

from bids_brainage.reports import canvas, colours
from bids_brainage.reports.charts import INK
from bids_brainage.reports.group.map_figures import holding
from bids_brainage.reports.pictures import read_image

if TYPE_CHECKING:
    from matplotlib.colors import ListedColormap

#: The share of voxels that is shown: projections of all would show nothing.
TOP = 0.1
SIDES = ("left", "right")
DPI = 110
_QUALITY = 82


def strongest(statistic: np.ndarray, held: np.ndarray | None) -> np.ndarray:
    """The strongest tenth of a map of t or F, as far as it holds if anything does; zero elsewhere."""
    size = np.abs(statistic)
    inside = size[size > 0]
    if not inside.size:
        return np.zeros_like(statistic)
    shown = size >= np.quantile(inside, 1 - TOP)
    if held is not None and held.any():
        shown &= held
    return np.where(shown, statistic, 0)


def projection_figure(statistic: Path, corrected: Path | None, out: Path, title: str) -> Path:
    """Draw a map of t or F as a glass brain, and on the inflated cortex of fsaverage5.

    Parameters
    ----------
    statistic : Path
        The map.
    corrected : Path or None
        -log10 of corrected p.
    out : Path
        The WebP file to write.
    title : str
        Not drawn; the page has it read out.
    """
    from nilearn import plotting

    whole = read_image(statistic)
    limit = float(np.abs(whole.dataobj).max()) or 1.0
    data = strongest(np.asarray(whole.dataobj), holding(corrected) if corrected else None)
    image = nib.Nifti1Image(data, whole.affine)
    least = float(np.abs(data[data != 0]).min(initial=limit))
    # The weakest that is shown must be seen: thresholds of nilearn are exclusive.
    lowest = -1 if (np.asarray(whole.dataobj) < 0).any() else 0
    settings: dict[str, Any] = {
        "threshold": least * (1 - 1e-6), "cmap": colour_map(lowest), "vmin": lowest * limit, "vmax": limit,
    }  # fmt: skip
    figure = canvas.new_figure(13, 5.6)
    axes = figure.add_axes((0, 0.44, 1, 0.56))
    plotting.plot_glass_brain(
        image, display_mode="lyrz", axes=axes, figure=figure, plot_abs=False, colorbar=True, **settings
    )
    _surfaces(figure, image, settings)
    picture = out.with_suffix(".png")
    figure.savefig(picture, dpi=DPI, facecolor="white")
    return as_webp(picture, out)


def as_webp(picture: Path, out: Path) -> Path:
    """Turn a picture into a WebP file, which is a fraction of its size, and remove it."""
    from PIL import Image

    from bids_brainage.atomic import replacing

    with Image.open(picture) as image, replacing(out) as temporary:
        image.convert("RGB").save(temporary, format="WEBP", quality=_QUALITY, method=4)
    picture.unlink()
    return out


def _surfaces(figure: Any, image: nib.Nifti1Image, settings: dict[str, Any]) -> None:
    """Both sides of both hemispheres along the foot."""
    from nilearn import plotting, surface

    views = [(side, view) for side in SIDES for view in ("lateral", "medial")]
    if settings["vmax"] <= settings["threshold"]:
        return
    for place, (side, view) in enumerate(views):
        mesh = _fsaverage(side)
        axes = figure.add_axes((0.25 * place, 0.0, 0.25, 0.44), projection="3d")
        plotting.plot_surf_stat_map(
            mesh["inflated"],
            surface.vol_to_surf(image, mesh["pial"]),
            bg_map=mesh["sulc"],
            hemi=side,
            view=view,
            axes=axes,
            figure=figure,
            colorbar=False,
            bg_on_data=False,
            engine="matplotlib",
            **settings,
        )
        axes.set_box_aspect(None, zoom=1.35)
        axes.set_title(f"{side}, {view}", fontsize=10, color=INK, y=0.95)


@lru_cache(maxsize=2)
def _fsaverage(side: str) -> dict[str, Any]:
    """The files of fsaverage5 that nilearn ships."""
    from nilearn import datasets

    files = datasets.fetch_surf_fsaverage("fsaverage5")
    return {"pial": files[f"pial_{side}"], "inflated": files[f"infl_{side}"], "sulc": files[f"sulc_{side}"]}


def colour_map(lowest: float = -1) -> ListedColormap:
    """The colours of relevance, not amplified, for nilearn: from `lowest` to 1."""
    from matplotlib.colors import ListedColormap

    return ListedColormap(colours.black_fire_red(np.linspace(lowest, 1, 256), 1.0), name="black_fire_red")
