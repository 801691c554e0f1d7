"""The training level: finished derivatives in, a model bundle, its tables and its page out."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from nipype.pipeline import engine as pe

from bids_brainage import messages
from bids_brainage.config import RunConfig
from bids_brainage.errors import BrainAgeError, InputError
from bids_brainage.interfaces.training import TrainBaseModel
from bids_brainage.models.bundles.limits import activations
from bids_brainage.models.training.design import TrainingDesign
from bids_brainage.models.training.plan import TrainingPlan, find_plan, make_plan, read_plan_file
from bids_brainage.models.training.result import TrainingResult, finished_result
from bids_brainage.models.training.training import Trained, TrainingProgress, train_bundle
from bids_brainage.models.training.volumes import TrainingTask
from bids_brainage.networks.graph import LayerGraph
from bids_brainage.terms import AGE
from bids_brainage.workflows.crashes import Crashes
from bids_brainage.workflows.execution import Execution

if TYPE_CHECKING:
    from bids_brainage.models.cohorts.people import TrainingCohort
    from bids_brainage.models.training.calibration import FittedFold
    from bids_brainage.models.training.transfer import Transfer
    from bids_brainage.reports.training import HeldOut

LOGGER = logging.getLogger(__name__)

# Memory TensorFlow uses before the first image, and how many copies of a step's activations exist at once.
LEAST_MEMORY_GB = 0.8
COPIES = 4
# Seconds per voxel, person and epoch on one thread, measured at 44 x 46 x 52 on an AVX2 processor.
SECONDS_PER_VOXEL = 1.8e-7


def run_training(config: RunConfig) -> Path:
    """Train a bundle on what the participant level has prepared in ``config.output_dir``.

    Returns
    -------
    Path
        The bundle's folder.

    Raises
    ------
    InputError
        Too few people, an unusable plan, or a base model that could not be trained.
    """
    transfer = read_transfer(config)
    plan = read_plan(config, transfer)
    work_dir = config.work_dir / f"training_{plan.name}"
    LOGGER.info(messages.TRAINING_BEGINS.format(name=plan.name, work_dir=work_dir))
    done = train_bundle(
        [config.output_dir],
        config.bids_dir / "participants.tsv",
        plan,
        model_out(config),
        work_dir,
        nprocs=config.nprocs,
        run=lambda design: train_as_nodes(design, config, work_dir),
        labels=config.participant_label,
        transfer=transfer,
    )
    write_results(config, plan, done)
    return done.bundle.path


def model_out(config: RunConfig) -> Path:
    """Where the bundle goes; InputError if that is not given."""
    if config.model_out is None:
        raise InputError(messages.MODEL_OUT_MISSING)
    return config.model_out


def read_transfer(config: RunConfig) -> Transfer | None:
    """The bundle to start from (--from-bundle), checked; None if base models are trained from scratch."""
    if config.from_bundle is None:
        return None
    from bids_brainage.models.bundles.bundle import load_bundle
    from bids_brainage.models.training.transfer import Transfer

    return Transfer(load_bundle(config.from_bundle), "all" if config.refit == "all" else "heads")


def read_plan(config: RunConfig, transfer: Transfer | None = None) -> TrainingPlan:
    """The plan, overridden by what was typed and by what the bundle to start from decides."""
    name = config.training_plan or ("finetune" if transfer else "paper")
    content = read_plan_file(find_plan(name))
    if transfer:
        content = transfer.complete(content, name)
    typed: dict[str, Any] = {}
    split = content.get("split") or {}
    if config.folds is not None and isinstance(split, dict):
        typed["split"] = {**split, "folds": config.folds}
    if config.model_out is not None:
        typed["name"] = config.model_out.name
    if config.target is not None:
        typed["target"] = config.target
    return make_plan({**content, **typed}, name)


def train_as_nodes(design: TrainingDesign, config: RunConfig, work_dir: Path) -> list[TrainingResult]:
    """Train every base model of a design as a node of its own."""
    design_file = design.save(work_dir / "design.json")
    tasks = [task for group in design.tasks().values() for task in group]
    todo = [task for task in tasks if finished_result(task) is None]
    progress = TrainingProgress(len(tasks), design.plan.target)
    progress.done = len(tasks) - len(todo)
    if todo:
        names = {node_name(task): task for task in todo}
        workflow = init_training_wf(
            tasks=todo, design_file=design_file, work_dir=work_dir, nprocs=config.nprocs
        )
        with closing(Execution(config, _Told(names, progress))) as execution:
            execution.run(workflow)
    return _collected(tasks, config.log_dir)


def init_training_wf(
    *,
    tasks: Sequence[TrainingTask],
    design_file: Path,
    work_dir: Path,
    nprocs: int = 1,
    name: str = "training_wf",
) -> pe.Workflow:
    """One node per base model; none depends on another. Where there is a GPU, each takes all processors.

    Parameters
    ----------
    tasks : sequence of TrainingTask
        Base models still to train.
    design_file : Path
        Which `TrainingDesign.save` wrote, where every node can read it.
    work_dir : Path
        Where nipype works.
    nprocs : int
        Processors of the run.
    """
    from bids_brainage.models.training.threads import side_by_side

    workflow = pe.Workflow(name=name, base_dir=str(work_dir))
    each = nprocs // side_by_side(nprocs)
    for task in tasks:
        train = TrainBaseModel(
            design_file=str(design_file),
            key=task.key,
            fold=task.fold,
            index=task.index,
            fingerprint=task.fingerprint(),
        )
        workflow.add_nodes([pe.Node(train, name=node_name(task), mem_gb=memory_gb(task), n_procs=each)])
    return workflow


def node_name(task: TrainingTask) -> str:
    """Name of a base model's node."""
    return f"{task.key.replace('/', '_')}_fold{task.fold}_bm{task.index:02d}"


