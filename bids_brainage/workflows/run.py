"""Run the participant level: what is missing, in batches, reporting each failure by name."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from bids_brainage import messages
from bids_brainage.bids.derivatives import Origin
from bids_brainage.bids.naming import session_name
from bids_brainage.bids.selection import SessionInputs
from bids_brainage.config import RunConfig
from bids_brainage.locks import participants_locked
from bids_brainage.records.altered import is_altered
from bids_brainage.records.reading import SessionPlace, read_participant, read_session
from bids_brainage.records.writing import note_seconds
from bids_brainage.workflows.crashes import Crash, Crashes
from bids_brainage.workflows.execution import Execution
from bids_brainage.workflows.flags import RaisedFlag, flags_file, flags_of, tell_of_all, tell_of_session
from bids_brainage.workflows.models import Models
from bids_brainage.workflows.progress import Progress
from bids_brainage.workflows.sources import sequence_files, with_groups, with_measured
from bids_brainage.workflows.work_folder import remove_made

if TYPE_CHECKING:
    from bids_brainage.workflows.completion import SessionState
    from bids_brainage.workflows.participant import Task

LOGGER = logging.getLogger(__name__)

# Participants in one graph: enough to keep the processors busy, few enough that nipype's bookkeeping,
# which grows with the square of the graph, stays small.
PARTICIPANTS_PER_PROCESS = 4
SMALLEST_BATCH = 8
# How long another run's page of the same participant is waited for.
PAGE_SECONDS = 120.0


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
    flags : tuple of RaisedFlag
        Of all that are done or skipped.
    """

    done: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    failed: dict[str, str] = field(default_factory=dict)
    flags: tuple[RaisedFlag, ...] = ()


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
    from bids_brainage.preprocessing.brain_mask import check_method
    from bids_brainage.workflows.citation import write_citation_of, write_planned_citation

    models = Models.load(config.model, config.ensemble)
    if not config.preproc_only:
        config = replace(config, ensemble=tuple(models.ensembles))
        sessions = with_groups(with_measured(sessions, config, models.bundles[0]), config, models.bundles)
        for bundle in models.bundles:
            if "dba" in config.explain and not config.no_relevance and bundle.record.expected_inputs is None:
                LOGGER.info(messages.LRP_ONLY.format(model=bundle.name))
    if config.boilerplate_only:
        write_planned_citation(sessions, config, models)
        return RunOutcome(skipped=tuple(session.name for session in sessions))
    if any(session.origin is Origin.RAW for session in sessions):
        check_method(config.skull_strip)
    outcome = _Run(config, sessions, models).outcome()
    tell_of_all(outcome.flags, flags_file(config))
    if not config.preproc_only:
        write_citation_of(sessions, config)
    return outcome


