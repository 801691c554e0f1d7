"""From raw images (or FreeSurfer's, or fMRIPrep's) to images in T1w space and in MNI152NLin6Asym."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nipype.interfaces import utility as niu
from nipype.pipeline import engine as pe
from niworkflows.interfaces.nibabel import ApplyMask

from bids_brainage.bids.derivatives import Origin
from bids_brainage.bids.selection import SessionInputs
from bids_brainage.config import RunConfig
from bids_brainage.interfaces.images import (
    CheckImage,
    Conform,
    CorrectBias,
    ExtractBrain,
    MaskImage,
    UseMask,
)
from bids_brainage.interfaces.outputs import PublishImages
from bids_brainage.interfaces.registration import (
    Aligned,
    ApplyTransforms,
    CheckSameHead,
    InvertRigid,
    RegisterLinear,
    RegisterRigid,
    RegisterTemplate,
    UseTransforms,
)
from bids_brainage.records.reading import FinishedSession, SessionPlace, read_session
from bids_brainage.records.session import FIRST, LINEAR, TEMPLATE, source_of
from bids_brainage.workflows.completion import SessionState
from bids_brainage.workflows.node_names import workflow_of
from bids_brainage.workflows.sources import sequence_files

#: Fields that preprocessing the T1w image passes on.
ANATOMICAL = ("t1w", "mask", "native_voxel_size")


def init_preprocessing_wf(
    *,
    session: SessionInputs,
    state: SessionState,
    config: RunConfig,
    name: str = "preprocessing_wf",
) -> pe.Workflow:
    """Prepare those images of one session that are not finished.

    The T1w image is conformed (1 mm, LIA), its brain found, its bias field divided out and its brain
    warped to MNI152NLin6Asym. Each other sequence is aligned rigidly with it, corrected on its own
    grid, and brought to either space with one interpolation. Each modality ends with a node that puts its
    files into the derivatives folder; later nodes read them there, so that they find them unchanged when
    they run again.

    Parameters
    ----------
    session : SessionInputs
        The images.
    state : SessionState
        Which modalities are left to prepare, and their fingerprints.
    config : RunConfig

    Returns
    -------
    Workflow
        ``outputnode.done`` lists the modalities that were prepared.
    """
    workflow = pe.Workflow(name=name)
    outputnode = pe.Node(niu.IdentityInterface(fields=["done"]), name="outputnode")
    done = pe.Node(niu.Merge(len(state.unprepared)), name="done", run_without_submitting=True)
    workflow.connect([(done, outputnode, [("out", "done")])])
    prepared = read_session(SessionPlace.of(config.output_dir, session.participant, session.session))
    steps: dict[str, tuple[Any, str]] = {}
    for number, modality in enumerate(state.unprepared, start=1):
        stage_wf = _init_stage_wf(session=session, modality=modality, state=state, config=config)
        steps[modality] = (stage_wf, "outputnode.")
        workflow.connect([(stage_wf, done, [("outputnode.done", f"in{number}")])])
    anatomical, before = steps.get(FIRST) or (_finished_anatomical(prepared), "")
    ways = (TEMPLATE, *LINEAR)
    as_they_are = [name for name in steps if source_of(name) is not None]
    for way in (way for way in ways if way in steps):
        fields = ANATOMICAL if way == TEMPLATE else ANATOMICAL[:2]
        connect_to = [(f"{before}{field}", f"inputnode.{field}") for field in fields]
        workflow.connect([(anatomical, steps[way][0], connect_to)])
    sequences = [
        stage_wf for modality, (stage_wf, _) in steps.items() if modality not in (FIRST, *ways, *as_they_are)
    ]
    if not sequences:
        return workflow
    template, after = steps.get(TEMPLATE) or (_finished_template(prepared), "")
    for stage_wf in sequences:
        workflow.connect(
            [
                (
                    anatomical,
                    stage_wf,
                    [(f"{before}{field}", f"inputnode.{field}") for field in ANATOMICAL[:2]],
                ),
                (template, stage_wf, [(f"{after}forward", "inputnode.forward")]),
            ]
        )
    return workflow


def _init_stage_wf(
    *, session: SessionInputs, modality: str, state: SessionState, config: RunConfig
) -> pe.Workflow:
    if modality == FIRST:
        return init_anatomical_wf(session=session, state=state, config=config)
    if modality == TEMPLATE:
        return init_template_wf(session=session, state=state, config=config)
    if modality in LINEAR:
        return init_linear_wf(session=session, kind=modality, state=state, config=config)
    if source_of(modality) is not None:
        return init_source_wf(session=session, stage=modality, state=state, config=config)
    return init_sequence_wf(session=session, modality=modality, state=state, config=config)


def init_anatomical_wf(
    *, session: SessionInputs, state: SessionState, config: RunConfig, name: str = "anatomical_wf"
) -> pe.Workflow:
    """Prepare the T1w image: conform, brain mask, bias field."""
    workflow = pe.Workflow(name=name)
    omp_nthreads = config.omp_nthreads
    outputnode = pe.Node(niu.IdentityInterface(fields=[*ANATOMICAL, "done"]), name="outputnode")
    conform = _reading_node(Conform, sequence_files(session)[FIRST], "conform", omp_nthreads)
    # What others prepared lies where their transforms and masks have it.
    conform.inputs.upright = session.origin is Origin.RAW
    mask = _mask_node(session, config.skull_strip, omp_nthreads)
    corrected = _bias_node(session, omp_nthreads)
    warnings = pe.Node(niu.Merge(2), name="warnings", run_without_submitting=True)
    publish = _publish(session, FIRST, state, config)
    publish.inputs.preparation = preparation_facts(session, config)
    workflow.connect(
        [
            (conform, mask, [("out_file", "in_file")]),
            (conform, corrected, [("out_file", "in_file")]),
            (mask, corrected, [("mask_file", "mask_file")]),
            (conform, warnings, [("warnings", "in1")]),
            (mask, warnings, [("warnings", "in2")]),
            (warnings, publish, [("out", "warnings")]),
            (
                conform,
                publish,
                [
                    ("native_voxel_size", "native_voxel_size"),
                    ("voxel_extent", "voxel_extent"),
                    ("interpolation", "interpolation"),
                ],
            ),
            (mask, publish, [("mask_file", "mask"), ("method", "method")]),
            (corrected, publish, [("out_file", "subject")]),
            (conform, outputnode, [("native_voxel_size", "native_voxel_size")]),
            (publish, outputnode, [("subject", "t1w"), ("mask", "mask"), ("done", "done")]),
        ]
    )
    return workflow


def init_template_wf(
    *, session: SessionInputs, state: SessionState, config: RunConfig, name: str = "template_wf"
) -> pe.Workflow:
    """Warp the T1w image to MNI152NLin6Asym, while other sequences are being aligned with it."""
    workflow = pe.Workflow(name=name)
    named = {"source_file": str(sequence_files(session)[FIRST][0]), "num_threads": config.omp_nthreads}
    inputnode = pe.Node(niu.IdentityInterface(fields=list(ANATOMICAL)), name="inputnode")
    outputnode = pe.Node(niu.IdentityInterface(fields=["forward", "done"]), name="outputnode")
    brain = pe.Node(MaskImage(), name="brain")
    register = _register_node(session, config)
    to_standard = pe.Node(ApplyTransforms(**named), name="to_standard")
    publish = _publish(session, TEMPLATE, state, config)
    workflow.connect(
        [
            (inputnode, brain, [("t1w", "in_file"), ("mask", "mask_file")]),
            (brain, to_standard, [("out_file", "in_file")]),
            (register, to_standard, [("forward", "transforms")]),
            (register, publish, [("forward", "forward"), ("inverse", "inverse")]),
            (to_standard, publish, [("out_file", "standard")]),
            (publish, outputnode, [("forward", "forward"), ("done", "done")]),
        ]
    )
    if session.template_transforms is None:
        workflow.connect(
            [
                (inputnode, register, [("mask", "mask_file"), ("native_voxel_size", "native_voxel_size")]),
                (brain, register, [("out_file", "brain_file")]),
            ]
        )
    return workflow


def init_linear_wf(
    *, session: SessionInputs, kind: str, state: SessionState, config: RunConfig
) -> pe.Workflow:
    """Register the T1w image to MNI152NLin6Asym linearly, for networks that were trained on such images."""
    workflow = pe.Workflow(name=f"{kind}_wf")
    inputnode = pe.Node(niu.IdentityInterface(fields=list(ANATOMICAL[:2])), name="inputnode")
    outputnode = pe.Node(niu.IdentityInterface(fields=["done"]), name="outputnode")
    brain = pe.Node(MaskImage(), name="brain")
    interface = RegisterLinear(
        kind=kind,
        seed=config.random_seed,
        num_threads=config.omp_nthreads,
        source_file=str(sequence_files(session)[FIRST][0]),
    )
    register = pe.Node(interface, name="register", n_procs=config.omp_nthreads)
    publish = _publish(session, kind, state, config)
    workflow.connect(
        [
            (inputnode, brain, [("t1w", "in_file"), ("mask", "mask_file")]),
            (inputnode, register, [("mask", "mask_file")]),
            (brain, register, [("out_file", "brain_file")]),
            (register, publish, [("forward", "forward"), ("inverse", "inverse")]),
            (publish, outputnode, [("done", "done")]),
        ]
    )
    return workflow


def init_source_wf(
    *, session: SessionInputs, stage: str, state: SessionState, config: RunConfig
) -> pe.Workflow:
    """Keep an image on its own grid, for a network that takes it in as it is; repetitions are averaged."""
    workflow = pe.Workflow(name=workflow_of(stage))
    outputnode = pe.Node(niu.IdentityInterface(fields=["done"]), name="outputnode")
    files = _files_of(session, stage)
    check = _reading_node(CheckImage, files, "check", config.omp_nthreads)
    check.inputs.as_it_is = source_of(stage) != "native"
    publish = _publish(session, stage, state, config)
    workflow.connect(
        [
            (check, publish, [("out_file", "subject"), ("warnings", "warnings")]),
            (publish, outputnode, [("done", "done")]),
        ]
    )
    return workflow


def init_sequence_wf(
    *, session: SessionInputs, modality: str, state: SessionState, config: RunConfig
) -> pe.Workflow:
    """Prepare FLAIR or SWI: align with T1w, correct the bias on its own grid, resample once."""
    workflow = pe.Workflow(name=f"{modality.lower()}_wf")
    omp_nthreads = config.omp_nthreads
    threads = {"num_threads": omp_nthreads}
    inputnode = pe.Node(niu.IdentityInterface(fields=["t1w", "mask", "forward"]), name="inputnode")
    outputnode = pe.Node(niu.IdentityInterface(fields=["done"]), name="outputnode")
    files = sequence_files(session)
    check = _reading_node(CheckImage, files[modality], "check", omp_nthreads)
    aligned = modality == "FLAIR" and session.flair_is_aligned
    align = _align_node(aligned, files[modality][0], config)
    invert = pe.Node(niu.IdentityInterface(fields=["inverse"]), name="back")
    if not aligned:
        invert = pe.Node(InvertRigid(), name="invert", run_without_submitting=True)
    mask = pe.Node(ApplyTransforms(interpolation="nearest", **threads), name="mask")
    named = {"source_file": str(files[modality][0]), **threads}
    corrected = pe.Node(CorrectBias(**named), name="bias", n_procs=omp_nthreads)
    to_t1w = pe.Node(ApplyTransforms(**named), name="to_t1w")
    same_head = pe.Node(
        CheckSameHead(source_file=str(files[modality][0]), t1w_source=str(files[FIRST][0])),
        name="same_head",
    )
    brain = pe.Node(ApplyMask(), name="brain")
    inside = pe.Node(ApplyMask(), name="inside")
    chain = pe.Node(niu.Merge(2), name="chain", run_without_submitting=True)
    to_standard = pe.Node(ApplyTransforms(**named), name="to_standard")
    publish = _publish(session, modality, state, config)
    workflow.connect(
        [
            (inputnode, mask, [("mask", "in_file")]),
            (check, mask, [("out_file", "reference")]),
            (align, invert, [("inverse", "inverse") if aligned else ("transform", "transform")]),
            (invert, mask, [("inverse", "transforms")]),
            (check, corrected, [("out_file", "in_file")]),
            (mask, corrected, [("out_file", "mask_file")]),
            (corrected, to_t1w, [("out_file", "in_file")]),
            (inputnode, to_t1w, [("t1w", "reference")]),
            (align, to_t1w, [("transform", "transforms")]),
            (corrected, brain, [("out_file", "in_file")]),
            (mask, brain, [("out_file", "in_mask")]),
            (inputnode, chain, [("forward", "in1")]),
            (same_head, chain, [("transform", "in2")]),
            (brain, to_standard, [("out_file", "in_file")]),
            (chain, to_standard, [("out", "transforms")]),
            (to_t1w, same_head, [("out_file", "in_file")]),
            (align, same_head, [("transform", "transform")]),
            (inputnode, same_head, [("t1w", "t1w_file"), ("mask", "mask_file")]),
            (same_head, inside, [("out_file", "in_file")]),
            (inputnode, inside, [("mask", "in_mask")]),
            (check, publish, [("warnings", "warnings"), ("voxel_extent", "voxel_extent")]),
            (inside, publish, [("out_file", "subject")]),
            (to_standard, publish, [("out_file", "standard")]),
            (publish, outputnode, [("done", "done")]),
        ]
    )
    if not aligned:
        workflow.connect(
            [
                (check, align, [("out_file", "moving_file")]),
                (inputnode, align, [("t1w", "fixed_file"), ("mask", "fixed_mask")]),
                (same_head, publish, [("transform", "rigid")]),
            ]
        )
    return workflow


def _register_node(session: SessionInputs, config: RunConfig) -> pe.Node:
    """To the template, by SyN or, where derivatives have both ways, by theirs."""
    if session.template_transforms is not None:
        forward, inverse = session.template_transforms
        use = UseTransforms(forward_file=str(forward), inverse_file=str(inverse))
        return pe.Node(use, name="register")
    register = RegisterTemplate(
        seed=config.random_seed,
        num_threads=config.omp_nthreads,
        source_file=str(sequence_files(session)[FIRST][0]),
    )
    return pe.Node(register, name="register", n_procs=config.omp_nthreads)


def _align_node(aligned: bool, source: Path, config: RunConfig) -> pe.Node:
    """To the T1w image, where a sequence does not lie in its space already."""
    if aligned:
        return pe.Node(Aligned(), name="align", run_without_submitting=True)
    register = RegisterRigid(
        seed=config.random_seed, num_threads=config.omp_nthreads, source_file=str(source)
    )
    return pe.Node(register, name="align", n_procs=config.omp_nthreads)


def preparation_facts(session: SessionInputs, config: RunConfig) -> dict[str, Any]:
    """What is known in advance about how a session's T1w image is prepared; see `Preparation`."""
    prepared = session.derivative if session.origin is Origin.PREPROCESSED else None
    return {
        "origin": str(session.origin),
        "source": None if prepared is None else prepared.source,
        "software": () if prepared is None else prepared.software,
        "skull_strip": config.skull_strip,
        "bias_corrected": session.origin is Origin.RAW,
        "registered": session.template_transforms is None,
        "aligned": ("FLAIR",) if session.flair_is_aligned else (),
    }


