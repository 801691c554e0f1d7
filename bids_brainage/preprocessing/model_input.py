"""A network's input, and the way back from it to the person's image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

#: How a value of a network's voxel is shared among the image's: by what they are worth in it, or evenly.
By = Literal["grey", "even"]


class Placement(Protocol):
    """How a network's voxels were made from an image's, and the way back."""

    def restore(self, values: NDArray, by: By) -> nib.Nifti1Image:
        """Values (*box,) on the grid of the image, with their sum; see `restore`."""

    def covered(self, mask: nib.Nifti1Image) -> NDArray[np.float32]:
        """How much of each of the network's voxels (*box,) a mask on the image's grid covers, 0 to 1."""


@dataclass(frozen=True)
class ModelInput:
    """A network's input and the way back.

    Attributes
    ----------
    array : ndarray (*box, channels) float32
        By the rules of the paper, grey values over 255, so within [0, 1]; by a recipe, what its steps make.
    placement : Placement
    """

    array: NDArray[np.float32]
    placement: Placement


def stored_volume(model_input: ModelInput, dtype: np.typing.DTypeLike) -> NDArray:
    """The first channel (*box,) times 255, for a store: floats, or grey values as bytes without loss."""
    values = model_input.array[..., 0] * np.float32(255)
    return (np.rint(values) if dtype == np.uint8 else values).astype(dtype)


def restore(values: NDArray, model_input: ModelInput, by: By = "grey") -> nib.Nifti1Image:
    """Bring a map over the network's voxels back to the grid of the image, as a mass: its sum is kept.

    Parameters
    ----------
    values : ndarray (*box,) or (*box, 1)
    model_input : ModelInput
    by : {"grey", "even"}
        A voxel's value is shared among those that it was averaged from in proportion to what they
        contributed to it, as LRP through an averaging layer does (z+ rule), so that dark voxels get nothing;
        or evenly among those in the brain, for maps in which dark voxels count as well.

    Returns
    -------
    nibabel.Nifti1Image
        float32.
    """
    return model_input.placement.restore(np.asarray(values, dtype=np.float64), by)
