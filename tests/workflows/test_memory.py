"""What steps declare to need."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest

from bids_brainage.bids.selection import SessionInputs
from bids_brainage.interfaces import images, registration
from bids_brainage.models.bundles.bundle import load_bundle
from bids_brainage.workflows.memory import KINDS, NEEDS, USUAL, estimate_gb, largest_grid


def session(*files: Path) -> SessionInputs:
    names = ("T1w", "FLAIR", "T2starw")
    found = dict(zip(names, ((path,) for path in files), strict=False))
    return SimpleNamespace(images=found, derivative=None, freesurfer_brain=None)  # type: ignore[return-value]


def image(path: Path, shape: tuple[int, ...], size: float) -> Path:
    """An image of which the header alone is ever read."""
    nib.save(nib.Nifti1Image(np.zeros(shape, dtype=np.uint8), np.diag([size, size, size, 1])), path)
    return path


def test_the_largest_image_counts_as_it_is_and_at_1_mm(tmp_path: Path) -> None:
    fine = image(tmp_path / "fine.nii.gz", (40, 50, 60), 0.5)
    coarse = image(tmp_path / "coarse.nii.gz", (20, 20, 20), 3.0)
    assert largest_grid(session(fine)) == 40 * 50 * 60
    assert largest_grid(session(fine, coarse)) == pytest.approx(20**3 * 27)


@pytest.mark.parametrize("content", [None, b"", b"no image"])
def test_what_cannot_be_read_counts_as_a_usual_head(content: bytes | None, tmp_path: Path) -> None:
    """It is refused by the step that reads it, not before."""
    path = tmp_path / "odd.nii.gz"
    if content is not None:
        path.write_bytes(content)
    assert largest_grid(session(path)) == USUAL


def test_every_step_that_holds_images_says_what_it_needs() -> None:
    """Also those that are yet to be written; what only passes on names or small matrices is named here."""
    small = {"Aligned", "InvertRigid", "UseTransforms", "SimpleInterface"}
    steps = {
        name
        for module in (images, registration)
        for name, own in vars(module).items()
        if isinstance(own, type) and hasattr(own, "_run_interface") and not name.startswith("_")
    }
    assert steps - small - KINDS.keys() == set()
    assert set(KINDS.values()) <= NEEDS.keys()


def test_finer_images_larger_networks_and_more_threads_need_more() -> None:
    small, large = (NEEDS["mask"].gb(voxels) for voxels in (USUAL, 3 * USUAL))
    assert small < large
    demo = load_bundle("demo")
    one, four = (estimate_gb(demo, USUAL, threads) for threads in (1, 4))
    assert one < four
    assert estimate_gb(demo, 3 * USUAL, 1) > one
