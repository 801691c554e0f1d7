"""``bids_brainage_models recipes``: published networks that are known, and what must be known of each."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from bids_brainage.models.bundles.recipe import Recipe

#: What a licence's terms mean for who brings a network in.
TERMS = {
    "free": "free to use",
    "non-commercial": "not for commercial use; for your own use: do not pass a bundle on",
    "no-derivatives": "not for commercial use, nothing derived; for your own use: do not pass a bundle on",
    "unclear": "not stated clearly; ask the authors before you pass anything on",
}


def add_recipes(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to those of ``bids_brainage_models``."""
    recipes = actions.add_parser(
        "recipes",
        help="published networks that are known: their inputs, licences, errors and known problems",
        description="List the recipes of published networks, or show all that one says.",
    )
    recipes.set_defaults(work=show)
    recipes.add_argument(
        "recipe", nargs="?", metavar="RECIPE", help="name of one, or a .yaml file of your own (default: all)"
    )


def show(arguments: argparse.Namespace) -> int:
    """Print a table of all recipes, or the whole of one."""
    from rich.console import Console

    from bids_brainage.models.importing.recipe import read_recipe, shipped_recipes

    console = Console(highlight=False, markup=False)
    if arguments.recipe is None:
        console.print(_table([read_recipe(name) for name in shipped_recipes()]))
        console.print("bids_brainage_models recipes NAME shows known problems and the input, step by step.")
        return 0
    for title, text in _facts(read_recipe(arguments.recipe)):
        console.print(f"{title + ':':20}{text}", soft_wrap=True)
    return 0


def _table(recipes: list[Recipe]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("recipe", "sequence", "made of", "ages", "error", "licence of weights"):
        table.add_column(column, overflow="fold")
    for recipe in recipes:
        mae = "" if recipe.error.mae is None else f"{recipe.error.mae:.2f}"
        made = recipe.input.source
        table.add_row(recipe.name, recipe.input.modality, made, _ages(recipe), mae, recipe.licence.weights)
    return table


def _ages(recipe: Recipe) -> str:
    return "" if recipe.cohort.ages is None else "{:g} to {:g}".format(*recipe.cohort.ages)


def warnings_of(recipe: Recipe) -> list[tuple[str, str]]:
    """What whoever brings a network in must be told: what weights may be used for, and what goes wrong."""
    return [
        ("Licence of weights", f"{recipe.licence.weights} ({TERMS[recipe.licence.terms]})"),
        ("Published MAE", _error(recipe)),
        *[("Known problem", text) for text in recipe.problems],
    ]


def _error(recipe: Recipe) -> str:
    mae = "not given" if recipe.error.mae is None else f"{recipe.error.mae:g} years"
    return f"{mae} ({recipe.error.people})"


def _facts(recipe: Recipe) -> list[tuple[str, str]]:
    facts = [
        ("Recipe", f"{recipe.name}: {recipe.title}"),
        ("Paper", recipe.paper),
        ("Code", f"{recipe.source.repository}, as it was at {recipe.source.commit}"),
        ("Files", ", ".join(recipe.files)),
        ("Licence of code", recipe.licence.code),
        ("Of weights", f"{recipe.licence.weights} ({TERMS[recipe.licence.terms]})"),
        ("Trained on", f"{recipe.cohort.text}" + (f"; {_ages(recipe)} years" if recipe.cohort.ages else "")),
        ("Published MAE", _error(recipe)),
        ("LRP rule", recipe.composite),
    ]
    facts += [("Known problem", text) for text in recipe.problems]
    for name, value in recipe.input.model_dump(exclude_defaults=True).items():
        for step in value if isinstance(value, tuple) else (value,):
            facts.append((f"Input, {name}", _step(step)))
    return [fact for fact in facts if fact[1]]


def _step(value: object) -> str:
    if not isinstance(value, dict):
        return str(value)
    shown = {key: part for key, part in value.items() if part is not None and part != ()}
    return ", ".join(f"{key} {_number(part)}" for key, part in shown.items())


def _number(value: object) -> str:
    if isinstance(value, tuple):
        return " ".join(map(_number, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
