"""MP2RAGE images (UNI, UNIT1): where there is no signal they show noise as bright as any tissue.

Their values are quotients of two images, from -0.5 to 0.5 or stretched to integers; where both are noise the
quotient is distributed evenly over that range. So noise is recognised by how much neighbours differ.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from bids_brainage.preprocessing.border import connected_with_border

CORNER = 8  # part of each side
WINDOW = 3  # voxels
NOISY = 0.2  # of the range: standard deviation nearby; evenly distributed noise has 0.29
SMOOTH = 0.16  # of it: tissue has less in some window around each voxel
NECK = 2  # voxels: noise does not reach into the head through narrower gaps


def remove_uniform_noise(data: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """Shift an MP2RAGE image to values above zero, and set the noise around the head to zero.

    Parameters
    ----------
    data : ndarray (x, y, z)

    Returns
    -------
    ndarray or None
        None if the corners of the image do not hold such noise.
    """
    low, high = np.percentile(data, (0.1, 99.9))
    size = float(high - low)
    if not _noisy_corners(data, size):
        return None
    tissue = ndimage.minimum_filter(_deviation(data), WINDOW) < SMOOTH * size
    tissue = ndimage.binary_opening(tissue, iterations=1)
    outside = _reached_from_border(~tissue)
    return np.where(outside, np.float32(0), data - data.min())


def _noisy_corners(data: NDArray[np.float32], size: float) -> bool:
    """Whether most of the corners vary as noise over the whole range does."""
    reach = [max(length // CORNER, WINDOW) for length in data.shape]
    sides = [(slice(None, length), slice(-length, None)) for length in reach]
    corners = [data[x, y, z] for x in sides[0] for y in sides[1] for z in sides[2]]
    noisy = [float(np.median(_deviation(corner))) > NOISY * size for corner in corners]
    return sum(noisy) > len(noisy) / 2


def _deviation(data: NDArray[np.float32]) -> NDArray[np.float32]:
    """Standard deviation in a window around each voxel."""
    centred = data - data.mean()
    mean = ndimage.uniform_filter(centred, WINDOW)
    square = ndimage.uniform_filter(centred**2, WINDOW)
    return np.sqrt(np.maximum(square - mean**2, 0))


def _reached_from_border(free: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """What can be reached from the border of the image through gaps wider than `NECK`."""
    padded = np.pad(free, NECK + 1, constant_values=True)
    wide = connected_with_border(ndimage.binary_erosion(padded, iterations=NECK, border_value=1))
    reached = ndimage.binary_dilation(wide, iterations=NECK, mask=padded)
    inner = slice(NECK + 1, -NECK - 1)
    return reached[inner, inner, inner]
