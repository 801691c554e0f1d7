"""Training whole multi-level ensembles into a bundle."""

from __future__ import annotations

import hashlib
import logging
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path

import numpy as np

import bids_brainage
from bids_brainage import messages
from bids_brainage.atomic import write_text
from bids_brainage.errors import InputError
from bids_brainage.models.bundle import Bundle, participant_key, write_bundle
from bids_brainage.models.calibration import FittedFold, FoldPredictions, fit_fold, pooled_errors
from bids_brainage.models.people import TrainingCohort, read_cohort
from bids_brainage.models.plan import EnsemblePlan, TrainingPlan
from bids_brainage.models.schema import (
    BundleRecord,
    Cohort,
    EnsembleRecord,
    Errors,
    Participants,
    Protocol,
    Reference,
    SubEnsembleFold,
    SubEnsembleRecord,
)
from bids_brainage.models.splits import Split, split_by_age
from bids_brainage.models.store import VolumeStore, build_store, input_specs
from bids_brainage.models.trainer import (
    TrainingResult,
    TrainingTask,
    limit_threads,
    load_trained,
    predict_people,
    train_base_model,
)
from bids_brainage.models.weights_file import read_arrays

_log = logging.getLogger(__name__)
REFERENCE_FILE = "reference.safetensors"
Tasks = Mapping[tuple[str, int], Sequence[TrainingTask]]


def train_bundle(
    derivatives: Sequence[Path],
    participants: Path,
    plan: TrainingPlan,
    out: Path,
    work_dir: Path,
    nprocs: int = 1,
) -> Bundle:
    """Train multi-level ensembles on finished derivatives and write them as a bundle.

    Parameters
    ----------
    derivatives : sequence of Path
        Folders that ``bids_brainage ... participant`` (``--preproc-only`` is enough) has written.
    participants : Path
        participants.tsv of the raw dataset, beside its dataset_description.json.
    plan : TrainingPlan
    out : Path
        Folder of the bundle.
    work_dir : Path
        Keeps the store and every trained base model; a second call goes on where the first ended.
        Holds ``training_log.tsv`` and ``errors.tsv`` in the end.
    nprocs : int
        Base models trained side by side, each on one thread: the result does not depend on it.

    Raises
    ------
    InputError
        Too few people, or all of one age.
    """
    cohort = read_cohort(derivatives, participants, plan.modalities, plan.split.group_column)
    ages = np.array([person.age for person in cohort.people])
    splits = make_splits(plan, cohort)
    store = build_store(work_dir / "store", cohort.people, input_specs(plan, cohort.people), nprocs)
    tasks = training_tasks(plan, store, ages, splits, work_dir / "base_models")
    results = train_all([task for group in tasks.values() for task in group], nprocs)
    write_text(work_dir / "training_log.tsv", _log_table(results))
    fitted = {e.name: fit_ensemble(e, plan, tasks, splits, ages) for e in plan.ensembles}
    record, arrays = _record(plan, cohort, store, splits, tasks, fitted)
    bundle = write_bundle(out, record, arrays)
    write_text(work_dir / "errors.tsv", errors_table(e for r in record.ensembles for e in r.errors))
    return bundle


def make_splits(plan: TrainingPlan, cohort: TrainingCohort) -> list[Split]:
    """The plan's folds; InputError where the people do not suffice for them."""
    ages = np.array([person.age for person in cohort.people])
    least = 2 * sum(plan.split.parts)
    if np.ptp(ages) == 0:
        raise InputError(messages.CONSTANT_AGE.format(n=len(ages)))
    groups = [person.group for person in cohort.people]
    splits = split_by_age(ages, groups, plan.split.parts, plan.split.folds, plan.seed)
    smallest = min(len(role) for s in splits for role in (s.training, s.validation, s.test))
    if len(ages) < least or smallest < 2:
        raise InputError(messages.TOO_FEW_PEOPLE.format(n=len(ages), least=least))
    return splits


