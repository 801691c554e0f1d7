"""What comes of a distorted image: its mask against the undistorted one's, or a sentence."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from bids_brainage.errors import ImageError
from bids_brainage.preprocessing.brain_mask import extract_brain
from bids_brainage.preprocessing.conform import conform
from bids_brainage.preprocessing.header import read_image
from tests.robustness.distorted import Distorted

RIGHT = 0.97  # Dice


@dataclass(frozen=True)
class Outcome:
    """What was said and found.

    Attributes
    ----------
    dice : float or None
        With the undistorted mask, in the distorted image's field of view.
    volume : float or None
        Of the mask, ml.
    sentence : str
        Of the error, if the image was refused.
    warnings : tuple of str
    seconds : float
    usable : bool
        Whether enough of the brain was left.
    """

    dice: float | None = None
    volume: float | None = None
    sentence: str = ""
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0
    usable: bool = True

    @property
    def right(self) -> bool:
        """Whether nobody is misled: a right mask or a sentence; where brain is missing, only that."""
        return bool(self.sentence) or (self.usable and self.dice is not None and self.dice >= RIGHT)

    def row(self) -> dict[str, Any]:
        return asdict(self) | {"right": self.right}


def mask_of(path: Path, threads: int = 1) -> tuple[nib.Nifti1Image, tuple[str, ...]]:
    """The brain mask that the program makes of a file, and what it warns of."""
    checked = read_image(path)
    brain = extract_brain(conform(checked.image), threads=threads, name=path.name)
    return brain.mask, (*checked.warnings, *brain.warnings)


def judge(distorted: Distorted, brain: nib.Nifti1Image, folder: Path, threads: int = 1) -> Outcome:
    """Make a mask of a distorted image and compare it.

    Parameters
    ----------
    distorted : Distorted
    brain : nibabel.Nifti1Image
        The undistorted image's mask.
    folder : Path
        Where the image is written.
    """
    begin = time.monotonic()
    path = distorted.save(folder / "sub-01_T1w")
    try:
        mask, warnings = mask_of(path, threads)
    except ImageError as error:
        return Outcome(sentence=str(error), seconds=time.monotonic() - begin, usable=distorted.usable)
    finally:
        path.unlink()
    found = np.asanyarray(mask.dataobj) > 0
    truth = brought_to(brain, mask, distorted.to_original)
    return Outcome(
        dice=dice(found, truth),
        volume=float(found.sum()) / 1000,  # voxels of 1 mm
        warnings=warnings,
        seconds=time.monotonic() - begin,
        usable=distorted.usable,
    )


def brought_to(
    mask: nib.Nifti1Image, grid: nib.Nifti1Image, to_original: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """The undistorted mask on the grid of the distorted image."""
    matrix = np.linalg.inv(mask.affine) @ to_original @ grid.affine
    inside = (np.asanyarray(mask.dataobj) > 0).astype(np.float32)
    return ndimage.affine_transform(inside, matrix[:3, :3], matrix[:3, 3], grid.shape, order=1) >= 0.5


def dice(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    return float(2 * (first & second).sum() / max(first.sum() + second.sum(), 1))
