"""A small made-up head that every test of the room can use."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest


@pytest.fixture
def head() -> nib.Nifti1Image:
    """An ellipsoid of two tissues with noise, 4 mm voxels, RAS, off-centre."""
    axes = np.meshgrid(np.arange(44), np.arange(52), np.arange(44), indexing="ij")
    centre, radii = (21, 27, 22), (17, 21, 16)
    radius = np.sqrt(sum(((a - c) / r) ** 2 for a, c, r in zip(axes, centre, radii, strict=True)))
    generator = np.random.default_rng(5)
    data = np.where(radius < 1, 80.0, 0) + np.where(radius < 0.7, 40.0, 0)
    data = np.where(data > 0, data + generator.normal(0, 3, data.shape), 0).astype(np.float32)
    affine = np.diag([4.0, 4, 4, 1])
    affine[:3, 3] = (-84, -110, -80)
    image = nib.Nifti1Image(data, affine)
    image.header.set_xyzt_units("mm", "sec")
    image.set_sform(affine, 1)
    image.set_qform(affine, 1)
    return image
