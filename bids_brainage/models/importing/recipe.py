"""Recipes of published networks: those that come with the program, and a user's own."""

from __future__ import annotations

from functools import cache
from itertools import accumulate
from pathlib import Path

from pydantic import ValidationError

from bids_brainage import messages
from bids_brainage.errors import InputError
from bids_brainage.faults import first_fault
from bids_brainage.models.bundles.recipe import Recipe
from bids_brainage.quoting import one_line
from bids_brainage.reading import read_text
from bids_brainage.suggestions import suggestion

SHIPPED = Path(__file__).parents[2] / "data" / "recipes"
#: Bytes of a recipe; the shipped ones have 3 kB.
LARGEST_RECIPE = 30_000
#: Brackets within brackets; PyYAML's time grows with their square.
DEEPEST = 64
BRACKETS = {"[": 1, "{": 1, "]": -1, "}": -1}


@cache
def shipped_recipes() -> tuple[str, ...]:
    """The names of the recipes that come with the program."""
    return tuple(sorted(path.stem for path in SHIPPED.glob("*.yaml")))


def read_recipe(name: str | Path) -> Recipe:
    """A recipe that comes with the program, by its name, or a user's own, by its file.

    Raises
    ------
    InputError
        If there is none, or the file is not one. Nothing in it is executed.
    """
    if str(name) in shipped_recipes():
        return _read(SHIPPED / f"{name}.yaml")
    path = Path(name)
    if path.suffix.lower() not in (".yaml", ".yml"):
        names = ", ".join(shipped_recipes())
        hint = suggestion([str(name)], shipped_recipes())
        raise InputError(messages.RECIPE_UNKNOWN.format(name=one_line(name), hint=hint, names=names))
    return _read(path)


def _read(path: Path) -> Recipe:
    try:
        return Recipe.model_validate(_content(path))
    except OSError as error:
        reason = error.strerror or error
        raise InputError(messages.RECIPE_UNREADABLE.format(path=one_line(path), reason=reason)) from error
    except ValidationError as error:
        reason = str(first_fault(error))
        raise InputError(messages.RECIPE_FAULT.format(path=one_line(path), reason=reason)) from error
    except ValueError as error:
        reason = one_line(error)
        raise InputError(messages.RECIPE_FAULT.format(path=one_line(path), reason=reason)) from error


def _content(path: Path) -> object:
    """What a YAML file says that refers to no part of itself: a few lines could stand for gigabytes."""
    import yaml

    text = read_text(path, LARGEST_RECIPE)
    if max(accumulate(BRACKETS.get(letter, 0) for letter in text), default=0) > DEEPEST:
        raise ValueError("it is nested too deeply")
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=yaml.SafeLoader)):
            raise ValueError("it refers to parts of itself (*); write them out")
        content = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(error) from error
    if not isinstance(content, dict):
        raise ValueError("it must contain settings by name")
    return content