def _finished_anatomical(finished: FinishedSession | None) -> pe.Node:
    """The prepared T1w image of an earlier run."""
    assert finished is not None
    assert finished.t1w is not None
    t1w, mask = map(str, finished.t1w)
    node = pe.Node(niu.IdentityInterface(fields=list(ANATOMICAL)), name="anatomical")
    size = finished.preparation().native_voxel_size
    node.inputs.trait_set(t1w=t1w, mask=mask, native_voxel_size=1.0 if size is None else size)
    return node


def _finished_template(finished: FinishedSession | None) -> pe.Node:
    """The way to the template that an earlier run found."""
    assert finished is not None
    assert finished.warps is not None
    node = pe.Node(niu.IdentityInterface(fields=["forward"]), name="template")
    node.inputs.forward = str(finished.warps[0])
    return node


def _publish(session: SessionInputs, modality: str, state: SessionState, config: RunConfig) -> pe.Node:
    """The node that ends a modality. It runs in the program's own process, so that no two run at a time."""
    publish = PublishImages(
        out_dir=str(config.output_dir),
        participant=session.participant,
        session=session.session,
        modality=modality,
        fingerprint=state.preprocessing[modality],
        input_marks={name: mark.model_dump() for name, mark in state.inputs.get(modality, {}).items()},
        sources=[session.uri(path) for path in _files_of(session, modality)],
    )
    return pe.Node(publish, name="publish", run_without_submitting=True)


