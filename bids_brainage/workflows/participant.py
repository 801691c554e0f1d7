"""The whole job for one person and session, and for a batch of them, as one nipype graph."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nipype.interfaces import utility as niu
from nipype.pipeline import engine as pe

from bids_brainage.bids.selection import SessionInputs
from bids_brainage.config import RunConfig
from bids_brainage.interfaces.reports import WriteReport
from bids_brainage.workflows.completion import SessionState
from bids_brainage.workflows.prediction import init_prediction_wf
from bids_brainage.workflows.preprocessing import (
    init_preprocessing_wf,
    input_source,
    preprocessed_paths,
    sequence_files,
    source_uri,
)


@dataclass(frozen=True)
class Task:
    """What is left to do for one session.

    Attributes
    ----------
    session : SessionInputs
    state : SessionState
    """

    session: SessionInputs
    state: SessionState

    @property
    def workflow_name(self) -> str:
        """Name of the session's workflow, unique among sessions."""
        return re.sub(r"\W", "_", self.session.name) + "_wf"


def init_batch_wf(
    *, tasks: Sequence[Task], config: RunConfig, bundle: Path, dataset: str, name: str = "bids_brainage_wf"
) -> pe.Workflow:
    """Join the workflows of several sessions, with one page a participant at the end.

    Parameters
    ----------
    tasks : sequence of Task
        All sessions of a participant belong into the same batch.
    config : RunConfig
    bundle : Path
        Folder of the model bundle.
    dataset : str
        Name of the dataset, by which participants that were trained on are known.
    """
    workflow = pe.Workflow(name=name, base_dir=str(config.work_dir))
    for participant in dict.fromkeys(task.session.participant for task in tasks):
        own = [task for task in tasks if task.session.participant == participant]
        report = None if config.preproc_only else _report_node(participant, config, len(own))
        for number, task in enumerate(own, start=1):
            session_wf = init_session_wf(task=task, config=config, bundle=bundle, dataset=dataset)
            if report is None:
                workflow.add_nodes([session_wf])
            else:
                workflow.connect([(session_wf, report, [("outputnode.estimates", f"session{number}")])])
    return workflow


def init_session_wf(*, task: Task, config: RunConfig, bundle: Path, dataset: str) -> pe.Workflow:
    """Prepare one session's images, estimate brain age, explain it; leave out what is done already."""
    session, state = task.session, task.state
    workflow = pe.Workflow(name=task.workflow_name)
    outputnode = pe.Node(niu.IdentityInterface(fields=["estimates"]), name="outputnode")
    prepared = _prepared(workflow, task, config)
    estimates = pe.Node(niu.Merge(max(len(state.missing), 1)), name="estimates", run_without_submitting=True)
    person = person_facts(session, config, state, dataset)
    relevance = lrp_facts(config)
    for number, ensemble in enumerate(state.missing, start=1):
        prediction_wf = init_prediction_wf(
            ensemble=ensemble,
            bundle=bundle,
            person=person,
            out_dir=config.output_dir,
            relevance=relevance,
            modalities=config.modalities,
            # The ensembles are worked on side by side.
            omp_nthreads=max(1, config.omp_nthreads // len(state.missing)),
        )
        fields = ("mask", "forward", "inverse", "subject", "standard")
        workflow.connect(
            [
                (prepared, prediction_wf, [(f"{_prefix(prepared)}{f}", f"inputnode.{f}") for f in fields]),
                (prediction_wf, estimates, [("outputnode.estimate", f"in{number}")]),
            ]
        )
    if not state.missing:
        workflow.connect([(prepared, estimates, [(f"{_prefix(prepared)}mask", "in1")])])
    workflow.connect([(estimates, outputnode, [("out", "estimates")])])
    return workflow


def person_facts(
    session: SessionInputs, config: RunConfig, state: SessionState, dataset: str
) -> dict[str, Any]:
    """Collect what the estimate's file says of the person, the images and the run."""
    files = sequence_files(session)
    return {
        "participant_id": session.participant,
        "session_id": session.session,
        "dataset": dataset,
        "age": session.age,
        "sex": session.sex,
        "simulated": session.simulated,
        "measured": session.measured,
        "preprocessing": {"source": input_source(session), "skull_strip": config.skull_strip},
        "lrp": lrp_facts(config),
        "inputs": [source_uri(path, session) for group in files.values() for path in group],
        "warnings": list(session.warnings),
        "fingerprints": dict(state.estimates),
    }


def lrp_facts(config: RunConfig) -> dict[str, str] | None:
    """How estimates are explained; None where they are not."""
    if config.no_relevance:
        return None
    return {
        "rule": config.lrp_rule,
        "backend": config.lrp_backend,
        "aggregation": config.relevance_aggregation,
    }


def init_reports_wf(
    *, participants: Mapping[str, Sequence[tuple[str, Path]]], config: RunConfig
) -> pe.Workflow:
    """Only the pages, from what stands in the derivatives folder.

    Parameters
    ----------
    participants : mapping
        Label to the sentences and crash files of what failed, if anything did.
    config : RunConfig
    """
    workflow = pe.Workflow(name="reports_wf", base_dir=str(config.work_dir))
    for participant, crashes in participants.items():
        node = _report_node(participant, config, 0)
        node.inputs.errors = [sentence for sentence, _ in crashes]
        node.inputs.crash_files = [str(path) for _, path in crashes]
        workflow.add_nodes([node])
    return workflow


def _prepared(workflow: pe.Workflow, task: Task, config: RunConfig) -> Any:
    """Preprocess, or hand on what an earlier run prepared."""
    session, state = task.session, task.state
    if not state.preprocessed:
        preprocessing_wf = init_preprocessing_wf(
            session=session,
            out_dir=config.output_dir,
            skull_strip=config.skull_strip,
            omp_nthreads=config.omp_nthreads,
            seed=config.random_seed,
            fingerprints=state.preprocessing,
        )
        workflow.add_nodes([preprocessing_wf])
        return preprocessing_wf
    paths = preprocessed_paths(session, config.output_dir)
    fields = ["mask", "forward", "inverse", "subject", "standard"]
    kept = pe.Node(niu.IdentityInterface(fields=fields), name="prepared")
    kept.inputs.trait_set(
        mask=str(paths.mask),
        forward=str(paths.forward),
        inverse=str(paths.inverse),
        subject=[str(path) for path in paths.subject.values()],
        standard=[str(path) for path in paths.standard.values()],
    )
    return kept


def _prefix(node: Any) -> str:
    return "outputnode." if isinstance(node, pe.Workflow) else ""


def _report_node(participant: str, config: RunConfig, sessions: int) -> pe.Node:
    report = WriteReport(
        numinputs=sessions,
        out_dir=str(config.output_dir),
        participant=participant,
        log_dir=str(config.log_dir),
    )
    return pe.Node(report, name=f"sub_{participant}_report", mem_gb=1.5)
