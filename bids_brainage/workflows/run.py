"""Run the participant level: what is missing, in batches, with everybody's failure told by name."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bids_brainage import messages
from bids_brainage.bids.selection import SessionInputs
from bids_brainage.config import RunConfig

LOGGER = logging.getLogger(__name__)

# Participants in one graph: enough to keep the processors busy, few enough that nipype's bookkeeping,
# which grows with the square of the graph, stays small.
PARTICIPANTS_PER_PROCESS = 4
SMALLEST_BATCH = 8


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended, by session (``sub-01_ses-1``).

    Attributes
    ----------
    done : tuple of str
        Computed in this run.
    skipped : tuple of str
        Finished by an earlier run.
    failed : dict of str to str
        With the sentence that says why.
    """

    done: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    failed: dict[str, str] = field(default_factory=dict)


def run_participants(config: RunConfig, sessions: Sequence[SessionInputs]) -> RunOutcome:
    """Process every session that is not finished yet.

    Parameters
    ----------
    config : RunConfig
    sessions : sequence of SessionInputs

    Returns
    -------
    RunOutcome

    Raises
    ------
    BundleError
        If the model bundle cannot be used.
    """
    from bids_brainage.models.bundles.bundle import load_bundle
    from bids_brainage.workflows.citation import write_citation_of, write_planned_citation
    from bids_brainage.workflows.completion import session_state
    from bids_brainage.workflows.participant import Task

    bundle = None if config.preproc_only else load_bundle(config.model)
    if bundle is not None:
        config = replace(config, ensemble=chosen_ensembles(config, bundle))
        sessions = with_measured(sessions, config, bundle)
    if config.boilerplate_only:
        write_planned_citation(sessions, config, bundle)
        return RunOutcome(skipped=tuple(session.name for session in sessions))
    sha256 = "" if bundle is None else bundle.sha256
    tasks = [Task(s, session_state(s, config, config.ensemble, sha256)) for s in sessions]
    todo = [task for task in tasks if not _finished(task, config)]
    skipped = tuple(task.session.name for task in tasks if task not in todo)
    for name in skipped:
        LOGGER.info(messages.FINISHED_BEFORE.format(name=name))
    outcome = RunOutcome(skipped=skipped)
    if config.reports_only:
        return _only_reports(tasks, config)
    if todo:
        bundle_path = Path() if bundle is None else bundle.path
        outcome = _run_tasks(todo, tasks, config, bundle_path, sha256, outcome)
    if not config.preproc_only:
        write_citation_of(sessions, config)
    return outcome


def chosen_ensembles(config: RunConfig, bundle: Any) -> tuple[str, ...]:
    """Those asked for, which the bundle must have; without a word all it has."""
    for name in config.ensemble:
        bundle.ensemble_record(name)
    return config.ensemble or tuple(bundle.ensembles)


def with_measured(sessions: Sequence[SessionInputs], config: RunConfig, bundle: Any) -> list[SessionInputs]:
    """The sessions with what the tables say of the bundle's target, where that is not age."""
    if bundle.estimates_age:
        return list(sessions)
    from bids_brainage.bids.participants import ParticipantsTable

    table, column = ParticipantsTable(config.bids_dir / "participants.tsv"), bundle.record.target
    found = []
    for session in sessions:
        value = table.number(session.participant, session.session, column)
        warnings = session.warnings
        if value is None:
            sentence = messages.NO_MEASURED_VALUE.format(path=table.path, name=session.name, column=column)
            LOGGER.warning("%s", sentence)
            warnings = (*warnings, sentence)
        found.append(replace(session, measured=value, warnings=warnings))
    return found


def _finished(task: Any, config: RunConfig) -> bool:
    """Nothing to compute, and the page is there."""
    page = config.output_dir / f"sub-{task.session.participant}.html"
    return task.state.finished and (config.preproc_only or page.is_file())


def _only_reports(tasks: Sequence[Any], config: RunConfig) -> RunOutcome:
    """Write the pages anew from what stands in the derivatives folder (--reports-only)."""
    from bids_brainage.workflows.participant import init_reports_wf
    from bids_brainage.workflows.progress import Progress, read_crashes

    configure_nipype(config)
    participants: dict[str, list[tuple[str, Path]]] = {task.session.participant: [] for task in tasks}
    pages = {f"sub_{label}_report": label for label in participants}
    plugin, plugin_args = find_plugin(config, Progress({}, config.log_dir))
    try:
        run_workflow(init_reports_wf(participants=participants, config=config), config, plugin, plugin_args)
    finally:
        if hasattr(plugin, "close"):
            plugin.close()
    crashes = read_crashes(config.log_dir, pages)
    failed = {f"sub-{label}": found[0][0] for label, found in crashes.items()}
    done = tuple(f"sub-{label}" for label in participants if label not in crashes)
    return RunOutcome(done=done, failed=failed)


