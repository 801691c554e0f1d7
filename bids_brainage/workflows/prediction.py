"""From prepared images to the estimates of brain age and their relevance maps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nipype.interfaces import utility as niu
from nipype.pipeline import engine as pe

from bids_brainage.interfaces.explanation import ExplainBrainAge
from bids_brainage.interfaces.outputs import SaveTree
from bids_brainage.interfaces.prediction import EstimateBrainAge

# Gigabytes at the peak of a node with the networks of one ensemble.
MEMORY_GB = {"estimate": 1.5, "explain": 2.5}


def init_prediction_wf(
    *,
    ensemble: str,
    bundle: Path,
    person: dict[str, Any],
    out_dir: Path,
    relevance: dict[str, str] | None,
    modalities: Sequence[str],
    omp_nthreads: int,
) -> pe.Workflow:
    """Estimate brain age with one ensemble, and explain the estimate.

    Parameters
    ----------
    ensemble : str
        ``TypeI`` or ``TypeII``.
    bundle : Path
        Folder of the model bundle.
    person : dict
        What is known of the person and the session; goes into the estimate's file.
    out_dir : Path
        The derivatives folder.
    relevance : dict or None
        ``rule``, ``backend`` and ``aggregation`` of the maps; None for no maps.
    modalities : sequence of str
        Those the estimate may rest on, where they are there.
    omp_nthreads : int
        Threads a node may use.

    Returns
    -------
    Workflow
        ``inputnode`` takes ``mask``, ``forward``, ``inverse``, ``subject``, ``standard``;
        ``outputnode`` gives ``estimate``, the file in the derivatives folder.
    """
    workflow = pe.Workflow(name=f"{ensemble.lower()}_wf")
    fields = ["mask", "forward", "inverse", "subject", "standard"]
    inputnode = pe.Node(niu.IdentityInterface(fields=fields), name="inputnode")
    outputnode = pe.Node(niu.IdentityInterface(fields=["estimate"]), name="outputnode")
    common: dict[str, Any] = {"bundle": str(bundle), "ensemble": ensemble, "modalities": list(modalities)}
    common["num_threads"] = omp_nthreads
    estimate = pe.Node(
        EstimateBrainAge(person=person, **common),
        name="estimate",
        mem_gb=MEMORY_GB["estimate"],
        n_procs=omp_nthreads,
    )
    save = pe.Node(
        SaveTree(out_dir=str(out_dir), last="*_brainage.json"), name="save", run_without_submitting=True
    )
    images = [("mask", "mask_file"), ("subject", "subject_images"), ("standard", "standard_images")]
    workflow.connect([(inputnode, estimate, images), (save, outputnode, [("last_file", "estimate")])])
    if relevance is None:
        workflow.connect([(estimate, save, [("out_dir", "in_dir")])])
        return workflow
    explain = pe.Node(
        ExplainBrainAge(**relevance, **common),
        name="explain",
        mem_gb=MEMORY_GB["explain"],
        n_procs=omp_nthreads,
    )
    workflow.connect(
        [
            (inputnode, explain, [*images, ("forward", "forward"), ("inverse", "inverse")]),
            (estimate, explain, [("estimate_file", "estimate_file")]),
            (explain, save, [("out_dir", "in_dir")]),
        ]
    )
    return workflow