def memory_gb(task: TrainingTask) -> float:
    """Gigabytes a training step takes: activations of a batch, and TensorFlow itself.

    A network that is kept only predicts.
    """
    if isinstance(task.architecture, LayerGraph):
        return round(LEAST_MEMORY_GB + 4e-9 * activations(task.architecture, task.input_shape[:3]), 2)
    voxels = float(np.prod(task.input_shape))
    made = voxels * max(task.architecture.filters[:1]) * 4 * task.fitting.batch_size * COPIES
    return round(LEAST_MEMORY_GB + made / 1e9, 2)


class _Told:
    """Nipype status callback that reports every finished base model."""

    def __init__(self, tasks: dict[str, TrainingTask], progress: TrainingProgress) -> None:
        self.tasks = tasks
        self.progress = progress

    def __call__(self, node: Any, status: str) -> None:
        task = self.tasks.get(node.name)
        if task is None or status != "end":
            return
        result = finished_result(task)
        if result is not None:
            self.progress.tell(result)


def _collected(tasks: Sequence[TrainingTask], log_dir: Path) -> list[TrainingResult]:
    """The results of all; BrainAgeError if one is missing."""
    results = [finished_result(task) for task in tasks]
    missing = [task for task, result in zip(tasks, results, strict=True) if result is None]
    if missing:
        crashes = Crashes(log_dir).of({node_name(task): task.file for task in missing})
        reason = next((found[0].sentence for found in crashes.values()), messages.SESSION_INCOMPLETE)
        raise BrainAgeError(
            messages.TRAINING_INCOMPLETE.format(missing=len(missing), total=len(tasks), reason=reason)
        )
    return [result for result in results if result is not None]


def write_results(config: RunConfig, plan: TrainingPlan, done: Trained) -> Path:
    """Write tables, figure and page of a training into the derivatives folder."""
    from bids_brainage.models.evaluation.tables import write_errors
    from bids_brainage.models.training.tables import write_log, write_predictions
    from bids_brainage.reports.training import write_training_page

    folder = config.output_dir / "train" / plan.name
    record = done.bundle.record
    labels = [person.participant for person in done.cohort.people]
    of = (record.target, record.unit)
    write_errors(folder, [row for ensemble in record.ensembles for row in ensemble.errors], *of)
    write_predictions(folder, labels, done.fitted, *of)
    write_log(folder, done.results, *of)
    held_out = {name: _held_out(name, folds) for name, folds in done.fitted.items()}
    page = config.output_dir / f"train_{plan.name}.html"
    return write_training_page(page, folder, record.model_dump(mode="json"), held_out)


