"""From raw images (or FreeSurfer's, or fMRIPrep's) to images in T1w space and in MNI152NLin6Asym."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nipype.interfaces import utility as niu
from nipype.pipeline import engine as pe

from bids_brainage.bids.derivatives import Origin
from bids_brainage.bids.naming import output_path
from bids_brainage.bids.selection import SessionInputs
from bids_brainage.interfaces.images import (
    ApplyMask,
    AverageRuns,
    CheckImage,
    Conform,
    CorrectBias,
    ExtractBrain,
    UseMask,
)
from bids_brainage.interfaces.outputs import SaveOutput
from bids_brainage.interfaces.registration import (
    ApplyTransforms,
    CheckSameHead,
    InvertRigid,
    RegisterRigid,
    RegisterTemplate,
)
from bids_brainage.terms import STANDARD_SPACE

# Gigabytes a node of each kind may take at its peak, measured on 1 mm heads.
MEMORY_GB = {"light": 0.6, "bias": 1.0, "mask": 1.0, "rigid": 1.0, "template": 1.5}


@dataclass(frozen=True)
class PreprocessedPaths:
    """Where the prepared images of one person and session stand in the derivatives folder.

    Attributes
    ----------
    mask : Path
        Brain mask on the T1w grid.
    forward, inverse : Path
        T1w to MNI152NLin6Asym, and back.
    subject, standard : mapping of str to Path
        Per modality, the image on the T1w grid and the brain in standard space.
    coregistration : mapping of str to Path
        Per modality but T1w, the rigid transform to T1w.
    """

    mask: Path
    forward: Path
    inverse: Path
    subject: Mapping[str, Path]
    standard: Mapping[str, Path]
    coregistration: Mapping[str, Path]

    @property
    def files(self) -> tuple[Path, ...]:
        """All of them."""
        groups = (self.subject, self.standard, self.coregistration)
        return (self.mask, self.forward, self.inverse, *(p for group in groups for p in group.values()))


def preprocessed_paths(session: SessionInputs, out_dir: Path) -> PreprocessedPaths:
    """Name the files that preprocessing `session` writes below `out_dir`."""

    def path(output: str, **entities: str) -> Path:
        return output_path(out_dir, session.participant, session.session, output, **entities)

    others = [modality for modality in sequence_files(session) if modality != "T1w"]
    return PreprocessedPaths(
        mask=path("brain_mask"),
        forward=path("transform", source="T1w", target=STANDARD_SPACE),
        inverse=path("transform", source=STANDARD_SPACE, target="T1w"),
        subject={"T1w": path("preproc_T1w")} | {m: path("preproc_T1w_space", suffix=m) for m in others},
        standard={m: path("preproc_standard", suffix=m) for m in ("T1w", *others)},
        coregistration={m: path("transform", source=m, target="T1w") for m in others},
    )


def sequence_files(session: SessionInputs) -> dict[str, tuple[Path, ...]]:
    """Choose the files that stand for each modality, whoever prepared them.

    FreeSurfer's brain or fMRIPrep's T1w go before the raw T1w, the raw FLAIR before fMRIPrep's.
    """
    files = dict(session.images)
    if session.derivative is not None:
        files["T1w"] = (session.derivative.t1w,)
        if session.derivative.flair is not None:
            files.setdefault("FLAIR", (session.derivative.flair,))
    if session.freesurfer_brain is not None:
        files["T1w"] = (session.freesurfer_brain,)
    return files


def input_source(session: SessionInputs) -> str:
    """Name where a session's T1w comes from, for texts: ``raw``, ``freesurfer``, or the name of ``-d``."""
    if session.origin is Origin.PREPROCESSED and session.derivative is not None:
        return session.derivative.source
    return session.origin.value


