"""Formulas of columns. Nothing in a formula is ever evaluated as code.

Libraries for formulas evaluate calls and braces as Python. Here a formula is read by a grammar of its own
into terms of columns and named transforms; libraries see those alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from bids_brainage import messages
from bids_brainage.errors import InputError
from bids_brainage.quoting import one_line
from bids_brainage.statistics.modelling.factors import INTERCEPT, Term
from bids_brainage.statistics.modelling.grammar import Parser


@dataclass(frozen=True)
class Formula:
    """The terms of a model.

    Attributes
    ----------
    text : str
        As it was written, for sentences.
    terms : tuple of Term
        Each a product of factors; `INTERCEPT` among them unless it was taken out.
    says_intercept : bool
        Whether 0 or 1 was written.
    """

    text: str
    terms: tuple[Term, ...]
    says_intercept: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it uses."""
        return tuple(dict.fromkeys(factor.column for term in self.terms for factor in term))


def parse_formula(text: str) -> Formula:
    """Read a formula in Wilkinson's notation (Wilkinson & Rogers 1973), as R and patsy have it.

    It may contain names of columns (odd ones in backticks), ``+ - : * ( ) 0 1``, whole powers of sums (``**``
    or ``^``), powers of columns as ``I(age**2)``, and the transforms of `TRANSFORMS` with literal arguments.
    The intercept is included unless it is taken out by ``0 +`` or ``- 1``.

    Raises
    ------
    InputError
        If there is anything else in it.
    """
    parser = Parser(text)
    terms = parser.formula()
    terms = terms if parser.says_intercept else [INTERCEPT, *terms]
    if not terms:
        raise InputError(messages.FORMULA_EMPTY.format(formula=one_line(text)))
    return Formula(text, tuple(sorted(terms, key=len)), parser.says_intercept)


def parse_term(text: str) -> Term:
    """Read one term, such as ``age``, ``C(site)`` or ``age:sex``.

    Raises
    ------
    InputError
        See `parse_formula`; or if it is no single term.
    """
    formula = parse_formula(text)
    terms = [term for term in formula.terms if term != INTERCEPT]
    if len(terms) != 1 or formula.says_intercept:
        raise InputError(messages.FORMULA_NO_TERM.format(formula=one_line(text)))
    return terms[0]
