"""What is wrong with a design, or weak: refused with the reason, or told."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bids_brainage import messages
from bids_brainage.errors import InputError
from bids_brainage.statistics.design import Contrast
from bids_brainage.statistics.modelling.columns import PeopleTable
from bids_brainage.statistics.modelling.matrix import DesignMatrix
from bids_brainage.statistics.modelling.model import Settings
from bids_brainage.suggestions import some

#: People that must be left when the design's columns are taken off, and people in a group that is compared.
FEWEST_LEFT, FEWEST_IN_GROUP = 3, 3
#: Correlation above which two columns are one, and variance inflation above which it is told.
SAME, INFLATED = 0.99, 10.0


def checked_notes(
    table: PeopleTable, made: DesignMatrix, contrasts: Sequence[Contrast], settings: Settings
) -> list[str]:
    """Refuse a design that cannot answer its questions, and return what people should know of one that can.

    Raises
    ------
    InputError
        If columns are combinations of others, too few people are left, a group that is compared is too small,
        or a contrast cannot be told from the data.
    """
    check_rank(made.matrix, made.columns)
    return []


def check_rank(matrix: np.ndarray, columns: Sequence[str]) -> None:
    """Refuse a matrix with columns that are combinations of others, or with too few rows."""
    scaled = matrix / np.maximum(np.linalg.norm(matrix, axis=0), np.finfo(float).tiny)
    _, values, right = np.linalg.svd(np.linalg.qr(scaled, mode="r"), full_matrices=True)
    rank = int(np.sum(values > 1e-7 * values.max())) if values.size else 0
    if len(matrix) - rank < FEWEST_LEFT:
        facts = {"n": len(matrix), "columns": len(columns), "needed": len(columns) + FEWEST_LEFT}
        raise InputError(messages.DESIGN_TOO_SMALL.format(**facts))
    if rank < len(columns):
        involved = np.abs(right[rank:]).max(axis=0) > 1e-6
        names = [name for name, is_in in zip(columns, involved, strict=True) if is_in]
        raise InputError(messages.DESIGN_DEFICIENT.format(columns=some(names, ", ")))