def init_preprocessing_wf(
    *,
    session: SessionInputs,
    out_dir: Path,
    skull_strip: str,
    omp_nthreads: int,
    seed: int,
    fingerprints: Mapping[str, str],
    name: str = "preprocessing_wf",
) -> pe.Workflow:
    """Prepare one person's images of one session.

    The T1w image is conformed (1 mm, LIA), its brain found, its bias field divided out and its brain
    warped to MNI152NLin6Asym. Each other sequence is aligned rigidly with it, corrected on its own
    grid, and brought to either space with one interpolation.

    Parameters
    ----------
    session : SessionInputs
        The images.
    out_dir : Path
        The derivatives folder.
    skull_strip : str
        See `bids_brainage.preprocessing.brain_mask.extract_brain`.
    omp_nthreads : int
        Threads a node may use.
    seed : int
        Seed of the registrations.
    fingerprints : mapping of str to str
        By modality, of what the result depends on; written beside each image.

    Returns
    -------
    Workflow
        With ``outputnode`` fields ``mask``, ``forward``, ``inverse``, ``subject`` and ``standard``.
    """
    workflow = pe.Workflow(name=name)
    paths = preprocessed_paths(session, out_dir)
    outputnode = pe.Node(
        niu.IdentityInterface(fields=["mask", "forward", "inverse", "subject", "standard"]), name="outputnode"
    )
    anatomical_wf = init_anatomical_wf(
        session=session,
        paths=paths,
        skull_strip=skull_strip,
        omp_nthreads=omp_nthreads,
        seed=seed,
        fingerprints=fingerprints,
    )
    subject = pe.Node(niu.Merge(len(paths.subject)), name="subject", run_without_submitting=True)
    standard = pe.Node(niu.Merge(len(paths.standard)), name="standard", run_without_submitting=True)
    workflow.connect(
        [
            (anatomical_wf, outputnode, [(f"outputnode.{f}", f) for f in ("mask", "forward", "inverse")]),
            (anatomical_wf, subject, [("outputnode.t1w", "in1")]),
            (anatomical_wf, standard, [("outputnode.standard", "in1")]),
            (subject, outputnode, [("out", "subject")]),
            (standard, outputnode, [("out", "standard")]),
        ]
    )
    for number, modality in enumerate(paths.coregistration, start=2):
        sequence_wf = init_sequence_wf(
            session=session,
            modality=modality,
            paths=paths,
            omp_nthreads=omp_nthreads,
            seed=seed,
            fingerprint=fingerprints[modality],
        )
        workflow.connect(
            [
                (
                    anatomical_wf,
                    sequence_wf,
                    [(f"outputnode.{f}", f"inputnode.{f}") for f in ("t1w", "mask", "forward")],
                ),
                (sequence_wf, subject, [("outputnode.subject", f"in{number}")]),
                (sequence_wf, standard, [("outputnode.standard", f"in{number}")]),
            ]
        )
    return workflow


def init_anatomical_wf(
    *,
    session: SessionInputs,
    paths: PreprocessedPaths,
    skull_strip: str,
    omp_nthreads: int,
    seed: int,
    fingerprints: Mapping[str, str],
    name: str = "anatomical_wf",
) -> pe.Workflow:
    """Prepare the T1w image: conform, brain mask, bias field, template registration."""
    workflow = pe.Workflow(name=name)
    threads = {"num_threads": omp_nthreads}
    outputnode = pe.Node(
        niu.IdentityInterface(fields=["t1w", "mask", "forward", "inverse", "standard"]), name="outputnode"
    )
    t1w_source, field = _merged_runs(workflow, "T1w", sequence_files(session)["T1w"], omp_nthreads)
    conform = pe.Node(Conform(), name="conform", mem_gb=MEMORY_GB["light"])
    _feed(workflow, t1w_source, field, conform, "in_file")
    mask = _mask_node(session, skull_strip, omp_nthreads)
    corrected = _bias_node(session, omp_nthreads)
    brain = pe.Node(ApplyMask(), name="brain", mem_gb=MEMORY_GB["light"])
    register = pe.Node(
        RegisterTemplate(seed=seed, **threads),
        name="register",
        mem_gb=MEMORY_GB["template"],
        n_procs=omp_nthreads,
    )
    to_standard = pe.Node(ApplyTransforms(**threads), name="to_standard", mem_gb=MEMORY_GB["light"])
    save_t1w = _save("save_t1w", paths.subject["T1w"], _image_facts(session, "T1w", fingerprints["T1w"]))
    save_mask = _save("save_mask", paths.mask, {"Type": "Brain", "Sources": _sources(session, "T1w")})
    save_forward = _save("save_forward", paths.forward, None)
    save_inverse = _save("save_inverse", paths.inverse, None)
    save_standard = _save("save_standard", paths.standard["T1w"], _standard_facts(session, "T1w"))
    workflow.connect(
        [
            (conform, mask, [("out_file", "in_file")]),
            (conform, register, [("native_voxel_size", "native_voxel_size")]),
            (conform, corrected, [("out_file", "in_file")]),
            (mask, corrected, [("mask_file", "mask_file")]),
            (conform, save_t1w, [("warnings", "warnings")]),
            (mask, save_t1w, [("method", "method")]),
            (corrected, save_t1w, [("out_file", "in_file")]),
            (mask, save_mask, [("mask_file", "in_file")]),
            (corrected, brain, [("out_file", "in_file")]),
            (mask, brain, [("mask_file", "mask_file")]),
            (brain, register, [("out_file", "brain_file")]),
            (mask, register, [("mask_file", "mask_file")]),
            (brain, to_standard, [("out_file", "in_file")]),
            (register, to_standard, [("forward", "transforms")]),
            (register, save_forward, [("forward", "in_file")]),
            (register, save_inverse, [("inverse", "in_file")]),
            (to_standard, save_standard, [("out_file", "in_file")]),
            (save_t1w, outputnode, [("out_file", "t1w")]),
            (save_mask, outputnode, [("out_file", "mask")]),
            (save_forward, outputnode, [("out_file", "forward")]),
            (save_inverse, outputnode, [("out_file", "inverse")]),
            (save_standard, outputnode, [("out_file", "standard")]),
        ]
    )
    return workflow