def training_tasks(
    plan: TrainingPlan, store: VolumeStore, ages: np.ndarray, splits: Sequence[Split], folder: Path
) -> dict[tuple[str, int], list[TrainingTask]]:
    """All base models to train, by (key of the sub-ensemble, fold)."""
    return {
        (f"{ensemble.name}/{name}", fold): [
            TrainingTask(
                key=f"{ensemble.name}/{name}",
                fold=fold,
                index=index,
                store=store,
                ages=ages,
                split=split,
                architecture=plan.architecture,
                fitting=plan.fitting.model_copy(update={"epochs": ensemble.epochs or plan.fitting.epochs}),
                seed=plan.seed,
                folder=folder,
            )
            for index in range(ensemble.base_models)
        ]
        for fold, split in enumerate(splits)
        for ensemble in plan.ensembles
        for name, _, _ in ensemble.sub_ensembles()
    }


def train_all(tasks: Sequence[TrainingTask], nprocs: int) -> list[TrainingResult]:
    """Train every base model, `nprocs` at a time; results in the order of the tasks."""
    results: dict[str, TrainingResult] = {}
    started = time.monotonic()
    with ProcessPoolExecutor(
        max(nprocs, 1), mp_context=get_context("spawn"), initializer=limit_threads
    ) as pool:
        pending = [pool.submit(train_base_model, task) for task in tasks]
        try:
            for future in as_completed(pending):
                result = future.result()
                results[result.file] = result
                left = (time.monotonic() - started) / len(results) * (len(tasks) - len(results))
                _log.info(
                    messages.BASE_MODEL_DONE.format(
                        done=len(results),
                        total=len(tasks),
                        file=result.file,
                        mae=result.validation_mae,
                        epoch=result.best_epoch,
                        left=left / 60,
                    )
                )
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [results[task.file] for task in tasks]


def fit_ensemble(
    ensemble: EnsemblePlan, plan: TrainingPlan, tasks: Tasks, splits: Sequence[Split], ages: np.ndarray
) -> list[FittedFold]:
    """Predict the held-out people with the trained base models and fit the heads, fold by fold."""
    fitted = []
    for fold, split in enumerate(splits):
        base = {
            name: np.stack(
                [
                    predict_people(load_trained(task), task.store, task.key, split.held_out)
                    for task in tasks[f"{ensemble.name}/{name}", fold]
                ],
                axis=1,
            )
            for name, _, _ in ensemble.sub_ensembles()
        }
        guess = float(ages[split.training].mean())
        predictions = FoldPredictions(base, ages[split.held_out], len(split.validation), guess)
        fitted.append(fit_fold(ensemble, plan.heads, predictions, plan.seed))
    return fitted


def errors_table(rows: Iterable[Errors]) -> str:
    """Errors as tab-separated text, in years."""
    names = ("level", "name", "modalities", "n", "mae", "rmse", "r2", "r", "guess_mae")
    lines = ["\t".join(names)]
    for row in rows:
        numbers = (row.mae, row.rmse, row.r2, row.r, row.guess_mae)
        cells = [row.level, row.name, "+".join(row.modalities), str(row.n)]
        cells += ["n/a" if number is None else f"{number:.3f}" for number in numbers]
        lines.append("\t".join(cells))
    return "\n".join(lines) + "\n"


def _log_table(results: Sequence[TrainingResult]) -> str:
    lines = ["base_model\tepochs\tbest_epoch\tvalidation_mae\tseconds"]
    lines += [
        f"{r.file}\t{len(r.history)}\t{r.best_epoch}\t{r.validation_mae:.3f}\t{r.seconds:.1f}"
        for r in results
    ]
    return "\n".join(lines) + "\n"


def _record(
    plan: TrainingPlan,
    cohort: TrainingCohort,
    store: VolumeStore,
    splits: Sequence[Split],
    tasks: Tasks,
    fitted: Mapping[str, Sequence[FittedFold]],
) -> tuple[BundleRecord, dict[str, dict[str, np.ndarray]]]:
    """The bundle's record and its files' arrays."""
    arrays = {
        task.file: read_arrays((task.folder / task.file).read_bytes(), task.file)
        for group in tasks.values()
        for task in group
    }
    arrays[REFERENCE_FILE] = {key: _mean_volume(store, key, splits[0].training) for key in store.specs}
    record = BundleRecord.model_construct(
        schema_version=1,
        name=plan.name,
        version=plan.version,
        licence=plan.licence,
        purpose=plan.purpose,
        description=plan.description,
        target="age",
        unit="years",
        cohort=_cohort(plan, cohort),
        protocol=_protocol(plan, splits),
        ensembles=tuple(_ensemble(e, plan, store, tasks, fitted[e.name]) for e in plan.ensembles),
        participants=_participants(plan, cohort, splits),
        reference=_reference(arrays[REFERENCE_FILE], tasks, len(splits)),
        files={},
    )
    return record, arrays


