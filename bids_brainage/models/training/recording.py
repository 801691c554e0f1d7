"""The result of a training: the bundle's record and the arrays of its files."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import numpy as np

import bids_brainage
from bids_brainage import messages
from bids_brainage.models.bundles.building import make_head
from bids_brainage.models.bundles.bundle import participant_key
from bids_brainage.models.bundles.expected_inputs import pack_expected
from bids_brainage.models.bundles.fields import LONGEST_NAME
from bids_brainage.models.bundles.recipe import Recipe
from bids_brainage.models.bundles.schema import (
    EXPECTED_FILE,
    REFERENCE_FILE,
    BundleRecord,
    Cohort,
    EnsembleRecord,
    Parent,
    Participants,
    Protocol,
    Reference,
    ScanRange,
    SubEnsembleFold,
    SubEnsembleRecord,
    needed_version,
)
from bids_brainage.models.cohorts.people import TrainingCohort
from bids_brainage.models.cohorts.references import FEWEST, Judges, expect, over_ages, whose, why_not
from bids_brainage.models.cohorts.store import VolumeStore
from bids_brainage.models.ensembles.scans import Scan, scan_norms
from bids_brainage.models.ensembles.typicality import Norms, training_norms
from bids_brainage.models.training.calibration import FittedFold, pooled_errors
from bids_brainage.models.training.design import TrainingDesign
from bids_brainage.models.training.fitting import load_trained
from bids_brainage.models.training.plan import EnsemblePlan, TrainingPlan
from bids_brainage.models.training.splits import Split
from bids_brainage.models.training.volumes import TrainingTask
from bids_brainage.networks.weights_file import read_arrays
from bids_brainage.quoting import printable
from bids_brainage.terms import AGE

_log = logging.getLogger(__name__)

# Tolerance of reference predictions, in years; in proportion for other targets.
TOLERANCE = 0.01
Tasks = Mapping[tuple[str, int], Sequence[TrainingTask]]


def bundle_record(
    design: TrainingDesign,
    cohort: TrainingCohort,
    fitted: Mapping[str, Sequence[FittedFold]],
    parents: tuple[Parent, ...] = (),
    recipe: Recipe | None = None,
    *,
    threads: int = 1,
) -> tuple[BundleRecord, dict[str, dict[str, np.ndarray]]]:
    """The bundle's record and its files' arrays."""
    plan, store, splits, tasks = design.plan, design.store, design.splits, design.tasks()
    typical = splits[0].training if len(splits[0].training) else splits[0].validation
    arrays = {
        task.file: read_arrays((task.folder / task.file).read_bytes(), task.file)
        for group in tasks.values()
        for task in group
    }
    arrays[REFERENCE_FILE] = {key: _mean_volume(store, key, typical) for key in store.specs}
    norms = {
        key: training_norms(store.volumes(key), typical, _shown(mean)[..., 0] * 255)
        for key, mean in arrays[REFERENCE_FILE].items()
    }
    expected = None
    if reason := why_not(cohort, cohort.values[typical]):
        _log.warning("%s", messages.REFERENCES_NOT_TRAINED.format(reason=reason))
    else:
        held_out = splits[0].held_out
        unseen = over_ages(held_out if len(held_out) >= FEWEST else typical, cohort.values)
        judges = {key: _judges(tasks[key, 0], fitted, key) for key in store.specs}
        known = expect(store, typical, cohort.values, judges, unseen, threads)
        expected = whose(cohort, typical, cohort.values, len(unseen))
        arrays[EXPECTED_FILE] = pack_expected(known)
    ensembles = tuple(_ensemble(e, store, tasks, fitted[e.name], norms) for e in plan.ensembles)
    record = BundleRecord.model_construct(
        schema_version=needed_version(ensembles),
        name=plan.name,
        version=plan.version,
        licence=plan.licence,
        purpose=plan.purpose,
        description=plan.description,
        target=cohort.target,
        unit=cohort.unit,
        cohort=_cohort(plan, cohort, store, typical),
        protocol=_protocol(plan, splits),
        ensembles=ensembles,
        participants=_participants(plan, cohort, splits),
        parents=parents,
        reference=_reference(arrays[REFERENCE_FILE], tasks, len(splits), design.base_scale(0)),
        expected_inputs=expected,
        recipe=recipe,
        files={},
    )
    return record, arrays


def _judges(tasks: Sequence[TrainingTask], fitted: Mapping[str, Sequence[FittedFold]], key: str) -> Judges:
    """The networks and the head of a sub-ensemble's first fold."""
    ensemble, _, name = key.partition("/")
    return [load_trained(task).network for task in tasks], make_head(fitted[ensemble][0].heads[name])


