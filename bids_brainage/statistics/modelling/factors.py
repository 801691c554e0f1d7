"""Terms of a model: products of columns, as they are or transformed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bids_brainage.statistics.modelling.transforms import Literal


@dataclass(frozen=True)
class Factor:
    """A column, as it is or transformed.

    Attributes
    ----------
    column : str
    transform : str or None
        A name in `TRANSFORMS`.
    arguments : tuple of literals
        The transform's arguments, in the order of its parameters.
    power : int
        The power to which the column or its transform is raised.
    """

    column: str
    transform: str | None = None
    arguments: tuple[Literal, ...] = ()
    power: int = 1

    def __str__(self) -> str:
        """Name the factor as one would write it."""
        given = [str(argument) for argument in self.arguments if argument is not None]
        base = f"{self.transform}({', '.join([self.column, *given])})" if self.transform else self.column
        return f"I({base}**{self.power})" if self.power > 1 else base


Term = tuple[Factor, ...]
#: The term of the constant, whose coefficient is the mean.
INTERCEPT: Term = ()


def term_text(term: Term) -> str:
    """Name a term as one would write it."""
    return ":".join(str(factor) for factor in term) or "intercept"


def distinct_terms(terms: Iterable[Term]) -> list[Term]:
    """Each term once, the first, whatever the order of its factors."""
    by_factors: dict[frozenset[Factor], Term] = {}
    for term in terms:
        by_factors.setdefault(frozenset(term), term)
    return list(by_factors.values())


def crossed_terms(terms: Iterable[Term], others: Sequence[Term]) -> list[Term]:
    """The interactions of each term with each of the others."""
    return distinct_terms(tuple(dict.fromkeys(term + other)) for term in terms for other in others)
