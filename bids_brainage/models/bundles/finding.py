"""Where bundles are: by name in the folders of bundles, or by path."""

from __future__ import annotations

import os
from pathlib import Path

import bids_brainage
from bids_brainage import messages
from bids_brainage.errors import BundleError
from bids_brainage.quoting import one_line

FILE_NAME = "bundle.json"
MODELS_VARIABLE = "BIDS_BRAINAGE_MODELS"
#: Bundles and training plans that come with the program.
SHIPPED = Path(bids_brainage.__file__).parent / "data" / "models"


def find_bundle(name_or_path: str | Path) -> Path:
    """The absolute folder of a bundle.

    Parameters
    ----------
    name_or_path : str or Path
        A name (``demo``, or a folder's name in one of the folders that BIDS_BRAINAGE_MODELS lists,
        separated by colons), or the path of a bundle's folder or ``bundle.json``.

    Raises
    ------
    BundleError
        There is none.
    """
    text = str(name_or_path)
    path = _absolute(text)
    folders = [*_named(text), path.parent if path.name == FILE_NAME else path]
    for folder in folders:
        # Whatever is there: its reader reports if it cannot be read.
        if os.path.lexists(folder / FILE_NAME):
            return folder
    known = ", ".join(dict(list_bundles())) or "none"
    raise BundleError(messages.NO_BUNDLE.format(name=one_line(text), known=known, variable=MODELS_VARIABLE))


def settled(name_or_path: str) -> str:
    """A reference that is valid in every working directory: a name as it is, a path made absolute."""
    named = any(os.path.lexists(folder / FILE_NAME) for folder in _named(name_or_path))
    is_path = os.sep in name_or_path or os.path.lexists(_absolute(name_or_path))
    return str(_absolute(name_or_path)) if is_path and not named else name_or_path


def list_bundles() -> list[tuple[str, Path]]:
    """Name and folder of every bundle that can be called by name, the shipped ones first."""
    found: dict[str, Path] = {}
    for folder in _model_folders():
        for path in sorted(folder.glob("*")):
            if os.path.lexists(path / FILE_NAME):
                found.setdefault(path.name, path)
    return list(found.items())


def _model_folders() -> list[Path]:
    listed = os.environ.get(MODELS_VARIABLE, "").split(os.pathsep)
    return [SHIPPED, *(_absolute(folder) for folder in listed if folder)]


def _named(name: str) -> list[Path]:
    plain = name not in ("", ".", "..") and Path(name).name == name
    return [folder / name for folder in _model_folders()] if plain else []


def _absolute(path: str) -> Path:
    # Path.expanduser raises where there is no such user.
    expanded = Path(os.path.expanduser(path))  # noqa: PTH111
    try:
        return Path(os.path.abspath(expanded))  # noqa: PTH100
    except FileNotFoundError:
        # Started in a folder that is gone: nothing lies there.
        return expanded
