"""Fluid at the surface of a brain mask: programs that find brains differ in how much of it they include."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

SMOOTHING = 1.0  # voxels of the T1w grid, 1 mm
FLUID = 0.45  # of the white matter on T1w: darker is fluid; grey matter has 0.65 to 0.75
BRIDGED = 8.0  # mm; half the width of fissures that the hull bridges
FLUID_ITSELF = 0.2  # of the white matter on T1w


def without_fluid(
    t1w: NDArray[np.float32], mask: NDArray[np.bool_], white: float, depth: float
) -> NDArray[np.bool_]:
    """Take dark voxels that are connected with the outside off a brain mask, down to a depth.

    Depth counts from a hull around the tissue, not from the mask, so that it does not matter how far the mask
    reaches into the fluid around the brain.

    Parameters
    ----------
    t1w : ndarray
        T1w image on the grid of 1 mm.
    mask : ndarray of bool
        Brain mask.
    white : float
        Level of white matter in the image.
    depth : float
        mm below the hull; deeper fluid stays.
    """
    # What the mask does not hold counts as fluid, as which it is held where it reaches further.
    level = ndimage.gaussian_filter(np.where(mask, t1w, np.float32(FLUID_ITSELF * white)), SMOOTHING)
    dark = mask & (level < FLUID * white)
    wide = ndimage.distance_transform_edt(~mask | dark) <= BRIDGED
    near = ndimage.distance_transform_edt(wide) <= BRIDGED + depth
    outside = ndimage.binary_propagation(~mask, mask=~mask | (dark & near))
    return ndimage.binary_opening(mask & ~outside)
