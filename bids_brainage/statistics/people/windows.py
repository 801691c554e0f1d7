"""Windows that slide over the ages of people."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bids_brainage import messages
from bids_brainage.errors import InputError


@dataclass(frozen=True, eq=False)
class Windows:
    """Ranges of age: low <= age < high.

    Attributes
    ----------
    lows, highs : ndarray (windows,)
        Years.
    minimum : int
        People without whom a window is left out.
    """

    lows: np.ndarray
    highs: np.ndarray
    minimum: int


def sliding_windows(ages: np.ndarray, width: float = 10, step: float = 1, minimum: int = 20) -> Windows:
    """Windows that begin at multiples of `step` and cover the ages (n,) of people.

    Raises
    ------
    InputError
        Width or step is not above 0, or nobody has an age.
    """
    known = np.asarray(ages, float)[np.isfinite(ages)]
    if not (np.isfinite([width, step]).all() and width > 0 and step > 0 and len(known)):
        raise InputError(messages.WINDOWS_WRONG.format(width=width, step=step, n=len(known)))
    first = np.floor(known.min() / step)
    last = max(first, np.floor((known.max() - width) / step) + 1)
    lows = np.arange(first, last + 1) * step
    return Windows(lows, lows + width, minimum)


def whole_range(ages: np.ndarray, minimum: int = 5) -> Windows:
    """One window that holds everybody."""
    known = np.asarray(ages, float)[np.isfinite(ages)]
    ends = (known.min(), np.nextafter(known.max(), np.inf)) if len(known) else (0.0, 0.0)
    return Windows(np.array(ends[:1]), np.array(ends[1:]), minimum)
