"""An argument parser in words: Markdown with a Sphinx option for each, so that all can be linked to."""

from __future__ import annotations

import argparse
from collections.abc import Iterator


def described(parser: argparse.ArgumentParser, depth: int = 3) -> Iterator[str]:
    """Describe a parser, its groups of options and, one level below, its commands.

    Parameters
    ----------
    parser : argparse.ArgumentParser
    depth : int
        Of the headings of groups.

    Yields
    ------
    str
        Markdown.
    """
    yield f"```{{program}} {parser.prog}\n```\n"
    formatter = parser._get_formatter()
    for group in parser._action_groups:
        actions = [action for action in group._group_actions if not isinstance(action, argparse._HelpAction)]
        listed = [action for action in actions if not isinstance(action, argparse._SubParsersAction)]
        if listed and group.title in ("positional arguments", "options"):
            yield ""
        elif listed:
            yield f"{'#' * depth} {group.title}\n"
        for action in listed:
            yield _described(action, formatter)
        for action in actions:
            if isinstance(action, argparse._SubParsersAction):
                yield from _commands(action, depth)


def _commands(action: argparse._SubParsersAction, depth: int) -> Iterator[str]:
    helps = {choice.dest: choice.help for choice in action._choices_actions}
    for name, parser in action.choices.items():
        yield f"{'#' * depth} `{parser.prog}`\n"
        yield f"{_sentence(helps[name] or '')}\n"
        yield from described(parser, depth + 1)


def _described(action: argparse.Action, formatter: argparse.HelpFormatter) -> str:
    """One option; what stands without dashes is a definition."""
    helped = _sentence(formatter._expand_help(action) if action.help else "")
    if not action.option_strings:
        return f"`{formatter._format_args(action, action.dest)}`\n: {helped}\n"
    values = ""
    if action.nargs != 0:
        values = " " + formatter._format_args(action, action.dest.upper())
    names = ", ".join(name + values for name in action.option_strings)
    return f"````{{option}} {names}\n{helped}\n````\n"


def _sentence(text: str) -> str:
    """A help text as a sentence, its odd letters as themselves."""
    for letter in "*_<>[]{}":
        text = text.replace(letter, "\\" + letter)
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?")) else ".")
