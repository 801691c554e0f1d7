"""Training whole multi-level ensembles into a bundle."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from bids_brainage import messages
from bids_brainage.models.bundles.bundle import Bundle, write_bundle
from bids_brainage.models.cohorts.people import TrainingCohort, read_cohort
from bids_brainage.models.cohorts.store import build_store, predict_people
from bids_brainage.models.training.boxes import input_specs
from bids_brainage.models.training.calibration import FittedFold, FoldPredictions, calibrated, fit_fold
from bids_brainage.models.training.design import TrainingDesign, make_splits
from bids_brainage.models.training.fitting import keep_start, load_trained, train_base_model
from bids_brainage.models.training.plan import EnsemblePlan, TrainingPlan
from bids_brainage.models.training.recording import Tasks, bundle_record
from bids_brainage.models.training.result import TrainingResult
from bids_brainage.models.training.threads import limit_threads, side_by_side
from bids_brainage.models.training.transfer import Transfer
from bids_brainage.models.training.volumes import TrainingTask
from bids_brainage.terms import AGE

_log = logging.getLogger(__name__)
RunTasks = Callable[[TrainingDesign], Sequence[TrainingResult]]


@dataclass(frozen=True, eq=False)
class Trained:
    """The result of a training.

    Attributes
    ----------
    bundle : Bundle
    cohort : TrainingCohort
    results : sequence of TrainingResult
        One per base model.
    fitted : mapping of str to sequence of FittedFold
        By ensemble, one per fold.
    """

    bundle: Bundle
    cohort: TrainingCohort
    results: Sequence[TrainingResult]
    fitted: Mapping[str, Sequence[FittedFold]]


def train_bundle(
    derivatives: Sequence[Path],
    participants: Path,
    plan: TrainingPlan,
    out: Path,
    work_dir: Path,
    nprocs: int = 1,
    run: RunTasks | None = None,
    labels: Sequence[str] = (),
    transfer: Transfer | None = None,
) -> Trained:
    """Train multi-level ensembles on finished derivatives and write them as a bundle.

    Parameters
    ----------
    derivatives : sequence of Path
        Folders that ``bids_brainage ... participant`` (``--preproc-only`` is enough) has written.
    participants : Path
        participants.tsv of the raw dataset, beside its participants.json and dataset_description.json.
    plan : TrainingPlan
    out : Path
        Folder of the bundle.
    work_dir : Path
        Keeps the store, checkpoints and every trained base model; a second call continues where the
        first ended.
    nprocs : int
        Base models trained side by side, each on one thread: the result does not depend on it.
    run : callable, optional
        Trains all base models of a design; by default in processes of this machine.
    labels : sequence of str
        Train on these participants only; on all if it is empty.
    transfer : Transfer, optional
        A bundle to start from; the plan must be of its shape (`Transfer.complete`).

    Raises
    ------
    InputError
        Too few people, or all of the same age.
    """
    cohort = read_cohort(
        derivatives,
        participants,
        transfer.bundle.stages(plan.modalities) if transfer else plan.modalities,
        plan.split.group_column,
        labels,
        plan.target,
        transfer.bundle.linear_ways if transfer else (),
    )
    splits = make_splits(plan, cohort, heads_only=transfer is not None and transfer.refit == "heads")
    specs = transfer.specs() if transfer else input_specs(plan, cohort.people)
    store = build_store(work_dir / "store", cohort.people, specs, nprocs)
    starts = transfer.starts(plan, cohort.unit) if transfer else {}
    if transfer:
        warn_of_known(transfer, cohort)
    design = TrainingDesign(plan, store, cohort.values, splits, work_dir / "base_models", starts)
    results = _results(design, nprocs, run)
    tasks = design.tasks()
    fitted = {e.name: fit_ensemble(e, design, tasks) for e in plan.ensembles}
    parents = transfer.parents() if transfer else ()
    recipe = transfer.bundle.record.recipe if transfer else None
    record, arrays = bundle_record(design, cohort, fitted, parents, recipe, threads=nprocs)
    return Trained(write_bundle(out, record, arrays), cohort, results, fitted)


def _results(design: TrainingDesign, nprocs: int, run: RunTasks | None) -> Sequence[TrainingResult]:
    """Train all base models, or take them unchanged."""
    if design.kept:
        unique = {task.file: task for group in design.tasks().values() for task in group}
        return [keep_start(task) for task in unique.values()]
    return run(design) if run else train_all(design, nprocs)


def warn_of_known(transfer: Transfer, cohort: TrainingCohort) -> None:
    """Warn how many people the bundle to start from has already seen."""
    seen = [p for p in cohort.people if transfer.bundle.in_training_set(p.participant, cohort.dataset)]
    if seen:
        _log.warning(
            messages.TRANSFER_KNOWN.format(n=len(seen), total=len(cohort.people), model=transfer.bundle.name)
        )


def train_all(design: TrainingDesign, nprocs: int) -> list[TrainingResult]:
    """Train every base model, `nprocs` at a time (on a GPU one); results in the order of the tasks."""
    tasks = [task for group in design.tasks().values() for task in group]
    progress = TrainingProgress(len(tasks), design.plan.target)
    results: dict[str, TrainingResult] = {}
    context = get_context("spawn")
    at_a_time = side_by_side(nprocs)
    with ProcessPoolExecutor(at_a_time, mp_context=context, initializer=limit_threads) as pool:
        pending = [pool.submit(train_base_model, task) for task in tasks]
        try:
            for future in as_completed(pending):
                result = future.result()
                results[result.file] = result
                progress.tell(result)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [results[task.file] for task in tasks]


class TrainingProgress:
    """Reports progress and remaining time after each base model."""

    def __init__(self, total: int, target: str = AGE) -> None:
        self.total = total
        self.unit = "years" if target == AGE else f"({target})"
        self.done = 0
        self.started = time.monotonic()

    def tell(self, result: TrainingResult) -> None:
        """Count one more finished base model."""
        self.done += 1
        left = (time.monotonic() - self.started) / self.done * (self.total - self.done)
        _log.info(
            messages.BASE_MODEL_DONE.format(
                done=self.done,
                total=self.total,
                file=result.file,
                mae=result.validation_mae,
                unit=self.unit,
                epoch=result.best_epoch,
                left=left / 60,
            )
        )


def fit_ensemble(ensemble: EnsemblePlan, design: TrainingDesign, tasks: Tasks) -> list[FittedFold]:
    """Predict the held-out people with the trained base models, fit the heads fold by fold, calibrate."""
    fitted = []
    columns = Columns(design)
    for fold, split in enumerate(design.splits):
        trained_on = split.training if len(split.training) else split.validation
        predictions = FoldPredictions(
            people=split.held_out,
            base={
                name: columns.predict(tasks[f"{ensemble.name}/{name}", fold], split.held_out)
                for name, _, _ in ensemble.sub_ensembles()
            },
            ages=design.ages[split.held_out],
            n_validation=len(split.validation),
            guess=float(design.ages[trained_on].mean()),
            base_scale=design.base_scale(fold),
            scale=design.scale(fold),
            same_target=design.base_predicts_target,
        )
        fitted.append(fit_fold(ensemble, design.plan.heads, predictions, design.plan.seed))
    return calibrated(fitted, ensemble.name, design.plan.heads)


class Columns:
    """Base models' predictions; a model shared by all folds predicts everyone once."""

    def __init__(self, design: TrainingDesign) -> None:
        self.kept = design.kept
        self.everybody = np.arange(design.store.n)
        self._known: dict[str, np.ndarray] = {}

    def predict(self, tasks: Sequence[TrainingTask], people: np.ndarray) -> np.ndarray:
        """Predictions (n, k) of a sub-ensemble's base models, in the target's unit."""
        return np.stack([self._column(task, people) for task in tasks], axis=1)

    def _column(self, task: TrainingTask, people: np.ndarray) -> np.ndarray:
        if not self.kept:
            return predict_people(load_trained(task), task.store, task.key, people)
        if task.file not in self._known:
            self._known[task.file] = predict_people(load_trained(task), task.store, task.key, self.everybody)
        return self._known[task.file][people]
