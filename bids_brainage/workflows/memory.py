"""How much memory each step of the participant level takes at its peak, by the size of what it works on."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from nibabel.affines import voxel_sizes
from nipype.pipeline import engine as pe

from bids_brainage.bids.selection import SessionInputs
from bids_brainage.errors import BrainAgeError
from bids_brainage.preprocessing.image_file import open_image
from bids_brainage.records.session import FIRST, LINEAR, TEMPLATE
from bids_brainage.workflows.node_names import stage_of
from bids_brainage.workflows.sources import sequence_files

if TYPE_CHECKING:
    from bids_brainage.models.bundles.bundle import Bundle

GB = 1024**3
#: Voxels of a head's field of view at 1 mm, where an image does not tell.
USUAL = 13_000_000


class Need(NamedTuple):
    """GB for Python and libraries, and bytes for each voxel of a grid."""

    base: float
    voxel: float

    def gb(self, voxels: float) -> float:
        """GB for a grid of so many voxels."""
        return round(self.base + self.voxel * voxels / GB, 2)


# Measured by `python benchmarks/memory.py` (November 2026), with an eighth to spare; it tells when they do
# not hold any more.
NEEDS = {
    "read": Need(0.2, 30),
    "average": Need(0.4, 60),
    "mask": Need(0.3, 84),
    "bias": Need(0.3, 20),
    "multiply": Need(0.15, 26),
    "align": Need(0.4, 10),
    "register": Need(0.7, 18),
    "resample": Need(0.55, 26),
    "compare": Need(0.2, 14),
    "publish": Need(0.3, 26),
    "pass on": Need(0.25, 0),
    "estimate": Need(0.5, 72),
    "report": Need(0.55, 26),
}
#: By the name of a node's interface, what it needs.
KINDS = {
    "Conform": "read",
    "CheckImage": "read",
    "ExtractBrain": "mask",
    "UseMask": "resample",
    "CorrectBias": "bias",
    "ApplyMask": "multiply",
    "MaskImage": "multiply",
    "RegisterRigid": "align",
    "RegisterLinear": "register",
    "RegisterTemplate": "register",
    "ApplyTransforms": "resample",
    "CheckSameHead": "compare",
    "PublishImages": "publish",
}


class Grids(NamedTuple):
    """Voxels of a session's grids: of its T1w image at 1 mm, and of whatever is largest."""

    t1w: float
    largest: float


def declare_memory(workflow: pe.Workflow, grids: Grids) -> None:
    """Let every node of preprocessing declare what it needs for images of a session."""
    for name in workflow.list_node_names():
        node = workflow.get_node(name)
        kind = KINDS.get(type(node.interface).__name__, "pass on")
        on_t1w = kind != "read" and stage_of(name.split(".")) in (FIRST, TEMPLATE, *LINEAR)
        if kind == "read" and len(node.inputs.in_files) > 1:
            kind = "average"
        node._mem_gb = NEEDS[kind].gb(grids.t1w if on_t1w else grids.largest)


def grids_of(session: SessionInputs) -> Grids:
    """Read the headers of a session's images; what cannot be read is refused by the step that reads it."""
    found = {
        modality: [_voxels(path) for path in files] for modality, files in sequence_files(session).items()
    }
    t1w = max((at_1_mm for _, at_1_mm in found.get(FIRST, ())), default=USUAL)
    return Grids(t1w, max([t1w, *(voxels for own in found.values() for pair in own for voxels in pair)]))


def _voxels(path: Path) -> tuple[float, float]:
    """Of an image as it is, and at 1 mm."""
    try:
        image = open_image(path)
    except (BrainAgeError, OSError):
        return USUAL, USUAL
    voxels = float(math.prod(image.shape[:3]))
    sizes = [voxel_sizes(affine) for affine in image.affines().values() if affine is not None]
    volumes = [voxels * float(np.prod(size)) for size in sizes if np.isfinite(size).all()]
    return voxels, max(volumes, default=voxels)


def estimate_gb(bundle: Bundle, grids: Grids, threads: int) -> float:
    """GB for estimating and explaining: maps on the grid of a T1w image, and a network for each thread."""
    from bids_brainage.models.bundles.limits import activations

    made = [
        activations(sub.architecture, sub.input.box)
        for ensemble in bundle.record.ensembles
        for sub in ensemble.sub_ensembles
    ]
    return round(NEEDS["estimate"].gb(grids.t1w) + 4 * max(made, default=0) * threads / GB, 2)
