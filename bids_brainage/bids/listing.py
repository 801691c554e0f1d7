"""What lies in the folders of a participant."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePath

from bids_brainage import messages
from bids_brainage.errors import InputError

#: Where a session's images lie; what lies elsewhere is a copy, or somebody's own.
IMAGE_FOLDERS = ("anat", "swi")


def names_in(folder: Path) -> list[str]:
    """List a folder; a missing one has no entries.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise InputError(messages.NOT_READABLE.format(path=folder, reason=error.strerror)) from error


def image_places(root: Path, participant: str) -> Iterator[PurePath]:
    """Give the places in the dataset of what lies in a participant's ``anat`` and ``swi`` folders, sorted."""
    person = PurePath(f"sub-{participant}")
    sessions = [name for name in names_in(root / person) if name.startswith("ses-")]
    for folder in (person, *(person / session for session in sorted(sessions))):
        for place in (folder / name for name in IMAGE_FOLDERS):
            yield from (place / name for name in sorted(names_in(root / place)))
