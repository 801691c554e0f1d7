"""Exchangeability blocks."""

from __future__ import annotations

import numpy as np
import pytest

from bids_brainage.errors import InputError
from bids_brainage.statistics.modelling.blocks import exchangeability, in_blocks
from bids_brainage.statistics.modelling.columns import Cell

TABLE: dict[str, list[Cell]] = {
    "participant_id": ["b", "a", "b", "a", "c", None],
    "site": ["1", "1", "2", "2", "1", "2"],
    "same": ["x"] * 6,
}


def test_blocks_of_people() -> None:
    rows = in_blocks(TABLE, np.arange(6), "participant_id")
    np.testing.assert_array_equal(rows, range(5))
    exchange, notes = exchangeability(TABLE, rows, False, "participant_id")
    assert exchange.blocks is not None
    np.testing.assert_array_equal(exchange.blocks, [0, 1, 0, 1, 2])
    assert exchange.within
    assert not exchange.whole
    assert not notes


def test_wholes_of_unequal_size_are_told() -> None:
    rows = np.arange(5)
    exchange, (note,) = exchangeability(TABLE, rows, False, "participant_id", "whole")
    assert exchange.whole
    assert not exchange.within
    assert "1 of 1, 2 of 2" in note
    # Signs are flipped whatever the size.
    flipped, notes = exchangeability(TABLE, rows, True, "participant_id", "whole")
    assert flipped.flip
    assert not notes


def test_what_makes_no_blocks_is_refused() -> None:
    with pytest.raises(InputError, match="No two blocks"):
        exchangeability(TABLE, np.array([0, 1, 2]), False, "participant_id", "whole")
    with pytest.raises(InputError, match="one row"):
        exchangeability(TABLE, np.array([0, 1, 4]), False, "participant_id")
    with pytest.raises(InputError, match="does not divide"):
        in_blocks(TABLE, np.arange(6), "same")
    with pytest.raises(InputError, match="did you mean site"):
        in_blocks(TABLE, np.arange(6), "sites")


def test_no_blocks() -> None:
    exchange, notes = exchangeability(TABLE, np.arange(6), False)
    assert (exchange.permute, exchange.flip, exchange.blocks, notes) == (True, False, None, [])