def _mean_volume(store: VolumeStore, key: str, people: np.ndarray) -> np.ndarray:
    """Mean of many people's inputs (*box, 1): brain-like, and nobody's."""
    volumes = store.volumes(key)
    total = sum(volumes[person].astype(np.float64) for person in people)
    return np.rint(np.asarray(total) / len(people)).astype(np.uint8)[..., None]


def _cohort(plan: TrainingPlan, cohort: TrainingCohort) -> Cohort:
    ages = np.array([person.age for person in cohort.people])
    edges = np.arange(5 * np.floor(ages.min() / 5), ages.max() + 5.001, 5.0)
    sexes = Counter(person.sex or "n/a" for person in cohort.people)
    sites = Counter(person.site or "n/a" for person in cohort.people)
    return Cohort(
        n=len(ages),
        age_range=(float(ages.min()), float(ages.max())),
        age_mean=float(ages.mean()),
        age_sd=float(ages.std(ddof=1)),
        age_edges=tuple(float(edge) for edge in edges),
        age_counts=tuple(int(count) for count in np.histogram(ages, edges)[0]),
        sexes=dict(sorted(sexes.items())),
        sites=dict(sorted(sites.items())),
        sequences={modality: len(ages) for modality in plan.modalities},
        datasets=(cohort.dataset,),
        simulated=cohort.simulated,
    )


def _protocol(plan: TrainingPlan, splits: Sequence[Split]) -> Protocol:
    pool = plan.heads.top_fitted_on
    return Protocol(
        plan=plan.model_dump(mode="json"),
        seed=plan.seed,
        n_training=tuple(len(split.training) for split in splits),
        n_validation=tuple(len(split.validation) for split in splits),
        n_test=tuple(len(split.test) for split in splits),
        heads_fitted_on="validation",
        top_heads_fitted_on=pool,
        errors_measured_on=f"{pool}, heads in {plan.heads.cross_validation}-fold cross-validation",
        versions={
            "bids_brainage": bids_brainage.__version__,
            **{package: version(package) for package in ("tensorflow", "numpy", "scikit-learn")},
        },
    )


def _ensemble(
    ensemble: EnsemblePlan,
    plan: TrainingPlan,
    store: VolumeStore,
    tasks: Tasks,
    fitted: Sequence[FittedFold],
) -> EnsembleRecord:
    def folds(name: str) -> tuple[SubEnsembleFold, ...]:
        return tuple(
            SubEnsembleFold(
                base_models=tuple(task.file for task in tasks[f"{ensemble.name}/{name}", index]),
                head=fold.heads[name],
            )
            for index, fold in enumerate(fitted)
        )

    return EnsembleRecord(
        name=ensemble.name,
        sub_ensembles=tuple(
            SubEnsembleRecord(
                name=name,
                input=store.specs[f"{ensemble.name}/{name}"],
                architecture=plan.architecture,
                folds=folds(name),
            )
            for name, _, _ in ensemble.sub_ensembles()
        ),
        top_heads=tuple(fold.top_heads for fold in fitted),
        errors=pooled_errors(fitted),
    )


def _participants(plan: TrainingPlan, cohort: TrainingCohort, splits: Sequence[Split]) -> Participants:
    # Derived, not drawn, so that the same training makes the same bundle.
    salt = hashlib.sha256(f"{plan.name} {plan.version} {plan.seed} {cohort.dataset}".encode()).hexdigest()
    tested = {int(index): fold for fold, split in enumerate(splits) for index in split.test}
    keys = [participant_key(salt, person.participant, cohort.dataset) for person in cohort.people]
    return Participants(salt=salt, folds={key: tested.get(index) for index, key in enumerate(keys)})


def _reference(images: Mapping[str, np.ndarray], tasks: Tasks, n_folds: int) -> Reference:
    predictions = {
        key: tuple(
            tuple(
                float(load_trained(task).predict(image[None].astype(np.float32) / 255)[0])
                for task in tasks[key, fold]
            )
            for fold in range(n_folds)
        )
        for key, image in images.items()
    }
    return Reference(file=REFERENCE_FILE, predictions=predictions)
