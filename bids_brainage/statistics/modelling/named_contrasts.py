"""Contrasts as a BIDS Stats Model names them: conditions and their weights."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from bids_brainage import messages
from bids_brainage.errors import InputError
from bids_brainage.quoting import one_line
from bids_brainage.statistics.design import Contrast
from bids_brainage.statistics.modelling.contrasts import level_weights, term_contrasts
from bids_brainage.statistics.modelling.factors import Term, term_text
from bids_brainage.statistics.modelling.matrix import CONSTANT, DesignMatrix
from bids_brainage.suggestions import some, suggestion

if TYPE_CHECKING:
    from bsmschema import models

_FRACTION = re.compile(r"[+-]?[0-9]{1,15}(\.[0-9]{1,15})?(/[0-9]{1,15})?")
_CONSTANTS = {1, "1", "Intercept", CONSTANT}


def named_contrasts(
    made: DesignMatrix, contrasts: Iterable[models.Contrast], dummies: models.DummyContrasts | None
) -> tuple[Contrast, ...]:
    """The contrasts of a design's columns that a file asks for.

    A condition is a column of the design; a level of a column of groups (``site[B]`` or ``site.B``), the
    reference as well; or 1 for the constant.

    Raises
    ------
    InputError
        If a condition is none of these, weights do not fit, are all zero or redundant, or two contrasts have
        one name.
    """
    found = [_contrast(made, contrast) for contrast in contrasts]
    if dummies is not None:
        found += _dummies(made, dummies)
    names = [contrast.name for contrast in found]
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice:
        raise InputError(messages.CONTRAST_TWICE.format(names=some(twice, ", ")))
    return tuple(found)


def _contrast(made: DesignMatrix, given: models.Contrast) -> Contrast:
    """A contrast of conditions."""
    rows = given.Weights if given.Weights and isinstance(given.Weights[0], list) else [given.Weights]
    weights = [[_weight(value, given.Name) for value in row] for row in rows]
    if any(len(row) != len(given.ConditionList) for row in weights):
        facts = {"name": one_line(given.Name), "n": len(given.ConditionList)}
        raise InputError(messages.CONTRAST_LENGTHS.format(**facts))
    conditions = [_condition(made, condition, given.Name) for condition in given.ConditionList]
    _check_references(made, given, np.array(weights))
    combined = np.array(weights) @ np.array(conditions).reshape(len(conditions), len(made.columns))
    if not len(combined) or np.linalg.matrix_rank(combined) < len(combined):
        raise InputError(messages.CONTRAST_REDUNDANT.format(name=one_line(given.Name)))
    if given.Test == "t" and len(combined) > 1:
        raise InputError(messages.CONTRAST_T_ROWS.format(name=one_line(given.Name), n=len(combined)))
    return Contrast(one_line(given.Name), combined, "F" if given.Test == "F" else "t")


def _weight(value: Any, name: str) -> float:
    """A weight: a number, or a fraction as text."""
    number = value
    if isinstance(value, str) and _FRACTION.fullmatch(value.strip()):
        numerator, _, denominator = value.strip().partition("/")
        number = float(numerator) / (float(denominator or 1) or math.nan)
    if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
        raise InputError(messages.CONTRAST_WEIGHT.format(name=one_line(name), value=one_line(value)))
    return float(number)


def _condition(made: DesignMatrix, condition: Any, name: str) -> np.ndarray:
    """The weights of the columns that a condition stands for."""
    known = _conditions(made)
    key = CONSTANT if condition in _CONSTANTS else str(condition)
    if key not in known:
        facts = {"name": one_line(name), "condition": one_line(condition), "hint": suggestion([key], known)}
        raise InputError(messages.CONTRAST_CONDITION.format(**facts, known=some(made.columns, ", ")))
    return known[key]


def _conditions(made: DesignMatrix) -> dict[str, np.ndarray]:
    """Weights by the names of columns and levels; names of columns take precedence."""
    unit = np.eye(len(made.columns))
    known: dict[str, np.ndarray] = {}
    for column, levels in _levels(made):
        for level, weights in levels.items():
            known |= dict.fromkeys(_forms(column, level), weights)
    return {**known, **{name: unit[place] for place, name in enumerate(made.columns)}}


def _levels(made: DesignMatrix) -> list[tuple[str, dict[str, np.ndarray]]]:
    """The weights of each level of columns of groups."""
    factors = [
        term[0] for term in made.terms if len(term) == 1 and made.sources[term[0]].kind == "categorical"
    ]
    return [
        (factor.column, dict(zip(made.sources[factor].levels, level_weights(made, factor), strict=True)))
        for factor in factors
    ]


def _check_references(made: DesignMatrix, given: models.Contrast, weights: np.ndarray) -> None:
    """Refuse a reference level, which has no column, unless levels are compared with each other."""
    names = [str(condition) for condition in given.ConditionList]
    for column, levels in _levels(made):
        forms = {form: level for level in levels for form in _forms(column, level)}
        own = np.array([name in forms for name in names])
        has_reference = any(name in forms and not levels[forms[name]].any() for name in names)
        if has_reference and not np.allclose(weights[:, own].sum(axis=1), 0):
            raise InputError(
                messages.CONTRAST_REFERENCE.format(name=one_line(given.Name), column=one_line(column))
            )


def _dummies(made: DesignMatrix, given: models.DummyContrasts) -> list[Contrast]:
    """A contrast for each term, level or column that is named, or for all terms."""
    terms: dict[str, Term] = {term_text(term): term for term in made.terms}
    found = []
    for each in terms if given.Contrasts is None else given.Contrasts:
        name = CONSTANT if each in _CONSTANTS else str(each)
        if name in terms:
            asked = term_contrasts(made, terms[name], name)
        else:
            asked = [Contrast(name, _condition(made, each, name)[None])]
        if given.Test == "F":
            found.append(replace(asked[0], name=name, statistic="F"))
        elif all(contrast.statistic == "F" for contrast in asked):
            raise InputError(messages.CONTRAST_T_ROWS.format(name=one_line(name), n=len(asked[0].weights)))
        else:
            found += [contrast for contrast in asked if contrast.statistic == "t"]
    return found


def _forms(column: str, level: str) -> tuple[str, ...]:
    """How a level is written."""
    return f"{column}[{level}]", f"{column}[T.{level}]", f"{column}.{level}"