def _run_tasks(
    todo: Sequence[Any],
    tasks: Sequence[Any],
    config: RunConfig,
    bundle: Path,
    sha256: str,
    outcome: RunOutcome,
) -> RunOutcome:
    from bids_brainage.workflows.progress import Progress, read_crashes

    configure_nipype(config)
    people = {task.workflow_name: task.session.name for task in tasks}
    progress = Progress(people, config.log_dir)
    plugin, plugin_args = find_plugin(config, progress)
    done: list[str] = []
    failed: dict[str, str] = {}
    total = len(todo)
    try:
        for batch in _batches(todo, config):
            _run_batch(batch, config, bundle, plugin, plugin_args)
            crashes = read_crashes(config.log_dir, people)
            for task in batch:
                name = task.session.name
                if name not in crashes and _complete(task.session, config, sha256):
                    done.append(name)
                    LOGGER.info(messages.SESSION_DONE.format(name=name, number=len(done), total=total))
                    continue
                failed[name] = crashes[name][0][0] if name in crashes else messages.SESSION_INCOMPLETE
                LOGGER.error(messages.SESSION_FAILED.format(name=name, reason=failed[name]))
            unfinished = [task for task in batch if task.session.name in failed]
            _report_failures(unfinished, crashes, config, plugin, plugin_args)
    finally:
        if hasattr(plugin, "close"):
            plugin.close()
    return RunOutcome(tuple(done), outcome.skipped, failed)


def _run_batch(
    batch: Sequence[Any], config: RunConfig, bundle: Path, plugin: Any, plugin_args: Mapping[str, Any]
) -> None:
    """Run one graph. Nodes that fail leave crash files; the graph goes on without what depends on them."""
    from bids_brainage.bids.dataset import read_json
    from bids_brainage.workflows.participant import init_batch_wf

    dataset = str(read_json(config.bids_dir / "dataset_description.json").get("Name", ""))
    workflow = init_batch_wf(tasks=batch, config=config, bundle=bundle, dataset=dataset)
    run_workflow(workflow, config, plugin, plugin_args)


def run_workflow(workflow: Any, config: RunConfig, plugin: Any, plugin_args: Mapping[str, Any]) -> None:
    try:
        workflow.run(plugin=plugin, plugin_args=dict(plugin_args))
    except RuntimeError as error:
        if config.stop_on_first_crash:
            raise
        LOGGER.debug("nipype: %s", error)


def _report_failures(
    tasks: Sequence[Any],
    crashes: Mapping[str, Sequence[tuple[str, Path]]],
    config: RunConfig,
    plugin: Any,
    plugin_args: Mapping[str, Any],
) -> None:
    """Write the pages of those who failed, errors and all, from what they have come to."""
    from bids_brainage.workflows.participant import init_reports_wf

    if not tasks or config.preproc_only:
        return
    participants: dict[str, list[tuple[str, Path]]] = {}
    for task in tasks:
        participants.setdefault(task.session.participant, []).extend(crashes.get(task.session.name, ()))
    run_workflow(init_reports_wf(participants=participants, config=config), config, plugin, plugin_args)


def _complete(session: SessionInputs, config: RunConfig, sha256: str) -> bool:
    from bids_brainage.workflows.completion import session_state

    return session_state(session, config, config.ensemble, sha256).finished


def _batches(tasks: Sequence[Any], config: RunConfig) -> Iterator[list[Any]]:
    """Cut the tasks into batches that never part a participant's sessions."""
    size = max(SMALLEST_BATCH, PARTICIPANTS_PER_PROCESS * config.nprocs)
    by_participant: dict[str, list[Any]] = {}
    for task in tasks:
        by_participant.setdefault(task.session.participant, []).append(task)
    batch: list[Any] = []
    for number, own in enumerate(by_participant.values(), start=1):
        batch += own
        if number % size == 0:
            yield batch
            batch = []
    if batch:
        yield batch


def configure_nipype(config: RunConfig) -> None:
    """Set nipype up: crash files as text beside the log, its own chatter quiet, no network."""
    import nipype
    from nipype import config as nipype_config
    from nipype import logging as nipype_logging

    nipype_config.update_config(
        {
            "execution": {
                "crashdump_dir": str(config.log_dir),
                "crashfile_format": "txt",
                "stop_on_first_crash": str(config.stop_on_first_crash).lower(),
                "poll_sleep_duration": "0.2",
                "check_version": "false",
                "create_report": "false",
                "remove_unnecessary_outputs": "false",
            },
            "logging": {"workflow_level": "CRITICAL", "interface_level": "CRITICAL"},
            "monitoring": {"enabled": "false"},
        }
    )
    nipype_logging.update_logging(nipype_config)
    LOGGER.debug("nipype %s", nipype.__version__)


def find_plugin(config: RunConfig, progress: Any) -> tuple[Any, dict[str, Any]]:
    """Give nipype's plugin and its arguments: our pool, or what --use-plugin asks for."""
    if config.use_plugin is not None:
        settings = read_plugin_file(config.use_plugin)
        arguments = dict(settings.get("plugin_args") or {})
        return settings["plugin"], arguments | {"status_callback": progress}
    from bids_brainage.workflows.plugin import KeptPool

    arguments = {
        "n_procs": config.nprocs,
        "memory_gb": config.mem,
        "threads_per_node": config.omp_nthreads,
        "raise_insufficient": False,
        "status_callback": progress,
    }
    return KeptPool(plugin_args=arguments), arguments


def read_plugin_file(path: Path) -> dict[str, Any]:
    """Read the YAML file of --use-plugin: ``plugin`` and ``plugin_args``, as for fMRIPrep.

    Raises
    ------
    InputError
        If the file cannot be read or names no plugin.
    """
    import yaml

    from bids_brainage.errors import InputError

    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(messages.PLUGIN_FILE.format(path=path, reason=error)) from error
    if not isinstance(settings, dict) or not isinstance(settings.get("plugin"), str):
        raise InputError(messages.PLUGIN_FILE.format(path=path, reason="it names no plugin"))
    return settings
