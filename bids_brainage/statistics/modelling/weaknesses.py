"""Known weaknesses of what is asked, as sentences that stand beside the results."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bids_brainage import messages
from bids_brainage.quoting import one_line
from bids_brainage.statistics.design import Contrast
from bids_brainage.statistics.modelling.checks import asked_factors, correlation
from bids_brainage.statistics.modelling.columns import Column, PeopleTable, cell_text, number
from bids_brainage.statistics.modelling.contrasts import needs_flips
from bids_brainage.statistics.modelling.matrix import DesignMatrix
from bids_brainage.statistics.modelling.model import Settings
from bids_brainage.statistics.modelling.repeats import people_of
from bids_brainage.suggestions import some
from bids_brainage.terms import AGE

#: Columns that are made of the estimate, and so of the sum of a relevance map.
OF_THE_ESTIMATE = ("dba", "brain_age", "dba_corrected", "brain_age_corrected")
#: Fewer people than this find large effects alone.
FEW = 20
# Correlation with age that is told, if it is beyond chance as well.
_NOTABLE = 0.2


def known_weaknesses(
    table: PeopleTable, made: DesignMatrix, contrasts: Sequence[Contrast], settings: Settings
) -> list[str]:
    """Sentences on why results of a design must be read with care, by what it asks and of whom."""
    notes = []
    asked = list(dict.fromkeys(factor.column for factor in asked_factors(made, contrasts)))
    used = {column.name for column in made.sources.values()}
    if settings.values == "absolute" and any(
        needs_flips(made.matrix, contrast.weights) for contrast in contrasts
    ):
        notes.append(messages.WEAK_DESCRIPTIVE)
    estimates = [name for name in asked if name in OF_THE_ESTIMATE]
    if estimates:
        notes.append(messages.WEAK_SUM.format(columns=some(estimates, ", ")))
    ages = _ages(table, made.rows)
    if ages is not None:
        notes += _of_age(ages, [column for column in made.sources.values() if column.name in asked], used)
    count = len(set(people_of(table, made.rows).tolist()))
    if count < FEW:
        notes.append(messages.WEAK_FEW.format(n=count))
    return notes


def _ages(table: PeopleTable, rows: np.ndarray) -> np.ndarray | None:
    """The ages of the people, or None if some are not known or all are of one age."""
    if AGE not in table:
        return None
    texts = [cell_text(table[AGE][row]) for row in rows]
    ages = [number(text) for text in texts if text is not None]
    known = [age for age in ages if age is not None]
    return np.array(known) if len(known) == len(rows) and len(set(known)) > 1 else None


def _of_age(ages: np.ndarray, asked: Sequence[Column], used: set[str]) -> list[str]:
    """Sentences on columns that are asked for and go along with age."""
    notes = []
    for column in {column.name: column for column in asked}.values():
        if column.name.lower().startswith(AGE):
            continue
        r = _with_age(column, ages)
        facts = {"column": one_line(column.name), "r": f"{r:.2f}"}
        if column.name in OF_THE_ESTIMATE:
            sentence = messages.WEAK_REGRESSION if AGE in used else messages.WEAK_REGRESSION_LEFT
            notes.append(sentence.format(**facts))
        elif AGE not in used and abs(r) > max(_NOTABLE, 2 / np.sqrt(len(ages))):
            notes.append(messages.WEAK_AGE.format(**facts))
    return notes


def _with_age(column: Column, ages: np.ndarray) -> float:
    """The correlation of a column with age; of groups, that of their mean ages with age."""
    if column.kind == "numeric":
        return correlation(column.values, ages)
    groups = column.values.astype(int)
    means = np.bincount(groups, ages) / np.maximum(np.bincount(groups), 1)
    return correlation(means[groups], ages)
