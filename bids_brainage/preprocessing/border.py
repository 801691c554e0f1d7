"""What touches the border of an image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

SHELL = 2  # voxels


def border_values(data: NDArray[np.float32]) -> NDArray[np.float32]:
    """The values of the outermost two voxels on every side."""
    shell = np.ones(data.shape, dtype=bool)
    shell[SHELL:-SHELL, SHELL:-SHELL, SHELL:-SHELL] = False
    return data[shell]


def connected_with_border(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The face-connected parts of a mask that reach the border."""
    labels, _ = ndimage.label(mask)
    faces = [labels.take(side, axis) for axis in range(3) for side in (0, -1)]
    found = np.unique(np.concatenate([face.ravel() for face in faces]))
    return np.isin(labels, found[found > 0])
