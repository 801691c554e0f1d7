"""Figures as SVG files: pictures inside as JPEG, text as outlines, a title for screen readers."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from xml.sax.saxutils import escape

from bids_brainage.atomic import write_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PNG = re.compile(r"data:image/png;base64,([A-Za-z0-9+/=\s]+)")
_JPEG_QUALITY = 82
_WEBP_QUALITY = 80
_FONT = ["DejaVu Sans"]
_PATH = re.compile(r' d="([^"]+)"')
_POINT = re.compile(r"([MLz])\s*(?:(-?[\d.]+)\s+(-?[\d.]+))?\s*")
_BLANKS = re.compile(r"\s*\n?([MLQCz])\s*(?=[\d\-z\s\"])")
_LONG_NUMBER = re.compile(r"(\d+\.\d)\d+")
# What a data address and an attribute cannot hold; all else stays, as base64 upon base64 would not.
_ENCODED = str.maketrans({c: f"%{ord(c):02X}" for c in "%#\"'<>&\n\r\t"})


def new_figure(width: float, height: float, face: str = "white") -> Figure:
    """Return an empty figure of `width` by `height` inches that belongs to no window."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), facecolor=face)


def save(
    figure: Figure, path: Path, title: str, style: str = "", pictures: Literal["jpeg", "webp"] = "jpeg"
) -> Path:
    """Write `figure` as one self-contained SVG file.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        What to write.
    path : Path
        Where to.
    title : str
        What the figure shows, in a sentence; it becomes the text read out instead of the picture.
    style : str
        CSS that goes into the file.
    pictures : {"jpeg", "webp"}
        What pictures inside become; webp is smaller, and less often read outside of browsers.

    Returns
    -------
    Path
        `path`.
    """
    import matplotlib as mpl

    settings: Any = {
        "svg.fonttype": "path",
        "svg.hashsalt": path.stem,
        "image.composite_image": False,
        "path.simplify_threshold": 0.4,
    }
    with mpl.rc_context(settings | {"font.sans-serif": _FONT}):
        buffer = io.StringIO()
        empty = {"Date": None, "Creator": None, "Format": None, "Type": None}
        figure.savefig(buffer, format="svg", facecolor=figure.get_facecolor(), metadata=empty)
    return write_text(path, _finish(buffer.getvalue(), path.stem, title, style, pictures))


def as_data_address(path: Path) -> str:
    """A picture's file as an address that holds it: SVG as text, others in base64."""
    if path.suffix == ".svg":
        return f"data:image/svg+xml,{path.read_text(encoding='utf-8').translate(_ENCODED)}"
    content = base64.b64encode(path.read_bytes()).decode("ascii")
    return f"data:image/{path.suffix.removeprefix('.')};base64,{content}"


def _finish(svg: str, name: str, title: str, style: str, pictures: str) -> str:
    svg = _PNG.sub(lambda found: _compressed(found, pictures), svg[svg.index("<svg") :])
    start, rest = svg.split(">", 1)
    start = re.sub(r'\s(width|height)="[^"]*"', "", start)
    start += f' role="img" aria-labelledby="{name}-title"' + (' tabindex="0"' if style else "")
    rest = re.sub(r"<metadata>.*?</metadata>", "", rest, flags=re.DOTALL)
    rest = _PATH.sub(_shorter, rest)
    rest = re.sub(r'(<(?:g|image)[^>]*?) id="(fixed|moved)"', r'\1 class="\2"', rest)
    rest = rest.replace(' style="image-rendering:crisp-edges;image-rendering:pixelated"', "")
    rest = re.sub(r'(id="|url\(#|href="#)(?=[\w-])', rf"\g<1>{name}-", rest)
    sheet = f'<style type="text/css">{style}</style>\n' if style else ""
    words = escape(title, {'"': "&quot;"})
    head = f'<title id="{name}-title">{words}</title>\n{sheet}'
    return f"{start}>\n{head}{rest}"


def _shorter(path: re.Match[str]) -> str:
    """Write an outline with a tenth of a point's precision and no needless blanks: a third of the size."""
    if re.search("[QC]", path.group(1)):
        return _BLANKS.sub(r"\1", _LONG_NUMBER.sub(r"\1", path.group(0)))
    return f' d="{_relative(path.group(1))}"'


def _relative(outline: str) -> str:
    """An outline of straight lines, each point told from the one before it."""
    text, start, here, lines = "", (0, 0), (0, 0), False
    for command, *point in _POINT.findall(outline):
        if command == "z":
            text, here, lines = text + "z", start, False
            continue
        before, here = here, (round(10 * float(point[0])), round(10 * float(point[1])))
        x, y = here[0] - before[0], here[1] - before[1]
        if command == "M":
            text, start, lines = f"{text}M{_tenths(here[0])}{_after(here[1])}", here, False
        elif x or y:
            text, lines = f"{text}{_after(x) if lines else 'l' + _tenths(x)}{_after(y)}", True
    return text


def _tenths(value: int) -> str:
    """A number of tenths as a decimal, without a zero before its point."""
    whole, tenth = divmod(abs(value), 10)
    shown = f"{whole or ''}.{tenth}" if tenth else f"{whole}"
    return f"-{shown}" if value < 0 else shown


def _after(value: int) -> str:
    """The same behind another number: a minus parts them, too."""
    return _tenths(value) if value < 0 else f" {_tenths(value)}"


def _compressed(found: re.Match[str], form: str) -> str:
    """Turn an embedded PNG into a JPEG, a fifth of its size, or into a WebP."""
    from PIL import Image

    picture = Image.open(io.BytesIO(base64.b64decode(found.group(1)))).convert("RGB")
    buffer = io.BytesIO()
    if form == "jpeg":
        picture.save(buffer, format="JPEG", quality=_JPEG_QUALITY, subsampling=0, optimize=True)
    else:
        picture.save(buffer, format="WEBP", quality=_WEBP_QUALITY, method=4)
    return f"data:image/{form};base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
