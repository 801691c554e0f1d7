"""What each option of a run may be: one rule for what is typed, read from a file or given by a program.

A rule takes a value and returns it as the run has it (labels without their prefix, paths absolute, lists
without repetition), or raises ValueError with the reason why it cannot be used.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bids_brainage.errors import InputError
from bids_brainage.labels import is_label
from bids_brainage.paths import absolute_path
from bids_brainage.quoting import has_controls, is_utf8, one_line

Rule = Callable[[Any], Any]

_FILE_NAME = re.compile(r"[\w.-]*\w[\w.-]*")


def text(value: Any) -> str:
    """Text that can be written to a file."""
    if not isinstance(value, str):
        raise ValueError("text is expected")
    if not value.strip():
        raise ValueError("it is empty")
    if has_controls(value):
        raise ValueError("it holds control characters")
    if not is_utf8(value):
        raise ValueError("it is not text in UTF-8")
    return value


def path(value: Any) -> Path:
    """An absolute path, of a file or folder that need not be there."""
    if not isinstance(value, str | Path):
        raise ValueError("a path is expected")
    try:
        return absolute_path(value)
    except InputError as error:
        raise ValueError(error) from error


def name_or_path(value: Any) -> str:
    """A name, or the absolute path of what is given by its path."""
    given = text(value)
    return str(path(given)) if "/" in given or given.startswith("~") or given in (".", "..") else given


def file_name(value: Any) -> str:
    """A name that a folder can have."""
    if not _FILE_NAME.fullmatch(text(value)):
        raise ValueError("letters, digits, dots, hyphens and underscores are expected")
    return str(value)


def label(prefix: str) -> Rule:
    """A BIDS label, with or without its prefix; a folder's slash behind it does no harm."""

    def rule(value: Any) -> str:
        found = text(value).strip().rstrip("/").removeprefix(f"{prefix}-")
        if not is_label(found):
            raise ValueError(_no_label(text(value)))
        return found

    return rule


def labels(prefix: str) -> Rule:
    """Several BIDS labels; commas may stand between them."""
    rule = several(label(prefix))

    def checked(value: Any) -> tuple[str, ...]:
        items = [value] if isinstance(value, str) else value
        if not isinstance(items, (list, tuple)) or not all(isinstance(item, str) for item in items):
            return tuple(rule(items))
        parts = [part for item in items for part in text(item).split(",") if part.strip()]
        if items and not parts:
            raise ValueError("it is empty")  # no label at all would mean everybody
        return tuple(rule(parts))

    return checked


def _no_label(value: str) -> str:
    problem = f"{one_line(value)} is not a label, which has letters and digits only"
    if os.path.isfile(value.removeprefix("@")):  # noqa: PTH113 (Path.is_file fails for long names)
        problem += "; if it is a file of labels, write $(cat FILE)"
    return problem


def one_of(names: Sequence[str], aliases: Mapping[str, str] | None = None) -> Rule:
    """One of some names, or another word for one of them."""

    def rule(value: Any) -> str:
        found = (aliases or {}).get(text(value), value)
        if found not in names:
            raise ValueError(f"choose from {', '.join(names)}")
        return str(found)

    return rule


def several(rule: Rule, least: int = 0) -> Rule:
    """A list, in the order given, each once; a single text stands for a list of one."""

    def checked(value: Any) -> tuple[Any, ...]:
        items = [value] if isinstance(value, str) else value
        if not isinstance(items, (list, tuple)):
            raise ValueError("a list is expected")
        if len(items) < least:
            raise ValueError("it is empty")
        return tuple(dict.fromkeys(rule(item) for item in items))

    return checked


def whole(least: int, most: int | None = None) -> Rule:
    """A whole number, of at least `least` and at most `most`."""
    limits = f"at least {least}" if most is None else f"from {least} to {most}"

    def rule(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError("a whole number is expected")
        if value < least or (most is not None and value > most):
            raise ValueError(f"a whole number {limits} is expected")
        return value

    return rule


def number(least: float, most: float = math.inf) -> Rule:
    """A finite number of at least `least`, and at most `most`."""
    limits = f"at least {least:g}" if most == math.inf else f"from {least:g} to {most:g}"

    def rule(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError("a number is expected")
        if not (math.isfinite(value) and least <= value <= most):
            expected = f"of {limits}" if most == math.inf else limits
            raise ValueError(f"a number {expected} is expected")
        return float(value)

    return rule


def numbers(count: int, least: float) -> Rule:
    """So many finite numbers of at least `least`."""
    rule = number(least)

    def checked(value: Any) -> tuple[float, ...]:
        if not isinstance(value, (list, tuple)) or len(value) != count:
            raise ValueError(f"{count} numbers are expected")
        return tuple(rule(item) for item in value)

    return checked


def flag(value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise ValueError("true or false is expected")
    return value


def named_folders(value: Any) -> dict[str, Path]:
    """Folders by name."""
    if not isinstance(value, Mapping):
        raise ValueError("a table of names and paths is expected")
    return {text(name): path(folder) for name, folder in value.items()}


def optional(rule: Rule) -> Rule:
    """What `rule` takes, or nothing."""
    return lambda value: None if value is None else rule(value)