class _Run:
    """One run over all sessions, batch by batch."""

    def __init__(self, config: RunConfig, sessions: Sequence[SessionInputs], models: Models) -> None:
        from bids_brainage.bids.dataset import read_json
        from bids_brainage.workflows.completion import Estimator
        from bids_brainage.workflows.participant import report_name, workflow_name

        self.config = config
        self.sessions = sessions
        self.models = models
        self.estimators = {
            name: Estimator(own.sha256, config.lrp_rule or own.lrp_rule)
            for name, own in models.ensembles.items()
        }
        self.dataset = str(read_json(config.bids_dir / "dataset_description.json").get("Name", ""))
        self.people = {workflow_name(session.name): session.name for session in sessions}
        self.pages = {report_name(session.participant): session.participant for session in sessions}
        self.progress = Progress(self.people, config.work_dir / "seconds")
        self.execution = Execution(config, self.progress, self.progress.hear)
        self.crashes = Crashes(config.log_dir)
        self.done: list[str] = []
        self.skipped: list[str] = []
        self.failed: dict[str, str] = {}
        self.flags: list[RaisedFlag] = []

    def outcome(self) -> RunOutcome:
        """Process all batches, and say how each session ended."""
        try:
            for batch in _batches(self.sessions, self.config):
                with participants_locked(
                    self.config.work_dir, [session.participant for session in batch]
                ) as busy:
                    self._process([session for session in batch if session.participant not in busy])
                for session in batch:
                    if session.participant in busy:
                        self._tell(session, busy[session.participant], ())
                if self.config.stop_on_first_crash and self.failed:
                    break
        finally:
            self.execution.close()
        return RunOutcome(tuple(self.done), tuple(self.skipped), self.failed, tuple(self.flags))

    def _process(self, batch: Sequence[SessionInputs]) -> None:
        """Compute what is missing for some participants, write their pages, report the result."""
        from bids_brainage.workflows.participant import Task

        asked = [] if self.config.reports_only else batch
        tasks = [Task(session, self._state(session)) for session in asked]
        refused = self._not_to_be_prepared(tasks)
        todo = [task for task in tasks if not task.state.finished and task.session.name not in refused]
        crashes = self._compute(todo)
        computed = {task.session.name for task in todo}
        problems = {task.session.name: self._problem(task.session, crashes) for task in todo} | refused
        known = [session for session in batch if session.name not in refused]
        unwritten = self._write_pages(known, computed, crashes)
        for session in batch:
            problem = problems.get(session.name) or unwritten.get(session.participant)
            if not (problem == messages.SESSION_INCOMPLETE and crashes and self.config.stop_on_first_crash):
                self._tell(session, problem, computed)
        self._clear_pages({session.participant for session in batch} - unwritten.keys())
        self._clear([task for task in tasks if problems.get(task.session.name) is None])

    def _not_to_be_prepared(self, tasks: Sequence[Task]) -> dict[str, str | None]:
        """Of altered images, whom nothing is made for: their real images would stand among them."""
        path = self.config.output_dir
        if not is_altered(path):
            return {}
        sentence = messages.ALTERED_NOT_PREPARED
        names = [task.session.name for task in tasks if task.state.unprepared]
        return {name: sentence.format(name=name, path=path) for name in names}

    def _compute(self, todo: Sequence[Task]) -> Mapping[str, Sequence[Crash]]:
        """Run what is left to do, without sequences that turn out to be unusable; what failed, by session."""
        from bids_brainage.workflows.participant import init_batch_wf

        computed = bool(todo)
        while todo:
            self.execution.run(
                init_batch_wf(tasks=todo, config=self.config, models=self.models, dataset=self.dataset)
            )
            todo = self._without_unusable(todo)
        return self.crashes.of(self.people) if computed else {}

    def _without_unusable(self, tasks: Sequence[Task]) -> list[Task]:
        """What can be done now that unusable sequences are left out; nothing if there were none."""
        from bids_brainage.workflows.left_out import leave_out, unusable_sequences
        from bids_brainage.workflows.participant import Task

        if self.config.require_all_modalities or self.config.stop_on_first_crash:
            return []
        crashes, left = self.crashes.of(self.people), []
        for task in tasks:
            own = crashes.get(task.session.name, [])
            for modality, reason in unusable_sequences(own).items():
                leave_out(task.session, task.state, self.config, modality, reason)
                self.crashes.settle(own)
            now = Task(task.session, self._state(task.session)) if own else task
            if set(now.state.unprepared) < set(task.state.unprepared) and not now.state.finished:
                left.append(now)
        return left

    def _state(self, session: SessionInputs) -> SessionState:
        from bids_brainage.workflows.completion import session_state

        linear, scanned = self.models.linear_ways, self.models.needs.scanned
        return session_state(session, self.config, self.estimators, self.dataset, linear, scanned)

    def _problem(self, session: SessionInputs, crashes: Mapping[str, Sequence[Crash]]) -> str | None:
        """Why a session that was computed is not finished, if it is not."""
        if session.name in crashes:
            return crashes[session.name][0].sentence
        if not self._state(session).finished:
            return messages.SESSION_INCOMPLETE
        place = SessionPlace.of(self.config.output_dir, session.participant, session.session)
        note_seconds(place, self.progress.seconds_of(session.name))
        return None

    def _write_pages(
        self, batch: Sequence[SessionInputs], computed: Set[str], crashes: Mapping[str, Sequence[Crash]]
    ) -> dict[str, str]:
        """Write the pages that are missing or outdated; report those that could not be written."""
        from bids_brainage.workflows.participant import init_reports_wf

        sessions: dict[str, list[str]] = {}
        for session in batch:
            sessions.setdefault(session.participant, []).append(session.name)
        participants = {
            label: [crash for name in names for crash in crashes.get(name, ())]
            for label, names in sessions.items()
            if self._wants_page(label, not computed.isdisjoint(names))
        }
        if not participants:
            return {}
        logs = self.config.log_dir.parent
        with participants_locked(logs, participants, PAGE_SECONDS) as busy:
            free = {label: crashes for label, crashes in participants.items() if label not in busy}
            if free:
                self.execution.run(init_reports_wf(participants=free, config=self.config))
        failed = self.crashes.of(self.pages)
        return {label: messages.PAGE_FAILED.format(reason=reason) for label, reason in busy.items()} | {
            participant: messages.PAGE_FAILED.format(reason=failed[participant][-1].sentence)
            for participant in participants
            if participant in failed
        }

    def _wants_page(self, label: str, computed: bool) -> bool:
        """Whether the page is to be written; --preproc-only writes none, but leaves none that is outdated."""
        from bids_brainage.records.page import is_current, page_path

        out_dir, participant = self.config.output_dir, session_name(label, None)
        if self.config.preproc_only and not page_path(out_dir, participant).is_file():
            return False
        if computed or self.config.reports_only:
            return True
        return not is_current(out_dir, participant, read_participant(out_dir, participant))

    def _tell(self, session: SessionInputs, problem: str | None, computed: Collection[str]) -> None:
        name, total = session.name, len(self.sessions)
        if problem is not None:
            self.failed[name] = problem
            LOGGER.error(messages.SESSION_FAILED.format(name=name, reason=problem))
            return
        flags = self._flags(session)
        self.flags += flags
        if name in computed or self.config.reports_only:
            self.done.append(name)
            number = len(self.done) + len(self.skipped)
            LOGGER.info(messages.SESSION_DONE.format(name=name, number=number, total=total))
            tell_of_session(name, flags)
        else:
            self.skipped.append(name)
            LOGGER.info(messages.FINISHED_BEFORE.format(name=name))

    def _flags(self, session: SessionInputs) -> list[RaisedFlag]:
        place = SessionPlace.of(self.config.output_dir, session.participant, session.session)
        finished = read_session(place)
        if finished is None:
            return []
        ensembles = () if self.config.preproc_only else self.config.ensemble
        return flags_of(finished, ensembles, sequence_files(session).keys(), session.warnings)

    def _clear(self, finished: Sequence[Task]) -> None:
        """Remove the steps of finished sessions from the work folder: their results are elsewhere."""
        from bids_brainage.workflows.participant import BATCH

        if self.config.keep_work:
            return
        for task in finished:
            self.progress.forget(task.session.name)
            remove_made(self.config, [self.config.work_dir / BATCH / task.workflow_name])

    def _clear_pages(self, written: Iterable[str]) -> None:
        """Remove the steps of participants' pages."""
        from bids_brainage.workflows.participant import REPORTS, report_name

        if not self.config.keep_work:
            folder = self.config.work_dir / REPORTS
            remove_made(self.config, [folder / report_name(participant) for participant in written])


def _batches(sessions: Sequence[SessionInputs], config: RunConfig) -> Iterator[list[SessionInputs]]:
    """Divide the sessions into batches that never split a participant."""
    size = max(SMALLEST_BATCH, PARTICIPANTS_PER_PROCESS * config.nprocs)
    by_participant: dict[str, list[SessionInputs]] = {}
    for session in sessions:
        by_participant.setdefault(session.participant, []).append(session)
    batch: list[SessionInputs] = []
    for number, own in enumerate(by_participant.values(), start=1):
        batch += own
        if number % size == 0:
            yield batch
            batch = []
    if batch:
        yield batch
