"""A head whose header lost its orientation is turned upright: axes are renamed, nothing is interpolated."""

from __future__ import annotations

import nibabel as nib
import numpy as np
from nibabel.affines import apply_affine

from bids_brainage.preprocessing.pose import affine_of, axis_rotations, find_pose

MOST_TILT = 50.0  # degrees that a head may lie tilted
LEAST_LIKENESS = 0.7
MARGIN = 0.05  # by which it must be likelier than as the header has it


def turned_upright(image: nib.Nifti1Image) -> tuple[nib.Nifti1Image, float]:
    """Rename the axes of a head that its header has lie on its back, side or top.

    A head that lies tilted stays as it is: its header is right. A mirrored head cannot be told from a whole
    one, so that left and right remain exchanged where they are.

    Parameters
    ----------
    image : nibabel.Nifti1Image
        T1w.

    Returns
    -------
    Nifti1Image, float
        The image with another affine, and the degrees by which its head lay turned; the image itself and 0
        where it is left as it is.
    """
    pose = find_pose(image)
    if pose.degrees <= MOST_TILT or pose.likeness < LEAST_LIKENESS:
        return image, 0.0
    as_told = find_pose(image, turns=axis_rotations()[:1])
    if pose.likeness < as_told.likeness + MARGIN:
        return image, 0.0
    turn = max(axis_rotations(), key=lambda axes: float(np.trace(axes @ pose.rotation.T)))
    if np.array_equal(turn, np.eye(3)):
        return image, 0.0
    middle = apply_affine(image.affine, (np.array(image.shape) - 1) / 2)
    turned = affine_of(turn, middle - turn @ middle) @ image.affine
    return nib.Nifti1Image(image.get_fdata(dtype=np.float32), turned), pose.degrees
