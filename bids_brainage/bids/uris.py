"""What sidecars call a file: a BIDS URI made of its dataset and its place there."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path, PurePath
from urllib.parse import quote

RAW = "raw"
FREESURFER = "freesurfer"
# What may stand in the path of a URI beside letters, digits and -._~ (RFC 3986).
_SAFE = "/+,;=@!$&'()*"


def dataset_links(
    bids_dir: Path | None = None,
    derivatives: Mapping[str, Path] | None = None,
    fs_subjects_dir: Path | None = None,
) -> dict[str, Path]:
    """Return the datasets that a run reads, each under a unique name: BIDS' DatasetLinks.

    Parameters
    ----------
    bids_dir : Path, optional
        The raw dataset, called ``raw``.
    derivatives : mapping of str to Path, optional
        Datasets of ``-d NAME=PATH``, called NAME, with what a URI cannot hold as ``-``. If that is taken, an
        ending keeps the names apart.
    fs_subjects_dir : Path, optional
        FreeSurfer's subjects, called ``freesurfer``.
    """
    links = {RAW: bids_dir} if bids_dir else {}
    if fs_subjects_dir:
        links[FREESURFER] = fs_subjects_dir
    for name, folder in (derivatives or {}).items():
        plain = re.sub(r"[^A-Za-z0-9._-]", "-", name)
        links[_free(plain, {RAW, *links})] = folder
    return links


def bids_uri(path: Path, links: Mapping[str, Path]) -> str:
    """Name a file as ``bids:<dataset>:<place in it>``.

    Parameters
    ----------
    path : Path
        An absolute path.
    links : mapping of str to Path
        Root of each dataset by name (see `dataset_links`). The empty name is the dataset that the URI is
        written in: ``bids::sub-01/anat/...``, as `SpatialReference` has it.

    Returns
    -------
    str
        A URI with the dataset whose root is the file's nearest parent, or ``file://...`` if it is in none.
    """
    inside = _places(path, links, os.path.normpath) or _places(path, links, os.path.realpath)
    if not inside:
        return path.absolute().as_uri()
    name, place = min(inside, key=lambda found: len(found[1].parts))
    return f"bids:{name}:{quote(place.as_posix(), safe=_SAFE)}"


def own_uri(path: Path, out_dir: Path) -> str:
    """Name a file of the dataset that the URI is written in: ``bids::sub-01/anat/...``."""
    return bids_uri(path, {"": out_dir})


def _places(
    path: Path, links: Mapping[str, Path], plain: Callable[[Path], str]
) -> list[tuple[str, PurePath]]:
    """Return the datasets that hold `path`, each with its place there; `plain` writes paths comparably."""
    inner = PurePath(plain(path))
    roots = {name: PurePath(plain(root)) for name, root in links.items()}
    return [(name, inner.relative_to(root)) for name, root in roots.items() if inner.is_relative_to(root)]


def _free(name: str, taken: set[str]) -> str:
    """Return a name that is not taken: itself, with ``-derivatives``, or with a number behind that."""
    candidate, number = name, 1
    while candidate in taken or not candidate:
        candidate = f"{name}-derivatives" + (f"-{number}" if number > 1 else "")
        number += 1
    return candidate
