"""Where the pages' templates lie, and how jinja2 reads them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parents[1] / "data" / "reports"


def template_environment(filters: Mapping[str, Callable[..., Any]], folder: str = "") -> Environment:
    """Read templates so that all text is escaped, and a name that nobody gave is an error.

    Parameters
    ----------
    filters : mapping of str to callable
        What templates may apply to values.
    folder : str
        Below `TEMPLATES`.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES / folder),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= filters
    return environment
