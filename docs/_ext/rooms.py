"""The picture of the rooms, drawn from the contract that `make lint` holds them to.

``python docs/_ext/rooms.py`` writes docs/images/rooms.svg anew; a test compares the two.
"""

from __future__ import annotations

import configparser
from pathlib import Path
from xml.sax.saxutils import escape

ROOT = Path(__file__).parents[2]
PICTURE = ROOT / "docs" / "images" / "rooms.svg"
WORDS = {
    "cli": "what a person types",
    "workflows": "nipype graphs",
    "interfaces": "nipype interfaces: thin shells",
    "studies": "simulation studies, from data to page",
    "reports": "pages, methods text",
    "estimates": "a person, in one pass",
    "injection": "changes of known place",
    "group": "tables and tests of groups",
    "models": "training > evaluation > cohorts > importing > bundles > ensembles",
    "records": "what is finished",
    "relevance": "LRP, DBA maps, quality",
    "simulation": "brains with a truth",
    "preprocessing": "images in, images out",
    "bids": "datasets, tables, file names",
    "config": "a run's settings",
    "resources": "cores and memory",
    "caches": "what an image brings along",
    "networks": "what a network is",
    "options": "what an option may be",
    "statistics": "designs, permutation, norms",
}
WIDTH, HEIGHT, GAP, LEFT = 960, 52, 8, 62


def layers() -> list[list[str]]:
    """The rooms of each layer, the highest first."""
    settings = configparser.ConfigParser()
    settings.read(ROOT / ".importlinter", encoding="utf-8")
    rows = settings["importlinter:contract:rooms"]["layers"].split("\n")
    return [[name.strip().removeprefix("bids_brainage.") for name in row.split("|")] for row in rows if row]


def drawn() -> str:
    """The picture, as SVG. Modules without words, at the bottom, share one box."""
    rows = layers()
    told = [row for row in rows if any(name in WORDS for name in row)]
    shared = [name for row in rows if row not in told for name in row]
    boxes = "".join(_row(row, number) for number, row in enumerate(told))
    last = len(told)
    boxes += _box(LEFT, _top(last), WIDTH - GAP - LEFT, "shared by all", ", ".join(shared))
    height = _top(last + 1)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        'font-family="sans-serif" text-anchor="middle">\n'
        "<title>The rooms of bids_brainage; imports run downwards</title>\n"
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>\n'
        f'<path d="M20 {GAP} V{height - 2 * GAP} m-7 -12 l7 12 l7 -12" fill="none" stroke="#1f6fb2" '
        'stroke-width="3"/>\n'
        f'<text transform="translate(36 {height / 2:g}) rotate(90)" font-size="13" fill="#1f6fb2">'
        "imports run downwards</text>\n"
        f"{boxes}</svg>\n"
    )


def _row(names: list[str], number: int) -> str:
    width = (WIDTH - GAP - LEFT - GAP * (len(names) - 1)) / len(names)
    places = (LEFT + place * (width + GAP) for place in range(len(names)))
    return "".join(
        _box(left, _top(number), width, name, WORDS.get(name, ""))
        for left, name in zip(places, names, strict=True)
    )


def _top(number: int) -> int:
    return GAP + number * (HEIGHT + GAP)


def _box(left: float, top: float, width: float, name: str, words: str) -> str:
    middle = left + width / 2
    return (
        f'<rect x="{left:g}" y="{top:g}" width="{width:g}" height="{HEIGHT}" rx="5" fill="#eef3f9" '
        'stroke="#9fb3c8"/>\n'
        f'<text x="{middle:g}" y="{top + 22:g}" font-size="16" font-weight="bold" fill="#16202c">'
        f"{escape(name)}</text>\n"
        f'<text x="{middle:g}" y="{top + 41:g}" font-size="12" fill="#44525f">{escape(words)}</text>\n'
    )


if __name__ == "__main__":
    PICTURE.write_text(drawn(), encoding="utf-8")
