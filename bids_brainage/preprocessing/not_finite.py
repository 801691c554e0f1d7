"""NaN and infinite values: outside the head they stand for zero, inside it something is missing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bids_brainage.preprocessing.border import connected_with_border

TOLERATED = 0.01  # part of the voxels inside
HEAD = 0.1  # of the 98th percentile: brighter is tissue
FLAT_CUT = 0.35  # part of the tissue's outline that lies in one slice: rounded outlines have up to 0.15


def zero_not_finite(data: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """Set NaN and infinite values to zero where nothing of the head can have been.

    Parameters
    ----------
    data : ndarray (x, y, z)

    Returns
    -------
    ndarray or None
        None if a part of the head has no values: more than `TOLERATED` of what is not connected with the
        border, the middle of the image, or a flat piece.
    """
    bad = ~np.isfinite(data)
    outside = connected_with_border(bad)
    inside = bad & ~outside
    zeroed = np.where(bad, np.float32(0), data)
    rest = bad.size - int(outside.sum())
    if inside.sum() > TOLERATED * rest or rest == 0:
        return None
    few = bad.sum() <= TOLERATED * bad.size
    if few or not (_lacks_the_middle(bad) or _cuts_flat(outside, zeroed)):
        return zeroed
    return None


def _lacks_the_middle(bad: NDArray[np.bool_]) -> bool:
    """Whether half of the middle eighth of the image has no values."""
    middle = tuple(slice(length // 4, length - length // 4) for length in bad.shape)
    return bool(bad[middle].mean() > 0.5)


def _cuts_flat(outside: NDArray[np.bool_], data: NDArray[np.float32]) -> bool:
    """Whether a slice shows much tissue right beside one without values: a round head ends bit by bit."""
    tissue = data > HEAD * np.percentile(data[~outside], 98)
    for axis in range(3):
        for here, beside in ((slice(None, -1), slice(1, None)), (slice(1, None), slice(None, -1))):
            inner = np.moveaxis(tissue, axis, 0)[here]
            outer = np.moveaxis(outside, axis, 0)[beside]
            area = np.moveaxis(tissue, axis, 0).any(axis=0).sum()
            if (inner & outer).sum(axis=(1, 2)).max() > FLAT_CUT * area:
                return True
    return False
