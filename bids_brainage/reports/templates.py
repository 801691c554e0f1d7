"""Where the pages' templates lie, and how jinja2 reads them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parents[1] / "data" / "reports"


def template_environment(
    filters: Mapping[str, Callable[..., Any]], folder: str = "", strict: bool = True
) -> Environment:
    """Read templates so that all text is escaped.

    Parameters
    ----------
    filters : mapping of str to callable
        What templates may apply to values.
    folder : str
        Below `TEMPLATES`.
    strict : bool
        Whether a name that a template uses and nobody gave is an error; if not, it is empty.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, Undefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES / folder),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined if strict else Undefined,
    )
    environment.filters |= filters
    return environment