def _mean_volume(store: VolumeStore, key: str, people: np.ndarray) -> np.ndarray:
    """Mean of many people's inputs (*box, 1): like a brain, but nobody's."""
    volumes = store.volumes(key)
    total = sum(volumes[person].astype(np.float64) for person in people)
    mean = np.asarray(total) / len(people)
    return (np.rint(mean) if volumes.dtype == np.uint8 else mean / 255).astype(volumes.dtype)[..., None]


def _cohort(plan: TrainingPlan, cohort: TrainingCohort, store: VolumeStore, typical: np.ndarray) -> Cohort:
    ages = np.array([person.age for person in cohort.people if np.isfinite(person.age)])
    values = cohort.values
    sexes = Counter(_name(person.sex) for person in cohort.people)
    sites = Counter(_name(person.site) for person in cohort.people)
    return Cohort(
        n=len(values),
        **(_ages(ages) if len(ages) > 1 else {}),
        **({} if cohort.target == AGE else _targets(values)),
        sexes=dict(sorted(sexes.items())),
        sites=dict(sorted(sites.items())),
        sequences={modality: len(values) for modality in plan.modalities},
        scans=_scans(store, typical),
        datasets=(printable(cohort.dataset)[:LONGEST_NAME],),
        simulated=cohort.simulated,
    )


def _scans(store: VolumeStore, people: np.ndarray) -> dict[str, ScanRange]:
    """The range of voxels and smoothness of each sequence of some people."""
    by_modality: dict[str, list[Scan]] = {}
    for person in people:
        for modality, scan in store.scans(int(person)).items():
            by_modality.setdefault(modality, []).append(scan)
    return {name: ScanRange(**asdict(scan_norms(scans))) for name, scans in by_modality.items()}


def _name(text: str | None) -> str:
    """What a table says, as a bundle may hold it."""
    return printable(text or "n/a")[:LONGEST_NAME]


def _ages(ages: np.ndarray) -> dict[str, Any]:
    edges = np.arange(5 * np.floor(ages.min() / 5), ages.max() + 5.001, 5.0)
    return {
        "age_range": (float(ages.min()), float(ages.max())),
        "age_mean": float(ages.mean()),
        "age_sd": float(ages.std(ddof=1)),
        "age_edges": tuple(float(edge) for edge in edges),
        "age_counts": tuple(int(count) for count in np.histogram(ages, edges)[0]),
    }


def _targets(values: np.ndarray) -> dict[str, Any]:
    return {
        "target_range": (float(values.min()), float(values.max())),
        "target_mean": float(values.mean()),
        "target_sd": float(values.std(ddof=1)),
    }


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
    store: VolumeStore,
    tasks: Tasks,
    fitted: Sequence[FittedFold],
    norms: Mapping[str, Norms],
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
                architecture=tasks[f"{ensemble.name}/{name}", 0][0].architecture,
                folds=folds(name),
                norms=norms[f"{ensemble.name}/{name}"],
            )
            for name, _, _ in ensemble.sub_ensembles()
        ),
        top_heads=tuple(fold.top_heads for fold in fitted),
        errors=pooled_errors(fitted),
    )


def _participants(plan: TrainingPlan, cohort: TrainingCohort, splits: Sequence[Split]) -> Participants:
    # Derived, not random, so that the same training makes the same bundle.
    salt = hashlib.sha256(f"{plan.name} {plan.version} {plan.seed} {cohort.dataset}".encode()).hexdigest()
    tested = {int(index): fold for fold, split in enumerate(splits) for index in split.test}
    keys = [participant_key(salt, person.participant, cohort.dataset) for person in cohort.people]
    return Participants(salt=salt, folds={key: tested.get(index) for index, key in enumerate(keys)})


def _shown(image: np.ndarray) -> np.ndarray:
    """A reference input as networks see it: grey values in [0, 1], floats as they are."""
    return image.astype(np.float32) / 255 if image.dtype == np.uint8 else image


def _reference(images: Mapping[str, np.ndarray], tasks: Tasks, n_folds: int, scale: float) -> Reference:
    predictions = {
        key: tuple(
            tuple(float(load_trained(task).predict(_shown(image)[None])[0]) for task in tasks[key, fold])
            for fold in range(n_folds)
        )
        for key, image in images.items()
    }
    return Reference(file=REFERENCE_FILE, predictions=predictions, tolerance=TOLERANCE * scale)
