"""How much memory each step of the participant level takes at its peak, by the size of what it works on."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from nibabel.affines import voxel_sizes
from nipype.pipeline import engine as pe

from bids_brainage.bids.selection import SessionInputs
from bids_brainage.errors import BrainAgeError
from bids_brainage.preprocessing.image_file import open_image
from bids_brainage.workflows.sources import sequence_files

if TYPE_CHECKING:
    from bids_brainage.models.bundles.bundle import Bundle

GB = 1024**3
#: Voxels of a head's field of view at 1 mm, where an image does not tell.
USUAL = 13_000_000


class Need(NamedTuple):
    """GB for Python and libraries, and bytes for each voxel of a session's largest grid."""

    base: float
    voxel: float

    def gb(self, voxels: float) -> float:
        """GB for a grid of so many voxels."""
        return round(self.base + self.voxel * voxels / GB, 2)


# Measured by `python benchmarks/memory.py` (November 2026), with an eighth to spare; it tells when they do
# not hold any more.
NEEDS = {
    "read": Need(0.2, 40),
    "average": Need(0.4, 60),
    "mask": Need(0.3, 84),
    "bias": Need(0.3, 26),
    "multiply": Need(0.15, 28),
    "align": Need(0.35, 18),
    "register": Need(0.7, 18),
    "resample": Need(0.3, 48),
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


def declare_memory(workflow: pe.Workflow, voxels: float) -> None:
    """Let every node of preprocessing declare what it needs for a largest grid of so many voxels."""
    for name in workflow.list_node_names():
        node = workflow.get_node(name)
        kind = KINDS.get(type(node.interface).__name__, "pass on")
        if kind == "read" and len(node.inputs.in_files) > 1:
            kind = "average"
        node._mem_gb = NEEDS[kind].gb(voxels)


def largest_grid(session: SessionInputs) -> float:
    """Voxels of a session's largest grid: of its images as they are, and of what they show at 1 mm."""
    return max((_voxels(files) for files in sequence_files(session).values()), default=USUAL)


def _voxels(files: Iterable[Path]) -> float:
    """Of the largest of some images; what cannot be read is refused by the step that reads it."""
    most = 0.0
    for path in files:
        try:
            image = open_image(path)
        except (BrainAgeError, OSError):
            most = max(most, USUAL)
            continue
        voxels = float(math.prod(image.shape[:3]))
        sizes = [voxel_sizes(affine) for affine in image.affines().values() if affine is not None]
        volumes = [voxels * float(np.prod(size)) for size in sizes if np.isfinite(size).all()]
        most = max([most, voxels, *volumes])
    return most


def estimate_gb(bundle: Bundle, voxels: float, threads: int) -> float:
    """GB for estimating and explaining: maps on the grid of a T1w image, and a network for each thread."""
    from bids_brainage.models.bundles.limits import activations

    made = [
        activations(sub.architecture, sub.input.box)
        for ensemble in bundle.record.ensembles
        for sub in ensemble.sub_ensembles
    ]
    return round(NEEDS["estimate"].gb(voxels) + 4 * max(made, default=0) * threads / GB, 2)