def _held_out(ensemble: str, folds: Sequence[FittedFold]) -> HeldOut:
    """An ensemble's held-out estimates of all folds, with no modality missing."""
    from bids_brainage.reports.training import HeldOut, pooled

    whole = max(folds[0].spreads, key=len)
    parts = [
        HeldOut(fold.ages, fold.estimates["ensemble", ensemble, whole], fold.spreads[whole], fold.guess)
        for fold in folds
    ]
    return pooled(parts)


def describe_training(config: RunConfig) -> str:
    """What a training would do (``--dry-run``): people, models, time, memory and disk space."""
    from bids_brainage.models.cohorts.people import read_cohort
    from bids_brainage.models.training.boxes import input_specs
    from bids_brainage.models.training.design import make_splits

    transfer = read_transfer(config)
    plan = read_plan(config, transfer)
    cohort = read_cohort(
        [config.output_dir],
        config.bids_dir / "participants.tsv",
        transfer.bundle.stages(plan.modalities) if transfer else plan.modalities,
        plan.split.group_column,
        config.participant_label,
        plan.target,
        transfer.bundle.linear_ways if transfer else (),
    )
    splits = make_splits(plan, cohort, heads_only=transfer is not None and transfer.refit == "heads")
    specs = transfer.specs() if transfer else input_specs(plan, cohort.people[:PEOPLE_LOOKED_AT])
    starts = transfer.starts(plan, cohort.unit) if transfer else {}
    design = TrainingDesign(plan, _planned_store(specs, cohort), cohort.values, splits, Path("-"), starts)
    lines = [
        f"{plan.name}: {len(cohort.people)} people of {cohort.dataset or config.bids_dir.name}, "
        f"{_range_of(cohort)}",
        f"{len(splits)} {'fold' if len(splits) == 1 else 'folds'} of {len(splits[0].training)} : "
        f"{len(splits[0].validation)} : {len(splits[0].test)} people for training, validation and test",
        *([_transferred(transfer)] if transfer else []),
        *([] if design.kept else _networks(design)),
        *_costs(design, config),
    ]
    return "\n".join(lines)


def _range_of(cohort: TrainingCohort) -> str:
    least, greatest = min(cohort.values), max(cohort.values)
    if cohort.target == AGE:
        return f"{least:.0f} to {greatest:.0f} years old"
    return f"{cohort.target} from {least:.4g} to {greatest:.4g} {cohort.unit}".rstrip()


def _transferred(transfer: Transfer) -> str:
    bundle = transfer.bundle
    name = f"bundle {bundle.name} {bundle.record.version}, which estimates {bundle.record.target}"
    if transfer.refit == "heads":
        return f"base models stay those of {name}; only heads, intervals and norms are fitted"
    return f"base models start from those of {name}, and all their weights are trained further"


def _networks(design: TrainingDesign) -> list[str]:
    lines = []
    for ensemble in design.plan.ensembles:
        subs = ensemble.sub_ensembles()
        own = [
            t
            for key, group in design.tasks().items()
            for t in group
            if key[0].startswith(f"{ensemble.name}/")
        ]
        lines.append(
            f"{ensemble.name}: {len(own)} base models ({ensemble.base_models} in each of "
            f"{len(subs)} sub-ensembles, {len(design.splits)} folds), {own[0].fitting.epochs} epochs"
        )
    return lines


def _costs(design: TrainingDesign, config: RunConfig) -> list[str]:
    """Time, memory and disk."""
    tasks = [task for group in design.tasks().values() for task in group]
    voxels = {key: float(np.prod(spec.box)) for key, spec in design.store.specs.items()}
    disk = f"{sum(voxels.values()) * design.store.n / 1e9:.2f} GB of disk for the volumes"
    if design.kept:
        return [disk]
    seconds = sum(
        SECONDS_PER_VOXEL * voxels[task.key] * len(task.split.training) * task.fitting.epochs
        for task in tasks
    )
    return [
        f"about {seconds / 3600 / config.nprocs:.1f} hours on {config.nprocs} processors",
        f"{max(memory_gb(task) for task in tasks):.1f} GB of memory a base model, {disk}",
    ]


# Their brain masks show how large a box is needed; all are read when training begins.
PEOPLE_LOOKED_AT = 20


def _planned_store(specs: Any, cohort: TrainingCohort) -> Any:
    from bids_brainage.models.cohorts.store import VolumeStore

    return VolumeStore(Path("-"), dict(specs), len(cohort.people), "")
