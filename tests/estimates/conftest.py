"""A small bundle, and the template as a person."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from bids_brainage.estimates.options import EstimationOptions, PersonFacts
from bids_brainage.models.bundles.bundle import Bundle
from bids_brainage.preprocessing.templates import template_brain, template_mask
from bids_brainage.records.estimate import ExplanationFacts, Preparation
from bids_brainage.records.reading import PreparedImages
from tests.integration.small_bundle import make_bundle

LRP = ExplanationFacts(rule="preset-a", backend="native", aggregation="heads")
OPTIONS = EstimationOptions(modalities=("T1w", "FLAIR", "T2starw"), lrp=LRP)
PREPARATION = Preparation(origin="raw", skull_strip="auto", skull_strip_method="none")
PERSON = PersonFacts(
    participant="sub-01", session=None, dataset="Here", age=40.0, measured=None, sex="F", simulated=False,
    inputs=("bids:raw:sub-01/anat/sub-01_T1w.nii.gz",),
)  # fmt: skip


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make_bundle(tmp_path_factory.mktemp("models") / "small")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> PreparedImages:
    """The template as a person, 1 mm and turned to LIA, whose warp is the identity."""
    import ants

    from bids_brainage.preprocessing.conform import conform

    folder = tmp_path_factory.mktemp("images")
    brain, mask = conform(template_brain(1)), template_mask(1)
    inside = np.asarray(conform(mask).dataobj) > 0.5
    brain.to_filename(folder / "t1w.nii.gz")
    nib.Nifti1Image(inside.astype(np.uint8), brain.affine).to_filename(folder / "mask.nii.gz")
    template_brain(2).to_filename(folder / "standard.nii.gz")
    ants.write_transform(ants.new_ants_transform(dimension=3), str(folder / "identity.h5"))
    return PreparedImages(
        mask=folder / "mask.nii.gz",
        forward=folder / "identity.h5",
        inverse=folder / "identity.h5",
        subject=dict.fromkeys(("T1w", "FLAIR"), folder / "t1w.nii.gz"),
        standard=dict.fromkeys(("T1w", "FLAIR"), folder / "standard.nii.gz"),
    )
