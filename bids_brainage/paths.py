"""One rule for the paths that people give."""

from __future__ import annotations

import os
from pathlib import Path

from bids_brainage import messages
from bids_brainage.errors import InputError
from bids_brainage.quoting import has_controls, is_utf8, one_line


def absolute_path(given: str | os.PathLike[str]) -> Path:
    """Return a path that a person gave as an absolute one, ``~`` expanded, links not followed.

    Raises
    ------
    InputError
        If logs, sidecars and other programs could not write it down: it is empty, not UTF-8, or holds
        control characters; if it names the home of somebody who is not known; or if it is relative to a
        folder that is gone or has such a name.
    """
    text = os.fspath(given)
    if not text.strip():
        raise InputError(messages.PATH_EMPTY)
    _check(text)
    try:
        path = Path(text).expanduser()
    except RuntimeError as error:
        raise InputError(messages.PATH_HOME.format(path=one_line(text))) from error
    try:
        path = path.absolute()
    except OSError as error:
        raise InputError(messages.PATH_STARTED_GONE.format(path=one_line(text))) from error
    _check(str(path))
    return path


def _check(text: str) -> None:
    if not is_utf8(text):
        raise InputError(messages.PATH_NOT_UTF8.format(path=one_line(text)))
    if has_controls(text):
        raise InputError(messages.PATH_CONTROL.format(path=one_line(text)))
