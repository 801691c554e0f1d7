"""A bar on the console for what takes minutes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

Item = TypeVar("Item")


def progress(items: Iterator[Item], total: int) -> Iterator[Item]:
    """Pass things on as they are done, and show how many are."""
    from rich.console import Console
    from rich.progress import track

    yield from track(items, description="Working", total=total, console=Console(stderr=True))