def init_sequence_wf(
    *,
    session: SessionInputs,
    modality: str,
    paths: PreprocessedPaths,
    omp_nthreads: int,
    seed: int,
    fingerprint: str,
) -> pe.Workflow:
    """Prepare FLAIR or SWI: align with T1w, correct the bias on its own grid, resample once."""
    workflow = pe.Workflow(name=f"{modality.lower()}_wf")
    threads = {"num_threads": omp_nthreads}
    inputnode = pe.Node(niu.IdentityInterface(fields=["t1w", "mask", "forward"]), name="inputnode")
    outputnode = pe.Node(niu.IdentityInterface(fields=["subject", "standard"]), name="outputnode")
    source, field = _merged_runs(workflow, modality, sequence_files(session)[modality], omp_nthreads)
    check = pe.Node(CheckImage(), name="check", mem_gb=MEMORY_GB["light"])
    _feed(workflow, source, field, check, "in_file")
    align = pe.Node(
        RegisterRigid(seed=seed, **threads),
        name="align",
        mem_gb=MEMORY_GB["rigid"],
        n_procs=omp_nthreads,
    )
    invert = pe.Node(InvertRigid(), name="invert", run_without_submitting=True)
    mask = pe.Node(
        ApplyTransforms(interpolation="nearest", **threads), name="mask", mem_gb=MEMORY_GB["light"]
    )
    corrected = pe.Node(CorrectBias(**threads), name="bias", mem_gb=MEMORY_GB["bias"], n_procs=omp_nthreads)
    to_t1w = pe.Node(ApplyTransforms(**threads), name="to_t1w", mem_gb=MEMORY_GB["light"])
    files = sequence_files(session)
    same_head = pe.Node(
        CheckSameHead(source_file=str(files[modality][0]), t1w_source=str(files["T1w"][0])),
        name="same_head",
        mem_gb=MEMORY_GB["light"],
    )
    brain = pe.Node(ApplyMask(), name="brain", mem_gb=MEMORY_GB["light"])
    chain = pe.Node(niu.Merge(2), name="chain", run_without_submitting=True)
    to_standard = pe.Node(ApplyTransforms(**threads), name="to_standard", mem_gb=MEMORY_GB["light"])
    save_transform = _save("save_transform", paths.coregistration[modality], None)
    save_subject = _save(
        "save_subject", paths.subject[modality], _image_facts(session, modality, fingerprint)
    )
    save_standard = _save("save_standard", paths.standard[modality], _standard_facts(session, modality))
    workflow.connect(
        [
            (check, align, [("out_file", "moving_file")]),
            (inputnode, align, [("t1w", "fixed_file"), ("mask", "fixed_mask")]),
            (inputnode, mask, [("mask", "in_file")]),
            (check, mask, [("out_file", "reference")]),
            (align, invert, [("transform", "transform")]),
            (invert, mask, [("inverse", "transforms")]),
            (check, corrected, [("out_file", "in_file")]),
            (mask, corrected, [("out_file", "mask_file")]),
            (corrected, to_t1w, [("out_file", "in_file")]),
            (inputnode, to_t1w, [("t1w", "reference")]),
            (align, to_t1w, [("transform", "transforms")]),
            (corrected, brain, [("out_file", "in_file")]),
            (mask, brain, [("out_file", "mask_file")]),
            (inputnode, chain, [("forward", "in1")]),
            (same_head, chain, [("transform", "in2")]),
            (brain, to_standard, [("out_file", "in_file")]),
            (chain, to_standard, [("out", "transforms")]),
            (same_head, save_transform, [("transform", "in_file")]),
            (check, save_subject, [("warnings", "warnings")]),
            (to_t1w, same_head, [("out_file", "in_file")]),
            (align, same_head, [("transform", "transform")]),
            (inputnode, same_head, [("t1w", "t1w_file"), ("mask", "mask_file")]),
            (same_head, save_subject, [("out_file", "in_file")]),
            (to_standard, save_standard, [("out_file", "in_file")]),
            (save_subject, outputnode, [("out_file", "subject")]),
            (save_standard, outputnode, [("out_file", "standard")]),
        ]
    )
    return workflow


