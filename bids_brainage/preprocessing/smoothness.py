"""How smooth an image is, as MRIQC and AFNI's 3dFWHMx have it: by how much neighbouring voxels differ."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FEWEST = 100  # pairs of neighbours


def smoothness(data: NDArray, mask: NDArray[np.bool_], sizes: NDArray[np.float64]) -> float | None:
    """Width at half the height (FWHM, mm) of a Gaussian that would make noise as smooth as the image.

    Forman et al. (1995, doi:10.1002/mrm.1910330508), eq. for each axis: FWHM = d sqrt(-2 ln 2 / ln(1 - v / (2
    s))) with the voxel's size d, the variance v of differences between neighbours and the variance s of the
    values.

    Parameters
    ----------
    data : ndarray (x, y, z)
    mask : ndarray of bool
        Only pairs of voxels inside count.
    sizes : ndarray (3,)
        Of the voxels, mm.

    Returns
    -------
    float or None
        Geometric mean over the axes; None if it is not defined (too few voxels, one value, or pure noise).
    """
    inside = data[mask].astype(np.float64)
    if inside.size < FEWEST or inside.var() == 0:
        return None
    widths = []
    for axis, size in enumerate(sizes):
        values, within = np.moveaxis(data, axis, 0), np.moveaxis(mask, axis, 0)
        differences = np.diff(values, axis=0)[within[1:] & within[:-1]]
        if differences.size < FEWEST:
            return None
        ratio = 1 - differences.var(dtype=np.float64) / (2 * inside.var())
        if not 0 < ratio < 1:
            return None
        widths.append(size * np.sqrt(-2 * np.log(2) / np.log(ratio)))
    return float(np.prod(widths) ** (1 / 3))
