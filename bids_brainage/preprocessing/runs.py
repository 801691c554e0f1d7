"""Repeated images of one person and sequence are combined into one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np

from bids_brainage.preprocessing.registration import apply_transforms, register_rigid


def average_runs(
    images: Sequence[nib.Nifti1Image],
    *,
    work_dir: Path,
    threads: int = 1,
    names: Sequence[str] | None = None,
) -> nib.Nifti1Image:
    """Align repeated images rigidly with the first and average them.

    Each image is scaled to the first one's mean before averaging, because the gain of a scanner may
    differ from run to run.

    Parameters
    ----------
    images : sequence of Nifti1Image
        At least one 3D image of the same head and sequence.
    work_dir : Path
        Where the rigid transforms are stored.
    threads : int
        Threads ITK may use.
    names : sequence of str, optional
        What to call the images in an error.

    Returns
    -------
    Nifti1Image
        On the grid of the first image, float32.
    """
    first = images[0]
    if len(images) == 1:
        return first
    total = np.asarray(first.dataobj, dtype=np.float64)
    level = total.mean()
    for number, image in enumerate(images[1:], start=2):
        name = names[number - 1] if names else f"image {number}"
        out = work_dir / f"run{number}.h5"
        transform = register_rigid(image, first, out=out, threads=threads, name=name)
        moved = apply_transforms(image, first, [transform], name=name)
        aligned = np.asarray(moved.dataobj, dtype=np.float64)
        total = total + aligned * (level / max(aligned.mean(), np.finfo(float).tiny))
    return nib.Nifti1Image((total / len(images)).astype(np.float32), first.affine, first.header)
