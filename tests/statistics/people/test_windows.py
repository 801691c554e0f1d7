"""Windows over ages."""

from __future__ import annotations

import numpy as np
import pytest

from bids_brainage.errors import InputError
from bids_brainage.statistics.people.windows import sliding_windows, whole_range


def test_windows_begin_at_multiples_of_the_step_and_reach_the_oldest() -> None:
    found = sliding_windows(np.array([41.2, 60, 57.9, np.nan]), width=10, step=5)
    np.testing.assert_array_equal(found.lows, [40, 45, 50, 55])
    np.testing.assert_array_equal(found.highs, [50, 55, 60, 65])
    # A range that is narrower than a window has one.
    assert len(sliding_windows(np.array([41.0, 45]), width=10, step=5).lows) == 1


@pytest.mark.parametrize(("width", "step"), [(0, 1), (10, 0), (np.nan, 1), (10, -1)])
def test_windows_that_are_none_are_refused(width: float, step: float) -> None:
    with pytest.raises(InputError, match="above 0"):
        sliding_windows(np.array([30.0, 50]), width, step)


def test_the_whole_range_holds_the_oldest() -> None:
    found = whole_range(np.array([41.0, 60, np.nan]))
    assert found.lows[0] == 41
    assert found.highs[0] > 60
