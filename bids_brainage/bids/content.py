"""Whether a file's content is on this machine: git-annex and Git LFS leave links and pointers instead."""

from __future__ import annotations

from pathlib import Path

from bids_brainage import messages
from bids_brainage.errors import InputError
from bids_brainage.reading import read_bytes

_POINTERS = (b"/annex/objects/", b"version https://git-lfs")
_LONGEST_POINTER = 1000


def is_elsewhere(path: Path) -> bool:
    """Whether `path` is a link to nothing, or a file that only says where its content is."""
    if path.is_symlink() and not path.exists():
        return True
    try:
        return read_bytes(path, _LONGEST_POINTER).startswith(_POINTERS)
    except OSError:
        return False


def check_here(path: Path) -> None:
    """Raise InputError if the content of `path` is elsewhere; a file that is not there at all is none."""
    if is_elsewhere(path):
        raise InputError(messages.FILE_NOT_HERE.format(path=path))
