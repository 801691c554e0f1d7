"""What ``bids_brainage`` does with its arguments: check, select, run, and report."""

from __future__ import annotations

import logging
import sys
import tempfile
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bids_brainage import messages
from bids_brainage.caches import brought_along
from bids_brainage.cli.elsewhere import away_from_start, in_full
from bids_brainage.cli.endings import (
    ALL_WELL,
    SOME_FAILED,
    TerminationError,
    ended_with_reader,
    ending,
    told_of_termination,
)
from bids_brainage.cli.logs import add_log_file, set_up_console
from bids_brainage.cli.parser import parse
from bids_brainage.config import RunConfig
from bids_brainage.errors import BrainAgeError, InputError
from bids_brainage.thread_limits import at_most
from bids_brainage.workflows.work_folder import check_work_folder, work_folder

if TYPE_CHECKING:
    from bids_brainage.bids.selection import Selection, SessionInputs
    from bids_brainage.workflows.flags import RaisedFlag

_log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code (see docs/usage.md).

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the program's name; those of the process by default.
    """
    config: RunConfig | None = None
    set_up_console(verbose=0)
    try:
        config = parse(argv)
        set_up_console(config.verbose)
        config = in_full(config)
        check_work_folder(config)
        with told_of_termination(), away_from_start(), brought_along(), at_most(config.omp_nthreads):
            return run(config)
    except (Exception, KeyboardInterrupt, TerminationError) as error:
        code, sentence = ending(error, config.log_dir / "run.log" if config else None)
        _log.error("%s", sentence)
        if config is not None and config.debug:
            traceback.print_exc(file=sys.stderr)
        return code


def run(config: RunConfig) -> int:
    """Do what `config` says and return the exit code.

    Raises
    ------
    InputError
        If the input, the selection or the output is not usable.
    """
    from bids_brainage.bids.dataset import open_dataset
    from bids_brainage.bids.output import check_places, make_writable

    _check_temporary_folder()
    if config.use_plugin is not None:
        from bids_brainage.workflows.execution import read_plugin_file

        read_plugin_file(config.use_plugin)
    open_dataset(config.bids_dir, config.participant_label)
    check_places(config.bids_dir, config.output_dir, config.work_dir)
    if "train" in config.analysis_level:
        _check_training(config)
    if config.dry_run:
        with ended_with_reader():
            return _dry_run(config)
    make_writable(config.output_dir)
    if config.boilerplate_only:
        return _boilerplate(config)
    with _log_kept(config):
        return _run_levels(config)


def _run_levels(config: RunConfig) -> int:
    """Check what can be checked first, then compute."""
    from bids_brainage.bids.validation import validate

    selection = None
    if "participant" in config.analysis_level:
        config, selection = _select(config)
        if not config.skip_bids_validation:
            validate(config.bids_dir, config.participant_label)
    code = ALL_WELL
    with work_folder(config):
        if selection is not None:
            code = _process(config, selection)
        if "group" in config.analysis_level:
            code = max(code, _group(config, after_participants=selection is not None))
        if "train" in config.analysis_level:
            _train(config, after_participants=selection is not None)
    return code


def _select(config: RunConfig) -> tuple[RunConfig, Selection]:
    """The run with all sequences that its models take in, and who is to be processed."""
    from bids_brainage.bids.selection import read_selection
    from bids_brainage.workflows.models import with_needs
    from bids_brainage.workflows.sources import with_all_modalities, with_fitting_images

    config, needs = with_needs(config)
    selection = with_fitting_images(read_selection(config, needs), needs)
    return config, with_all_modalities(selection, config)


@contextmanager
def _log_kept(config: RunConfig) -> Iterator[None]:
    """Keep log and settings of the run in its output folder."""
    log_file = add_log_file(config.log_dir / "run.log")
    try:
        config.save(config.log_dir / "config.toml")
        yield
    except Exception:
        # The file keeps the traceback; the console gets one sentence.
        _log.debug("The run ended early", exc_info=True)
        raise
    finally:
        logging.getLogger().removeHandler(log_file)
        log_file.close()


def _check_temporary_folder() -> None:
    """Say at once where there is none: libraries of all steps need one, and Python would take any folder."""
    try:
        folder = tempfile.gettempdir()
    except FileNotFoundError as error:
        raise InputError(messages.NO_TEMPORARY_FOLDER) from error
    if Path(folder) == Path.cwd():
        raise InputError(messages.NO_TEMPORARY_FOLDER)


def _check_training(config: RunConfig) -> None:
    """Say at once, not after hours, what cannot be trained, and where the bundle cannot go."""
    from bids_brainage.bids.output import check_places

    if config.reports_only or config.boilerplate_only:
        raise InputError(messages.ONLY_PARTICIPANT)
    if config.model_out is None:
        raise InputError(messages.MODEL_OUT_MISSING)
    if config.from_bundle is None and config.refit == "all":
        raise InputError(messages.TRANSFER_FROM_NOTHING)
    if config.from_bundle is not None:
        from bids_brainage.models.bundles.finding import find_bundle

        if find_bundle(config.from_bundle).resolve() == config.model_out.resolve():
            raise InputError(messages.TRANSFER_ONTO_ITSELF.format(path=config.model_out))
    check_places(config.bids_dir, config.model_out, config.work_dir)
    there = config.model_out.is_dir() and any(config.model_out.iterdir())
    if there and not (config.model_out / "bundle.json").is_file():
        raise InputError(messages.MODEL_OUT_NOT_FREE.format(path=config.model_out))


def _group(config: RunConfig, after_participants: bool) -> int:
    """Compare all who are finished, and name the analyses that are not."""
    from bids_brainage.workflows.group import run_group

    try:
        outcome = run_group(config)
    except InputError as error:
        if not after_participants:
            raise
        # Exit code 2 promises that nothing was computed.
        raise BrainAgeError(str(error)) from error
    for name, reason in outcome.failed.items():
        _log.error("%s: %s", name, reason)
    record = outcome.record
    facts = {"n": record.estimates, "analyses": len(record.analyses), "path": config.output_dir / "group"}
    _log.info(messages.GROUP_DONE.format(**facts))
    if outcome.failed:
        _log.error(messages.GROUP_FAILED.format(names=", ".join(outcome.failed)))
        return SOME_FAILED
    return ALL_WELL


def _train(config: RunConfig, after_participants: bool) -> None:
    from bids_brainage.workflows.training import run_training

    try:
        bundle = run_training(config)
    except InputError as error:
        if not after_participants:
            raise
        # Exit code 2 promises that nothing was computed.
        raise BrainAgeError(str(error)) from error
    _log.info(messages.TRAINING_DONE.format(path=bundle, page=config.output_dir))


def _boilerplate(config: RunConfig) -> int:
    """Write the methods text and nothing else."""
    from bids_brainage.workflows.run import run_participants

    config, selection = _select(config)
    run_participants(config, list(selection.sessions))
    return ALL_WELL


def _dry_run(config: RunConfig) -> int:
    """Print what would be done; nothing is written."""
    if "participant" in config.analysis_level:
        indexed = config.bids_database_dir is not None and config.bids_database_dir.exists()
        planned = config if indexed else replace(config, bids_database_dir=None)
        if not config.preproc_only:
            from bids_brainage.workflows.models import Models

            planned = replace(planned, ensemble=tuple(Models.load(config.model, config.ensemble).ensembles))
        _say_what_would_run(*_select(planned))
    if "group" in config.analysis_level and "participant" not in config.analysis_level:
        from bids_brainage.workflows.group import describe_group

        print(describe_group(config))
    if "train" in config.analysis_level:
        from bids_brainage.workflows.training import describe_training

        print(describe_training(config))
    return ALL_WELL


def _process(config: RunConfig, selection: Selection) -> int:
    """Pass the selected sessions to the workflows and report the outcome."""
    from bids_brainage.bids.description import describe_output
    from bids_brainage.workflows.run import run_participants

    describe_output(config.output_dir, config.bids_dir, config.derivatives, config.fs_subjects_dir)
    for reason in selection.failed.values():
        _log.error("%s", reason)
    for sentence in selection.left_out:
        _log.warning("%s", sentence)
    for session in selection.sessions:
        for warning in session.warnings:
            _log.warning("%s", warning)
    if selection.failed and config.stop_on_first_crash:
        return _told_of_failures(selection.failed, len(selection.sessions), selection)
    outcome = run_participants(config, list(selection.sessions))
    failed = {**selection.failed, **outcome.failed}
    _log.info(
        "%d done, %d finished before, %d failed; results in %s",
        len(outcome.done),
        len(outcome.skipped),
        len(failed),
        config.output_dir,
    )
    told = len(outcome.done) + len(outcome.skipped) + len(outcome.failed)
    left = 0 if config.reports_only else len(selection.sessions) - told
    flagged = _told_of_flags(config, outcome.flags)
    return _told_of_failures(failed, left, selection) if failed else flagged


def _told_of_flags(config: RunConfig, flags: Sequence[RaisedFlag]) -> int:
    """Name who has a flag of --fail-on-flag; what they have is done all the same."""
    from bids_brainage.workflows.flags import flags_file

    code = ALL_WELL
    for wanted in config.fail_on_flag:
        people = sorted({own.participant_id for own in flags if own.flag == wanted})
        if people:
            names, path = ", ".join(people), flags_file(config)
            _log.error(messages.FLAGGED.format(code=wanted, count=len(people), names=names, path=path))
            code = SOME_FAILED
    return code


def _told_of_failures(failed: Mapping[str, str], left: int, selection: Selection) -> int:
    """Name who failed, and say what became of the others: `left` of them were not finished."""
    count = len(selection.sessions) + len(selection.failed)
    sentence = messages.ALL_FAILED if len(failed) == count else messages.SOME_FAILED
    if left:
        sentence = messages.STOPPED_AT_FAILURE
    names = ", ".join(sorted(failed))
    _log.error(sentence.format(failed=len(failed), count=count, names=names, left=left))
    return SOME_FAILED


def _say_what_would_run(config: RunConfig, selection: Selection) -> None:
    """Print what would be run for whom (--dry-run)."""
    print(f"{len(selection.sessions)} sessions of {config.bids_dir} would go to {config.output_dir}")
    what = f"model {' and '.join(config.model)}, {' and '.join(config.ensemble)}"
    what = "images only" if config.preproc_only else what
    print(f"{what}, {config.nprocs} processors")
    for session in selection.sessions:
        print(f"\n{session.name}  age {'unknown' if session.age is None else f'{session.age:g}'}")
        for line in _sources(session):
            print(f"    {line}")
        for warning in session.warnings:
            print(f"    ! {warning}")
    for name, reason in selection.failed.items():
        print(f"\n{name}  cannot be processed: {reason}")
    for sentence in selection.left_out:
        print(f"\n{sentence}")


def _sources(session: SessionInputs) -> Iterator[str]:
    for modality, paths in session.images.items():
        for path in paths:
            yield f"{modality:8s}{path}"
    if session.derivative:
        yield f"{session.derivative.source}: {session.derivative.t1w}"
        if session.derivative.flair and not session.images.get("FLAIR"):
            yield f"{session.derivative.source}: {session.derivative.flair}"
    if session.freesurfer_brain:
        yield f"FreeSurfer: {session.freesurfer_brain}"
    for (_, source), path in session.sources.items():
        yield f"{source.partition(':')[0]}: {path}"
