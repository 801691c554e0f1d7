"""What is known of a published network: who made it, what it takes in and gives out, what goes wrong.

A bundle that was made by a recipe keeps it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from bids_brainage.models.bundles.fields import Label, Name, Number, Record, Text
from bids_brainage.networks.architectures.named import ARCHITECTURES
from bids_brainage.networks.readouts import AnyReadout, LinearReadout
from bids_brainage.preprocessing.recipes.vocabulary import InputRecipe
from bids_brainage.relevance.composites import COMPOSITES
from bids_brainage.terms import OLDEST, PAPER_RULE

#: The paper's blocks, by the name of their authors' package.
BLOCKS = "mrinet"
MOST_TEXTS = 50
Age = Annotated[float, Field(ge=0, le=OLDEST)]
Texts = Annotated[tuple[Text, ...], Field(max_length=MOST_TEXTS)]
Names = Annotated[tuple[Name, ...], Field(max_length=MOST_TEXTS)]


class CodeSource(Record):
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


class Recipe(Record):
    """A published network: all but its weights.

    Attributes
    ----------
    name, title, paper : str
    source : CodeSource
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
    architecture : str
        One of `ARCHITECTURES`, or ``mrinet``: the paper's blocks, in a Keras file that describes them.
    output : LinearReadout, ExpectationReadout or CountReadout
        How what the network gives becomes years.
    ensemble : {"mean", "median"}
        What the authors make of several networks' ages.
    correction : AgeCorrection, optional
        What they subtract by the true age.
    composite : str
        The LRP rule that its maps have unless another is asked for.
    """

    name: Label
    title: Name
    paper: Text = ""
    source: CodeSource
    files: Names = ()
    licence: Licence
    cohort: Trained
    error: PublishedError
    problems: Texts = ()
    mistakes: Texts = ()
    input: InputRecipe
    architecture: Label
    output: AnyReadout = LinearReadout()
    ensemble: Literal["mean", "median"] = "mean"
    correction: AgeCorrection | None = None
    composite: Label = PAPER_RULE

    @model_validator(mode="after")
    def _known_architecture(self) -> Recipe:
        if self.architecture not in (known := sorted({*ARCHITECTURES, BLOCKS})):
            raise ValueError(f"there is no architecture {self.architecture}; choose from {', '.join(known)}")
        return self

    @model_validator(mode="after")
    def _known_rule(self) -> Recipe:
        if self.composite not in COMPOSITES:
            raise ValueError(f"there is no rule {self.composite}; choose from {', '.join(COMPOSITES)}")
        return self

    @model_validator(mode="after")
    def _one_channel(self) -> Recipe:
        if self.input.channels != 1:
            raise ValueError("networks of more than one channel are not read")
        return self
