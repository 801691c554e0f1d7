"""One rule for the paths that people give."""

from __future__ import annotations

import os
from pathlib import Path

from bids_brainage import messages
from bids_brainage.errors import InputError
from bids_brainage.quoting import one_line


def absolute_path(given: str | os.PathLike[str]) -> Path:
    """Return a path that a person gave as an absolute one, ``~`` expanded, links not followed.

    Raises
    ------
    InputError
        If logs, sidecars and other programs could not write it down: it is empty, not UTF-8, or holds
        control characters; or if it names the home of somebody who is not known.
    """
    text = os.fspath(given)
    shown = one_line(text)
    if not text.strip():
        raise InputError(messages.PATH_EMPTY)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(messages.PATH_NOT_UTF8.format(path=shown)) from error
    if any(ord(character) < 32 or ord(character) == 127 for character in text):
        raise InputError(messages.PATH_CONTROL.format(path=shown))
    try:
        return Path(text).expanduser().absolute()
    except (RuntimeError, OSError) as error:
        raise InputError(messages.PATH_HOME.format(path=shown)) from error