def _merged_runs(
    workflow: pe.Workflow, modality: str, files: tuple[Path, ...], omp_nthreads: int
) -> tuple[pe.Node | None, Any]:
    """Give the node and field, or the file itself, that holds one image of `modality`."""
    if len(files) == 1:
        return None, str(files[0])
    checked = pe.MapNode(CheckImage(), iterfield=["in_file"], name="runs", mem_gb=MEMORY_GB["light"])
    checked.inputs.in_file = [str(path) for path in files]
    average = pe.Node(
        AverageRuns(num_threads=omp_nthreads),
        name="average_runs",
        mem_gb=MEMORY_GB["rigid"],
        n_procs=omp_nthreads,
    )
    workflow.connect([(checked, average, [("out_file", "in_files")])])
    return average, "out_file"


def _feed(workflow: pe.Workflow, source: pe.Node | None, value: Any, node: pe.Node, field: str) -> None:
    if source is None:
        node.set_input(field, value)
    else:
        workflow.connect([(source, node, [(value, field)])])


def _mask_node(session: SessionInputs, skull_strip: str, omp_nthreads: int) -> pe.Node:
    if session.origin is Origin.PREPROCESSED and session.derivative is not None:
        return pe.Node(
            UseMask(source_file=str(session.derivative.brain_mask)), name="mask", mem_gb=MEMORY_GB["light"]
        )
    method = "none" if session.origin is Origin.FREESURFER else skull_strip
    t1w = sequence_files(session)["T1w"][0]
    interface = ExtractBrain(method=method, source_file=str(t1w), num_threads=omp_nthreads)
    return pe.Node(interface, name="mask", mem_gb=MEMORY_GB["mask"], n_procs=omp_nthreads)


def _bias_node(session: SessionInputs, omp_nthreads: int) -> pe.Node:
    """N4, but for images that FreeSurfer or fMRIPrep have corrected already."""
    interface = CorrectBias(enabled=session.origin is Origin.RAW, num_threads=omp_nthreads)
    return pe.Node(interface, name="bias", mem_gb=MEMORY_GB["bias"], n_procs=omp_nthreads)


def _save(name: str, path: Path, sidecar: dict[str, Any] | None) -> pe.Node:
    node = pe.Node(SaveOutput(out_path=str(path)), name=name, run_without_submitting=True)
    if sidecar is not None:
        node.inputs.sidecar = sidecar
    return node


def _image_facts(session: SessionInputs, modality: str, fingerprint: str) -> dict[str, Any]:
    facts: dict[str, Any] = {"SkullStripped": False, "Sources": _sources(session, modality)}
    facts["Fingerprint"] = fingerprint
    if modality != "T1w":
        facts["SpatialReference"] = "the preprocessed T1w image of this person and session"
    return facts


def _standard_facts(session: SessionInputs, modality: str) -> dict[str, Any]:
    resolution = {"2": "2 mm isotropic, 91 x 109 x 91 voxels"}
    return {"SkullStripped": True, "Resolution": resolution, "Sources": _sources(session, modality)}


def _sources(session: SessionInputs, modality: str) -> list[str]:
    return [source_uri(path, session) for path in sequence_files(session)[modality]]


def source_uri(path: Path, session: SessionInputs) -> str:
    """Name an input as BIDS does, ``bids:raw:sub-01/anat/...``, by the dataset that it lies in."""
    return session.uri(path)
