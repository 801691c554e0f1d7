"""What steps declare to need."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest
from nipype.pipeline import engine as pe

from bids_brainage.bids.selection import SessionInputs
from bids_brainage.interfaces import images, registration
from bids_brainage.models.bundles.bundle import load_bundle
from bids_brainage.workflows.memory import KINDS, NEEDS, USUAL, Grids, declare_memory, estimate_gb, grids_of


def session(*files: Path) -> SessionInputs:
    names = ("T1w", "FLAIR", "T2starw")
    found = dict(zip(names, ((path,) for path in files), strict=False))
    return SimpleNamespace(images=found, derivative=None, freesurfer_brain=None)  # type: ignore[return-value]


def image(path: Path, shape: tuple[int, ...], size: float) -> Path:
    """An image of which the header alone is ever read."""
    nib.save(nib.Nifti1Image(np.zeros(shape, dtype=np.uint8), np.diag([size, size, size, 1])), path)
    return path


def test_images_count_as_they_are_and_at_1_mm(tmp_path: Path) -> None:
    fine = image(tmp_path / "fine.nii.gz", (40, 50, 60), 0.5)
    coarse = image(tmp_path / "coarse.nii.gz", (20, 20, 20), 3.0)
    assert grids_of(session(fine)) == (pytest.approx(40 * 50 * 60 / 8), 40 * 50 * 60)
    assert grids_of(session(fine, coarse)) == (pytest.approx(40 * 50 * 60 / 8), pytest.approx(20**3 * 27))


@pytest.mark.parametrize("content", [None, b"", b"no image"])
def test_what_cannot_be_read_counts_as_a_usual_head(content: bytes | None, tmp_path: Path) -> None:
    """It is refused by the step that reads it, not before."""
    path = tmp_path / "odd.nii.gz"
    if content is not None:
        path.write_bytes(content)
    assert grids_of(session(path)) == (USUAL, USUAL)


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
    demo, usual = load_bundle("demo"), Grids(USUAL, USUAL)
    one, four = (estimate_gb(demo, usual, threads) for threads in (1, 4))
    assert one < four
    assert estimate_gb(demo, Grids(3 * USUAL, USUAL), 1) > one


def test_steps_on_the_t1w_grid_do_not_pay_for_a_finer_sequence() -> None:
    """Whether a step corrects the bias of the T1w image, of a sequence, or reads an image."""
    workflow = pe.Workflow("preprocessing_wf")
    nodes = {}
    for stage, interface in (
        ("anatomical_wf", images.CorrectBias()),
        ("flair_wf", images.CorrectBias()),
        ("anatomical_wf", images.Conform(in_files=["a"])),
        ("flair_wf", images.CheckImage(in_files=["a", "b"])),
    ):
        name = f"{type(interface).__name__.lower()}"
        nodes[stage, name] = pe.Node(interface, name=name)
        within = workflow.get_node(stage) or pe.Workflow(stage)
        within.add_nodes([nodes[stage, name]])
        if workflow.get_node(stage) is None:
            workflow.add_nodes([within])
    declare_memory(workflow, Grids(USUAL, 3 * USUAL))
    assert {key: node.mem_gb for key, node in nodes.items()} == {
        ("anatomical_wf", "correctbias"): NEEDS["bias"].gb(USUAL),
        ("flair_wf", "correctbias"): NEEDS["bias"].gb(3 * USUAL),
        ("anatomical_wf", "conform"): NEEDS["read"].gb(3 * USUAL),
        ("flair_wf", "checkimage"): NEEDS["average"].gb(3 * USUAL),
    }
