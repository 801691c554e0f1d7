"""The inverse of a rigid transform, and the identity."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bids_brainage.atomic import replacing


def invert_rigid(transform: Path, out: Path) -> Path:
    """Write the inverse of a rigid (or affine) ITK transform.

    Parameters
    ----------
    transform : Path
        Composite transform (.h5) of one linear transform, as ANTs writes it.
    out : Path
        Where the inverse goes (.tfm, ITK's text format).

    Returns
    -------
    Path
        `out`.
    """
    from nitransforms.manip import TransformChain

    with warnings.catch_warnings():
        # nitransforms warns that the transform has no grid; a rigid one needs none.
        warnings.simplefilter("ignore", UserWarning)
        chain = TransformChain.from_filename(str(transform), fmt="itk")
        matrix = np.linalg.multi_dot([np.eye(4), *(step.matrix for step in chain.transforms), np.eye(4)])
        return write_affine(np.linalg.inv(matrix), out)


def write_affine(matrix: NDArray[np.float64], out: Path) -> Path:
    """Write an affine (4, 4) of points in mm (RAS) as an ITK transform (.tfm) and return `out`."""
    from nitransforms.linear import Affine

    with replacing(out) as temporary:
        Affine(matrix).to_filename(str(temporary), fmt="itk")
    return out


def write_identity(out: Path) -> Path:
    """Write the identity as an ITK transform (.tfm) and return `out`."""
    return write_affine(np.eye(4), out)
