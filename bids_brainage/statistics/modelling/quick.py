"""A design from a few words: what is asked for, and what it is controlled for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from bids_brainage import messages
from bids_brainage.errors import InputError
from bids_brainage.quoting import one_line
from bids_brainage.statistics.design import Design, Exchangeability
from bids_brainage.statistics.modelling.checks import check_design
from bids_brainage.statistics.modelling.columns import PeopleTable, read_column
from bids_brainage.statistics.modelling.contrasts import needs_flips, term_contrasts
from bids_brainage.statistics.modelling.factors import INTERCEPT, Factor, Term, distinct_terms
from bids_brainage.statistics.modelling.formula import parse_term
from bids_brainage.statistics.modelling.matrix import CONSTANT, design_matrix
from bids_brainage.statistics.modelling.model import GroupModel, Settings
from bids_brainage.statistics.modelling.weaknesses import known_weaknesses

_POWER = re.compile(r"(?P<base>.+?)\s*(\*\*|\^)\s*(?P<power>[2-5])\s*")


def quick_model(
    table: PeopleTable,
    contrast: str,
    covariates: Sequence[str] = (),
    rows: np.ndarray | None = None,
    settings: Settings | None = None,
    name: str = "",
) -> GroupModel:
    """Make the design of one question.

    Parameters
    ----------
    table : PeopleTable
    contrast : str
        A column, whose slope or group differences are asked for; ``intercept``, for the mean; or a term such
        as ``dba:sex``.
    covariates : sequence of str
        Columns and terms to control for, such as ``age``, ``age**2``, ``site``, ``C(scanner)``.
    rows : ndarray of int or None
        The rows that may take part; None for all.
    settings : Settings or None
    name : str
        Of the model; the contrast's if empty.

    Returns
    -------
    GroupModel
        Numbers are centred, so that the constant is the mean at average covariates. What an interaction or a
        power is made of is in the model beside it.

    Raises
    ------
    InputError
        If a word is no term, a column cannot be used, or the design cannot answer the question.
    """
    asked = read_term(table, contrast, rows)
    controlled = [read_term(table, word, rows) for word in covariates]
    if any(frozenset(term) == frozenset(asked) for term in controlled):
        raise InputError(messages.CONTRAST_IS_COVARIATE.format(name=one_line(contrast)))
    terms = distinct_terms([INTERCEPT, *with_lower_terms([*controlled, asked])])
    made = design_matrix(table, terms, rows)
    contrasts = tuple(term_contrasts(made, asked, term_name(asked)))
    settings = settings or Settings()
    notes = (
        *made.notes,
        *check_design(made, contrasts),
        *known_weaknesses(table, made, contrasts, settings),
    )
    flips = needs_flips(made.matrix, contrasts[0].weights)
    exchange = Exchangeability(permute=not flips, flip=flips)
    design = Design(made.matrix, made.columns, contrasts, exchange)
    return GroupModel(name or term_name(asked), design, made.rows, settings, notes)


def term_name(term: Term) -> str:
    """The name of what is asked, without centring and the like."""
    factors = [factor.column if factor.power == 1 else f"{factor.column}**{factor.power}" for factor in term]
    return ":".join(factors) or CONSTANT


def read_term(table: PeopleTable, word: str, rows: np.ndarray | None = None) -> Term:
    """A word's term; numbers are centred, and ``age**2`` is the square of the deviation from the mean.

    Raises
    ------
    InputError
        If it is no term, or names a column that cannot be used.
    """
    if word.strip() == CONSTANT:
        return INTERCEPT
    match = _POWER.fullmatch(word.strip())
    if match:
        base = parse_term(match["base"])
        if len(base) == 1 and base[0].transform is None:
            return (replace(base[0], transform="center", power=int(match["power"])),)
    return tuple(_centred(table, factor, rows) for factor in parse_term(word))


def _centred(table: PeopleTable, factor: Factor, rows: np.ndarray | None) -> Factor:
    """The factor, centred if it is a plain column of numbers."""
    plain = factor.transform is None
    if plain and read_column(table, factor.column, rows).kind == "numeric":
        return replace(factor, transform="center")
    return factor


def with_lower_terms(terms: Iterable[Term]) -> list[Term]:
    """Terms, before each what it is made of: lower powers, and parts of interactions."""
    found: list[Term] = []
    for term in terms:
        for factor in term:
            found += [(replace(factor, power=power),) for power in range(1, factor.power)]
        found += [part for size in range(1, len(term)) for part in combinations(term, size)]
        found.append(term)
    return sorted(found, key=len)
