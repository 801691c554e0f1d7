"""A viewer of a volume by nilearn, inside the page and shut off from it and from the network."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from bids_brainage.atomic import write_text
from bids_brainage.preprocessing.templates import template_brain
from bids_brainage.reports.group.projections import colour_map
from bids_brainage.reports.pictures import read_image

#: The share of voxels that a viewer shows: the strongest.
SHOWN = 1 / 3
WIDTH = 900
_LINK = re.compile(r"<link\b[^>]*>", re.IGNORECASE)
_RANDOM = re.compile(r"(?<=-)[0-9a-f]{32}\b")
_SCRIPT = re.compile(r"<script\b[^>]*>(.*?)</script>", re.DOTALL | re.IGNORECASE)


def write_viewer(statistic: Path, out: Path, title: str) -> Path:
    """Write nilearn's viewer of the strongest third of a map over the template's brain, as HTML.

    Parameters
    ----------
    statistic : Path
        The map, on the 2 mm grid.
    out : Path
        The HTML file to write; it refers to no other file or place.
    title : str
        Of the document.
    """
    from nilearn.plotting import view_img

    image = read_image(statistic)
    size = np.abs(np.asarray(image.dataobj))
    inside = size[size > 0]
    threshold = float(np.quantile(inside, 1 - SHOWN)) if inside.size else 0.0
    brain = template_brain(2)
    view: Any = view_img(
        image,
        bg_img=nib.Nifti1Image(np.asarray(brain.dataobj, dtype=np.float32), brain.affine),
        threshold=threshold,
        vmax=float(size.max()) or 1.0,
        cmap=colour_map(),
        black_bg=True,
        dim=0,
        opacity=0.9,
        width_view=WIDTH,
    )
    html = _LINK.sub("", view.get_standalone())
    # Names of elements are drawn at random, but the same maps shall make the same page.
    html = _RANDOM.sub(hashlib.sha256(title.encode()).hexdigest()[:32], html)
    return write_text(out, re.sub(r"<title>.*?</title>", lambda _: _titled(title), html, count=1))


def scripts_of(html: str) -> list[str]:
    """The scripts of a document as a content security policy names them: by the hash of each."""
    found = []
    for script in _SCRIPT.findall(html):
        digest = hashlib.sha256(script.encode()).digest()
        found.append(f"'sha256-{base64.b64encode(digest).decode('ascii')}'")
    return found


def _titled(title: str) -> str:
    from markupsafe import Markup

    return str(Markup("<title>{}</title>").format(title))
