"""One image under headers as other programs write them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import nibabel as nib
import numpy as np

from tests.robustness.distorted import Distorted, changed, values


def qform_alone(image: nib.Nifti1Image) -> Distorted:
    distorted = changed(image, np.asanyarray(image.dataobj))
    distorted.image.set_sform(None, 0)
    return distorted


def sform_alone(image: nib.Nifti1Image) -> Distorted:
    distorted = changed(image, np.asanyarray(image.dataobj))
    distorted.image.set_qform(None, 0)
    return distorted


def negative_pixdim(image: nib.Nifti1Image) -> Distorted:
    """A voxel's width is negative, as old programs wrote; its amount is what counts."""
    distorted = qform_alone(image)
    widths = np.array(distorted.image.header["pixdim"])
    widths[1] *= -1
    return replace(distorted, fields={"pixdim": widths})


def big_endian(image: nib.Nifti1Image) -> Distorted:
    data = values(image)
    stored = np.rint(data / np.abs(data).max() * 4000).astype(">i2")
    return Distorted(nib.Nifti1Image(stored, image.affine, nib.Nifti1Header(endianness=">")))


def mgz(image: nib.Nifti1Image) -> Distorted:
    return Distorted(nib.MGHImage(values(image), image.affine))


FORMS: dict[str, Callable[[nib.Nifti1Image], Distorted]] = {
    "a qform alone": qform_alone,
    "an sform alone": sform_alone,
    "a negative pixdim": negative_pixdim,
    "big-endian numbers": big_endian,
    "another format (mgz)": mgz,
}
