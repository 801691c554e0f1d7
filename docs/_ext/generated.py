"""Directives whose Markdown is made from the program itself when the site is built.

``{options} MODULE:FUNCTION`` describes every option of a parser, ``{columns} FILE [TABLE]`` or
``{columns} MODULE:NAME`` the columns of a table.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module, resources
from typing import Any

import yaml
from command_lines import described
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective


class Generated(SphinxDirective):
    """A directive that stands for the Markdown that it makes."""

    has_content = False
    required_arguments = 1
    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Parse what was made as a part of the page."""
        lines = "\n".join(self.markdown()).splitlines()
        holder = nodes.container()
        source, _ = self.get_source_info()
        self.state.nested_parse(StringList(lines, source), self.content_offset, holder, match_titles=True)
        return holder.children

    def markdown(self) -> Iterator[str]:
        """Make the text."""
        raise NotImplementedError


class Options(Generated):
    """Every option of the parser that a function makes, by group and command."""

    def markdown(self) -> Iterator[str]:
        return described(_constant(self.arguments[0])())


class Columns(Generated):
    """The columns of a table: a data file of the package, or one table of it; or MODULE:NAME."""

    def markdown(self) -> Iterator[str]:
        place, *table = self.arguments
        columns = _constant(place) if ":" in place else _data(place)
        for name in table:
            columns = columns[name]
        yield "| column | meaning | unit |\n|---|---|---|"
        for name, about in columns.items():
            known = {"Description": about} if isinstance(about, str) else about
            yield f"| `{name}` | {known['Description']} | {known.get('Units', '')} |"


def _constant(place: str) -> Any:
    module, name = place.split(":")
    return getattr(import_module(module), name)


def _data(name: str) -> Any:
    return yaml.safe_load(resources.files("bids_brainage").joinpath("data", name).read_text(encoding="utf-8"))


def setup(app: Any) -> dict[str, bool]:
    """Register the directives."""
    app.add_directive("options", Options)
    app.add_directive("columns", Columns)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
