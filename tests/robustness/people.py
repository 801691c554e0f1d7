"""Undistorted heads with the masks that are made of them."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np

from tests.robustness.distorted import Head, image_of
from tests.robustness.judging import mask_of

SEED = 7  # of the one person whom reported cases were tried on


def simulated(folder: Path, count: int, *, seed: int, skull: bool) -> dict[str, Path]:
    """T1w images of simulated people of 2 mm, made if they are not there yet."""
    from bids_brainage.simulation.cohort import Settings, write_cohort
    from bids_brainage.simulation.spec import load_spec

    low, high = load_spec().ageing.age_range
    write_cohort(folder, Settings(seed, 2, skull, (low, high)), n=count)
    labels = [f"sub-{index + 1:04d}" for index in range(count)]
    return {label: folder / label / "anat" / f"{label}_T1w.nii.gz" for label in labels}


def colin27(folder: Path) -> Path:
    """The T1w image of the real head in its BIDS folder."""
    return folder / "sub-colin27" / "anat" / "sub-colin27_T1w.nii.gz"


def read_image_of(path: Path) -> nib.Nifti1Image:
    """An image as it was stored, float32."""
    stored = nib.Nifti1Image.from_filename(path)
    return image_of(np.asarray(stored.dataobj, dtype=np.float32), stored.affine)


def read_head(path: Path, threads: int = 1) -> Head:
    """An image, and the mask that is made of it undistorted."""
    return Head(read_image_of(path), mask_of(path, threads)[0])
