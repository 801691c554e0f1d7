"""What is known of a published network: who made it, what it takes in and gives out, what goes wrong."""

from __future__ import annotations

from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError, model_validator

from bids_brainage import messages
from bids_brainage.errors import InputError
from bids_brainage.faults import first_fault
from bids_brainage.models.bundles.schema import Label, Name, Number, Record, Text
from bids_brainage.preprocessing.recipes.vocabulary import InputRecipe
from bids_brainage.quoting import one_line
from bids_brainage.reading import read_text
from bids_brainage.suggestions import suggestion
from bids_brainage.terms import OLDEST

SHIPPED = Path(__file__).parents[2] / "data" / "recipes"
#: Bytes of a recipe; the shipped ones have 3 kB.
LARGEST_RECIPE = 30_000
#: Brackets within brackets; PyYAML's time grows with their square.
DEEPEST = 64
BRACKETS = {"[": 1, "{": 1, "]": -1, "}": -1}
MOST_TEXTS = 50
Age = Annotated[float, Field(ge=0, le=OLDEST)]
Texts = Annotated[tuple[Text, ...], Field(max_length=MOST_TEXTS)]
Names = Annotated[tuple[Name, ...], Field(max_length=MOST_TEXTS)]


class Source(Record):
    """Where the authors' code is, as it was read."""

    repository: Name
    commit: Annotated[str, Field(pattern=r"^[0-9a-f]{7,40}$")]


class Licence(Record):
    """What may be done with code and weights."""

    code: Name
    weights: Name
    terms: Literal["free", "non-commercial", "no-derivatives", "unclear"]


class Trained(Record):
    """Whom a network learned from."""

    text: Text
    n: Annotated[int, Field(gt=0, le=10**9)] | None = None
    ages: tuple[Age, Age] | None = None
    datasets: Names = ()

    @model_validator(mode="after")
    def _ascending(self) -> Trained:
        if self.ages and self.ages[0] >= self.ages[1]:
            raise ValueError("ages need the youngest first")
        return self


class PublishedError(Record):
    """The mean absolute error (years) that the authors give, and on whom; null where they give none."""

    mae: Annotated[float, Field(gt=0, le=OLDEST)] | None
    people: Text


class AgeCorrection(Record):
    """What authors subtract, by the true age; recorded, never applied."""

    slope: Number
    intercept: Number


class _Output(Record):
    ensemble: Literal["mean", "median"] = "mean"
    correction: AgeCorrection | None = None


class LinearOutput(_Output):
    """Age = output x scale + offset, within limits."""

    decoding: Literal["linear"]
    scale: Annotated[float, Field(gt=0, le=1000)] = 1.0
    offset: Number = 0.0
    low: Number | None = None
    high: Number | None = None

    @model_validator(mode="after")
    def _ascending(self) -> LinearOutput:
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError("low must be below high")
        return self


class ExpectationOutput(_Output):
    """Age = mean of ages under the softmax of the outputs; `label_sd` is that of the labels in training."""

    decoding: Literal["expectation"]
    first: Number
    step: Annotated[float, Field(gt=0, le=50)] = 1.0
    n: Annotated[int, Field(ge=3, le=1000)]
    label_sd: Annotated[float, Field(gt=0, le=50)] | None = None


class CountOutput(_Output):
    """Age = first + how many outputs' sigmoids exceed the threshold."""

    decoding: Literal["count"]
    first: Number
    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5
    n: Annotated[int, Field(ge=2, le=1000)]


Output = Annotated[LinearOutput | ExpectationOutput | CountOutput, Field(discriminator="decoding")]


Parameter = int | float | Name | Annotated[tuple[int | float, ...], Field(max_length=MOST_TEXTS)]


class Architecture(Record):
    """The network, by the name and the parameters that the program knows it by."""

    name: Label
    parameters: Annotated[dict[Label, Parameter], Field(max_length=MOST_TEXTS, default_factory=dict)]


class Tensors(Record):
    """How a file is known: its kind, what its names begin with, how many tensors it has, one of them."""

    format: Literal["torch", "safetensors", "keras-weights", "keras-model"]
    prefix: Name = ""
    n: Annotated[int, Field(gt=0, le=100_000)] | None = None
    like: Name | None = None


class Recipe(Record):
    """A published network: all but its weights.

    Attributes
    ----------
    name, title, paper : str
    source : Source
    files : tuple of str
        What the authors call the files, for people.
    licence : Licence
    cohort : Trained
    error : PublishedError
    problems : tuple of str
        What is known to go wrong; told at import and on the page.
    mistakes : tuple of str
        Likely causes of ages that do not fit, told where a user's people show that they do not.
    input : InputRecipe
    architecture : Architecture
    output : LinearOutput, ExpectationOutput or CountOutput
    tensors : Tensors
    composite : str
        The LRP rule that its maps have unless another is asked for.
    """

    name: Label
    title: Name
    paper: Text = ""
    source: Source
    files: Names = ()
    licence: Licence
    cohort: Trained
    error: PublishedError
    problems: Texts = ()
    mistakes: Texts = ()
    input: InputRecipe
    architecture: Architecture
    output: Output
    tensors: Tensors
    composite: Label = "preset-a"


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