def _files_of(session: SessionInputs, stage: str) -> tuple[Path, ...]:
    """The files that a stage begins with."""
    if (source := source_of(stage)) is not None:
        modality = stage.partition("/")[0]
        return session.images[modality] if source == "native" else (session.sources[modality, source],)
    return sequence_files(session)[FIRST if stage in (TEMPLATE, *LINEAR) else stage]


def _reading_node(
    interface: type[Conform] | type[CheckImage], files: tuple[Path, ...], name: str, omp_nthreads: int
) -> pe.Node:
    """Read the one image of a sequence, or align its repetitions and average them."""
    read = interface(in_files=[str(path) for path in files], num_threads=omp_nthreads)
    if len(files) == 1:
        return pe.Node(read, name=name)
    return pe.Node(read, name=name, n_procs=omp_nthreads)


def _mask_node(session: SessionInputs, skull_strip: str, omp_nthreads: int) -> pe.Node:
    if session.origin is Origin.PREPROCESSED and session.derivative is not None:
        return pe.Node(UseMask(source_file=str(session.derivative.brain_mask)), name="mask")
    method = "none" if session.origin is Origin.FREESURFER else skull_strip
    t1w = sequence_files(session)["T1w"][0]
    interface = ExtractBrain(method=method, source_file=str(t1w), num_threads=omp_nthreads)
    return pe.Node(interface, name="mask", n_procs=omp_nthreads)


def _bias_node(session: SessionInputs, omp_nthreads: int) -> pe.Node:
    """N4, but for images that FreeSurfer or fMRIPrep have corrected already."""
    interface = CorrectBias(
        enabled=session.origin is Origin.RAW,
        source_file=str(sequence_files(session)[FIRST][0]),
        num_threads=omp_nthreads,
    )
    return pe.Node(interface, name="bias", n_procs=omp_nthreads)
