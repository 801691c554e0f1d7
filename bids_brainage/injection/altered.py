"""A head after a change: its images, and the truth about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bids_brainage import messages
from bids_brainage.errors import ImageError
from bids_brainage.injection.change import Change
from bids_brainage.injection.head import Head

Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Altered:
    """What a change makes of a head.

    Attributes
    ----------
    images : dict of str to ndarray
        Of the sequences that show it, by modality.
    weight : ndarray
        The share of each voxel that has changed: the truth.
    available_ml : float
        Volume of what could have changed.
    """

    images: dict[str, Array]
    weight: Array
    available_ml: float


def threshold_for(amount: Callable[[float], float], wanted: float, low: float, high: float) -> float:
    """Where a function that does not rise reaches `wanted`, by halving."""
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if amount(middle) > wanted else (low, middle)
    return (low + high) / 2


def refuse(head: Head, change: Change, fits: float) -> ImageError:
    """Why a dose does not fit, and which does."""
    unit = "" if change.of_kind.unit == "share" else f" {change.of_kind.unit}"
    # Rounded down: what is said to fit must do so.
    fits = np.floor(fits * 1000) / 1000
    return ImageError(
        messages.INJECT_DOES_NOT_FIT.format(name=head.name, change=change, fits=f"{fits:g}{unit}")
    )
