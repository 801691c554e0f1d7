"""A folder for outside programs to write to; a full disk is reported as such, whatever they say."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile

ROOM = 2**26  # bytes that must be free after a failure if the disk is not to blame


@contextmanager
def scratch(beside: Path | None) -> Iterator[Path]:
    """Give a temporary folder inside another one; remove it at the end.

    Parameters
    ----------
    beside : Path or None
        Where results are kept (made if missing): what fits in one fits in the other, and a file can be
        moved there by renaming. None: the system's temporary folder.

    Raises
    ------
    OSError
        Instead of any other error from inside, if the disk is full or cannot be written to.
    """
    if beside is not None:
        beside.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".scratch-", dir=beside) as folder:
        try:
            yield Path(folder)
        except Exception:
            _check_room(Path(folder))
            raise


def _check_room(folder: Path) -> None:
    """Try to use `ROOM` bytes."""
    try:
        with TemporaryFile(dir=folder) as file:
            os.posix_fallocate(file.fileno(), 0, ROOM)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(folder.parent)) from error
