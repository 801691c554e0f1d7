"""Images as they are stored: whole numbers times a step, half the size, and what that does to sums."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bids_brainage.records.files import check_image

if TYPE_CHECKING:
    import nibabel as nib

#: Steps from zero to the largest absolute value: those that two bytes hold.
STEPS = 32767
#: Steps that are taken at once outside the brain. Nothing is computed there, and noise does not compress: of
#: a head at 1 mm, what is not brain took five sixths of the file.
COARSE = 64


@dataclass(frozen=True, eq=False)
class RoundedImage:
    """An image in two bytes a voxel: ``whole * step``.

    No value moves by more than half a step, which is 1/65534 of the largest; of n voxels that are not
    zero, the sum moves by about step * sqrt(n / 12).

    Attributes
    ----------
    whole : int16 array (x, y, z)
    step : float
        In the unit of the image.
    affine : array (4, 4)
    """

    whole: NDArray[np.int16]
    step: float
    affine: NDArray[np.float64]

    @classmethod
    def of(cls, image: nib.Nifti1Image, inside: NDArray[np.bool_] | None = None) -> RoundedImage:
        """Round an image's values to whole steps, where `inside` (x, y, z) is false to `COARSE` of them.

        Zero stays zero.
        """
        data = np.asanyarray(image.dataobj, dtype=np.float32)
        largest = float(np.abs(data).max(initial=0))
        # The header holds the step in single precision, so that is what values are divided by.
        step = max(np.float32(largest / STEPS), np.finfo(np.float32).tiny)
        steps = np.divide(data, step, dtype=np.float64)
        whole = np.clip(np.rint(steps, out=steps), -STEPS, STEPS).astype(np.int16)
        if inside is not None:
            coarse = np.clip(np.rint(whole / np.float32(COARSE)) * COARSE, -STEPS, STEPS)
            whole = np.where(inside, whole, coarse.astype(np.int16))
        return cls(whole, float(step), image.affine)

    @cached_property
    def sum(self) -> float:
        """Sum of the values as they are read back."""
        return float(self.whole.sum(dtype=np.int64)) * self.step

    def write(self, path: Path) -> None:
        """Write a NIfTI image and read it back to its last byte."""
        import nibabel as nib

        image = nib.Nifti1Image(self.whole, self.affine)
        image.header.set_slope_inter(self.step, 0)
        image.header.set_xyzt_units("mm", "sec")
        image.to_filename(path)
        check_image(path)


def write_rounded(source: Path, target: Path, mask: Path | None = None) -> None:
    """Write a NIfTI image in two bytes a voxel, coarsely where the image `mask` is zero."""
    import nibabel as nib

    inside = None if mask is None else np.asanyarray(nib.Nifti1Image.from_filename(mask).dataobj) > 0
    RoundedImage.of(nib.Nifti1Image.from_filename(source), inside).write(target)
