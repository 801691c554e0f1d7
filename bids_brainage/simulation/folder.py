"""A folder that one command writes, and continues only if it was begun in the same way."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bids_brainage import messages
from bids_brainage.atomic import write_text
from bids_brainage.errors import InputError
from bids_brainage.reading import MB, read_json


def begin_or_continue(record: Path, own: Mapping[str, Any], *, other: str, taken: str) -> None:
    """Write how a folder is begun, or check that it was begun so.

    Parameters
    ----------
    record : Path
        The JSON file in the folder that says it.
    own : mapping
        What it must say.
    other : str
        Sentence where it says something else; `path`, `there` and `own` are filled in.
    taken : str
        Sentence where the folder holds something else; `path` is filled in.

    Raises
    ------
    InputError
        With one of the sentences; or if the record cannot be read or written.
    """
    folder, wanted = record.parent, json.loads(json.dumps(own))
    try:
        if record.exists():
            there = read_json(record, MB)
            if there != wanted:
                raise InputError(other.format(path=folder, there=there, own=wanted))
            return
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise InputError(taken.format(path=folder))
        write_text(record, json.dumps(wanted, indent=2) + "\n")
    except ValueError as error:
        raise InputError(messages.SIMULATION_RECORD_BROKEN.format(path=record)) from error
    except OSError as error:
        raise InputError(
            messages.SIMULATION_NOT_WRITABLE.format(path=folder, reason=error.strerror)
        ) from error
