"""Who may be exchanged with whom: all people, within blocks, or blocks as wholes."""

from __future__ import annotations

from collections import Counter
from typing import Literal

import numpy as np

from bids_brainage import messages
from bids_brainage.errors import InputError
from bids_brainage.quoting import one_line
from bids_brainage.statistics.design import Exchangeability
from bids_brainage.statistics.modelling.columns import PeopleTable, cell_text, read_column
from bids_brainage.suggestions import some

#: Observations are exchanged within blocks, or blocks as wholes.
Exchange = Literal["within", "whole"]


def exchangeability(
    table: PeopleTable, rows: np.ndarray, flip: bool, column: str | None = None, exchange: Exchange = "within"
) -> tuple[Exchangeability, list[str]]:
    """How the errors of people may be rearranged, and sentences on blocks (Winkler et al. 2014, 2015).

    Parameters
    ----------
    table : PeopleTable
    rows : ndarray of int, shape (n,)
        The rows that take part, in order; of each block in the order in which wholes are laid on each other.
    flip : bool
        Signs are flipped instead of errors exchanged.
    column : str or None
        Whose levels are the blocks, such as ``participant_id`` or ``site``; None if all are one block.
    exchange : {"within", "whole"}

    Raises
    ------
    InputError
        If the column makes no blocks, or no two blocks are of a size where they are exchanged as wholes.
    """
    if column is None:
        return Exchangeability(permute=not flip, flip=flip), []
    names = [cell_text(table[column][row]) or "" for row in rows]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    blocks = np.array([numbers[name] for name in names], dtype=np.intp)
    sizes = np.bincount(blocks)
    if exchange == "within" and sizes.max() == 1:
        raise InputError(messages.BLOCKS_OF_ONE.format(column=one_line(column)))
    notes = [_told_sizes(column, sizes)] if exchange == "whole" and not flip and len(set(sizes)) > 1 else []
    if exchange == "whole" and not flip and max(Counter(sizes.tolist()).values()) == 1:
        raise InputError(messages.BLOCKS_ALL_UNEQUAL.format(column=one_line(column)))
    return Exchangeability(not flip, flip, blocks, exchange == "within", exchange == "whole"), notes


def _told_sizes(column: str, sizes: np.ndarray) -> str:
    """The sentence on blocks of unequal size."""
    counts = sorted(Counter(sizes.tolist()).items())
    told = some([f"{n} of {size}" for size, n in counts], ", ")
    return messages.BLOCKS_UNEQUAL.format(column=one_line(column), sizes=told)


def in_blocks(table: PeopleTable, rows: np.ndarray, column: str) -> np.ndarray:
    """Rows that are in a block.

    Raises
    ------
    InputError
        If there is no such column, or all are in one block.
    """
    if column not in table:
        read_column(table, column)
    names = [cell_text(table[column][row]) for row in rows]
    if len({name for name in names if name is not None}) < 2:
        raise InputError(messages.BLOCKS_ONE.format(column=one_line(column)))
    return rows[[name is not None for name in names]]
