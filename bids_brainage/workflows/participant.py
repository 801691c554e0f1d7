"""The whole job for one person and session, for a batch of them, and their pages, as nipype graphs."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nipype.pipeline import engine as pe

import bids_brainage
from bids_brainage.bids.naming import session_name
from bids_brainage.bids.selection import SessionInputs
from bids_brainage.config import RunConfig
from bids_brainage.estimates.options import EstimationOptions, PersonFacts
from bids_brainage.interfaces.estimation import EstimateSession
from bids_brainage.interfaces.reports import WriteReport
from bids_brainage.records.estimate import ExplanationFacts
from bids_brainage.terms import PAPER_RULE, REFERENCE_MAPS
from bids_brainage.workflows.completion import SessionState
from bids_brainage.workflows.crashes import Crash
from bids_brainage.workflows.memory import NEEDS, USUAL, declare_memory, estimate_gb, grids_of
from bids_brainage.workflows.models import Models
from bids_brainage.workflows.preprocessing import init_preprocessing_wf
from bids_brainage.workflows.sources import sequence_files

#: Steps of another version in the work folder are not mistaken for this one's.
BATCH = "bids_brainage_" + re.sub(r"\W", "_", bids_brainage.__version__) + "_wf"
REPORTS = "reports_wf"


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
        return workflow_name(self.session.name)


def workflow_name(session: str) -> str:
    """A session's name (``sub-01_ses-1``) as nipype takes it.

    Characters other than letters and digits become their numbers, so that names stay distinct.
    """
    plain = session.replace("-", "_")
    return re.sub(r"\W", lambda found: f"_{ord(found[0]):x}_", plain, flags=re.ASCII)


def init_batch_wf(*, tasks: Sequence[Task], config: RunConfig, models: Models, dataset: str) -> pe.Workflow:
    """Join the workflows of several sessions.

    Parameters
    ----------
    tasks : sequence of Task
    config : RunConfig
    models : Models
    dataset : str
        Name of the dataset, by which participants that were trained on are known.
    """
    workflow = pe.Workflow(name=BATCH, base_dir=str(config.work_dir))
    # Explaining gives the same maps on any number of threads, so it may use what no other step needs.
    spare = 1 if config.low_mem else config.nprocs // len(tasks)
    threads = max(config.omp_nthreads, spare)
    for task in tasks:
        workflow.add_nodes(
            [init_session_wf(task=task, config=config, models=models, dataset=dataset, threads=threads)]
        )
    return workflow


def init_session_wf(
    *, task: Task, config: RunConfig, models: Models, dataset: str, threads: int = 1
) -> pe.Workflow:
    """Prepare one session's images, estimate brain age and explain it; leave out what is done already.

    Models come one after the other: no two write a session's results at a time. Those that have none of their
    sequences come last: they fail, and what comes after them is not done.
    """
    session, state = task.session, task.state
    workflow = pe.Workflow(name=task.workflow_name)
    grids = grids_of(session)
    prepared = None
    if state.unprepared:
        prepared = init_preprocessing_wf(session=session, state=state, config=config)
        declare_memory(prepared, grids)
        workflow.add_nodes([prepared])
    before: tuple[pe.Node, str] | None = (prepared, "outputnode.done") if prepared else None
    there = _sequences(session)
    for bundle in sorted(models.bundles, key=lambda own: not there & own.modalities):
        missing = [name for name in models.chosen(bundle) if name in state.missing]
        if not missing:
            continue
        estimate = pe.Node(
            EstimateSession(
                out_dir=str(config.output_dir),
                bundle=str(bundle.path),
                beside=[own.sha256 for own in models.bundles if own is not bundle],
                fingerprints={name: state.estimates[name] for name in missing},
                prepared=dict(state.preprocessing),
                person=person_facts(session, dataset),
                options=estimation_options(config, session, threads, bundle.lrp_rule),
            ),
            name="estimate" if len(models.bundles) == 1 else f"estimate_{'_'.join(missing)}",
            mem_gb=estimate_gb(bundle, grids, threads),
            n_procs=threads,
        )
        if before is None:
            workflow.add_nodes([estimate])
        else:
            workflow.connect([(before[0], estimate, [(before[1], "done")])])
        before = estimate, "ensembles"
    return workflow


def person_facts(session: SessionInputs, dataset: str) -> PersonFacts:
    """What the estimate's file says about the person."""
    files = [path for group in sequence_files(session).values() for path in group]
    files += session.sources.values()
    return PersonFacts(
        participant=session_name(session.participant, None),
        session=f"ses-{session.session}" if session.session else None,
        dataset=dataset,
        age=session.age,
        measured=session.measured,
        sex=session.sex,
        groups=dict(session.groups),
        simulated=session.simulated,
        inputs=tuple(session.uri(path) for path in files),
        warnings=tuple(session.warnings),
    )


def estimation_options(
    config: RunConfig, session: SessionInputs, threads: int = 1, rule: str = PAPER_RULE
) -> EstimationOptions:
    """How a session is estimated and explained, and what is kept of it; `rule` is the model's."""
    there = _sequences(session)
    return EstimationOptions(
        modalities=tuple(modality for modality in config.modalities if modality in there),
        lrp=explanation_facts(config, rule),
        references=explained_against(config),
        aggregation=config.relevance_aggregation,
        spaces=tuple(space.partition(":")[0] for space in config.output_spaces),
        sub_ensemble_maps=config.maps == "sub-ensemble",
        threads=threads,
    )


def _sequences(session: SessionInputs) -> set[str]:
    """The sequences of which a session has images, raw or prepared by others."""
    return sequence_files(session).keys() | {modality for modality, _ in session.sources}


def explained_against(config: RunConfig) -> tuple[str, ...]:
    """The kinds of reference that maps are made against."""
    return () if config.no_relevance else tuple(kind for kind in REFERENCE_MAPS if kind in config.explain)


def explanation_facts(config: RunConfig, rule: str = PAPER_RULE) -> ExplanationFacts | None:
    """How estimates are explained by LRP, by `rule` unless another is asked for; None if they are not."""
    if config.no_relevance or "lrp" not in config.explain:
        return None
    return ExplanationFacts(
        rule=config.lrp_rule or rule,
        backend=config.lrp_backend,
        aggregation=config.relevance_aggregation,
    )


def init_reports_wf(*, participants: Mapping[str, Sequence[Crash]], config: RunConfig) -> pe.Workflow:
    """The pages of participants, from what is in the derivatives folder.

    Parameters
    ----------
    participants : mapping
        Label to what failed, if anything did.
    config : RunConfig
    """
    workflow = pe.Workflow(name=REPORTS, base_dir=str(config.work_dir))
    gigabytes = NEEDS["report"].gb(USUAL)
    for participant, crashes in participants.items():
        report = WriteReport(
            out_dir=str(config.output_dir),
            participant=participant,
            command=shlex.join(sys.argv),
            errors=[crash.sentence for crash in crashes],
            crash_files=[str(crash.path) for crash in crashes],
        )
        workflow.add_nodes([pe.Node(report, name=report_name(participant), mem_gb=gigabytes)])
    return workflow


def report_name(participant: str) -> str:
    """Name of the node that writes a participant's page."""
    return f"{workflow_name(session_name(participant, None))}_report"
