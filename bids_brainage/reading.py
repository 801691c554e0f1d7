"""Files of others, read so that none of them can hang the program or fill its memory."""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path
from typing import Any

MB = 1_000_000
#: Levels of lists and objects in JSON; what is written for people to read has few.
DEEPEST = 64


def read_bytes(path: Path, limit: int) -> bytes:
    """The content of a regular file.

    Parameters
    ----------
    path : Path
    limit : int
        Bytes that it may have at most.

    Raises
    ------
    OSError
        It cannot be read, is larger, or is not a regular file: opening a FIFO waits for somebody to write,
        and a device has no end. `strerror` says which, to stand in a sentence.
    """
    check_regular(path)
    # Should it become a FIFO between the two lines, opening it does not wait.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        if size > limit:
            raise OSError(errno.EFBIG, f"it is larger than {limit / MB:g} MB", str(path))
        content = stream.read(size + 1)
    if len(content) != size:
        raise OSError(errno.EIO, "it changed while it was read", str(path))
    return content


def check_regular(path: Path) -> None:
    """Raise OSError unless `path` is a regular file, or a link to one; it is not opened."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))


def read_text(path: Path, limit: int) -> str:
    """The text of a regular file in UTF-8, with or without a byte order mark.

    Raises
    ------
    OSError
        See `read_bytes`.
    ValueError
        It is not UTF-8.
    """
    return read_bytes(path, limit).decode("utf-8-sig")


def read_json(path: Path, limit: int) -> Any:
    """What a JSON file says.

    Raises
    ------
    OSError
        See `read_bytes`.
    ValueError
        It is not JSON in UTF-8, or is nested too deeply.
    """
    text = read_text(path, limit)
    try:
        content = json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if _deeper_than(content, DEEPEST):
        raise ValueError("it is nested too deeply")
    return content


def read_yaml_mapping(path: Path, limit: int) -> dict[str, Any]:
    """What a YAML file of settings by name says; only plain data, nothing in it is executed.

    Raises
    ------
    OSError
        See `read_bytes`.
    ValueError
        It is not such a file.
    """
    import yaml

    try:
        content = yaml.safe_load(read_text(path, limit))
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(error) from error
    if not isinstance(content, dict):
        raise ValueError("it must contain settings by name")
    return content


def _deeper_than(content: Any, most: int) -> bool:
    """Whether lists and objects are nested in more than `most` levels."""
    level = [content] if isinstance(content, dict | list) else []
    for _ in range(most):
        level = [
            child
            for item in level
            for child in (item.values() if isinstance(item, dict) else item)
            if isinstance(child, dict | list)
        ]
    return bool(level)
