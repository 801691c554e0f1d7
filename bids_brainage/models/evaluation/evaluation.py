"""How good a bundle is on people it has never seen: errors, and how often its intervals hold."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bids_brainage import messages
from bids_brainage.errors import InputError
from bids_brainage.models.bundles.bundle import Bundle
from bids_brainage.models.bundles.schema import Errors
from bids_brainage.models.cohorts.people import TrainingCohort, TrainingPerson, read_cohort
from bids_brainage.models.cohorts.store import VolumeStore, build_store, predict_people
from bids_brainage.models.ensembles.ensemble import EnsembleEstimate, MultiLevelEnsemble
from bids_brainage.models.evaluation.errors import measure_errors

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Coverage:
    """How often the calibrated intervals of one ensemble, given some modalities, contain the measured value.

    Attributes
    ----------
    ensemble : str
    modalities : tuple of str
    level : float
        The share of people that they should cover.
    n : int
        People.
    covered : float
        Share of them whose interval contains the measured value.
    expected : tuple of float, or None
        In 19 of 20 such evaluations `covered` lies between these, if the people come from the population
        that the bundle was calibrated on: chance affects both calibration and evaluation.
    width : float
        Mean width of the intervals, years or the target's unit.
    """

    ensemble: str
    modalities: tuple[str, ...]
    level: float
    n: int
    covered: float
    expected: tuple[float, float] | None
    width: float


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What `evaluate_bundle` has found.

    Attributes
    ----------
    people : tuple of TrainingPerson
        Who was evaluated.
    errors : mapping of str to sequence of Errors
        By ensemble: of base models, sub-ensembles, and the ensemble for every subset of modalities.
    coverage : sequence of Coverage
    estimates : mapping of str to sequence of EnsembleEstimate
        By ensemble, one per person, with no modality missing.
    """

    people: tuple[TrainingPerson, ...]
    errors: Mapping[str, Sequence[Errors]]
    coverage: Sequence[Coverage]
    estimates: Mapping[str, Sequence[EnsembleEstimate]]


def evaluate_bundle(
    bundle: Bundle, derivatives: Path, participants: Path, work_dir: Path, nprocs: int = 1
) -> Evaluation:
    """Estimate people not in the bundle's training, and compare with their measured values.

    Parameters
    ----------
    bundle : Bundle
    derivatives : Path
        Folder that ``bids_brainage ... participant`` (``--preproc-only`` is enough) has written.
    participants : Path
        participants.tsv of the raw dataset.
    work_dir : Path
        Keeps the networks' inputs.
    nprocs : int
        Processes that prepare these.

    Raises
    ------
    InputError
        Nobody has a measured value and all modalities and was not in training.
    """
    subs = [(e.name, sub) for e in bundle.record.ensembles for sub in e.sub_ensembles]
    modalities = dict.fromkeys(sub.input.modality for _, sub in subs)
    cohort = read_cohort(
        [derivatives],
        participants,
        bundle.stages(modalities),
        target=bundle.record.target,
        linear=bundle.linear_ways,
    )
    people = unseen(bundle, cohort)
    specs = {f"{ensemble}/{sub.name}": sub.input for ensemble, sub in subs}
    store = build_store(work_dir, people, specs, nprocs)
    values = np.array([person.value for person in people])
    errors: dict[str, tuple[Errors, ...]] = {}
    coverage: list[Coverage] = []
    estimates: dict[str, list[EnsembleEstimate]] = {}
    for name in bundle.ensembles:
        ensemble = bundle.ensemble(name)
        predictions = _predictions(ensemble, store)
        by_subset = dict(_estimated(ensemble, predictions))
        errors[name] = tuple(_errors(bundle, ensemble, predictions, by_subset, values))
        coverage += _coverage(bundle, name, by_subset, values)
        estimates[name] = by_subset[max(by_subset, key=len)]
    return Evaluation(people, errors, tuple(coverage), estimates)


def unseen(bundle: Bundle, cohort: TrainingCohort) -> tuple[TrainingPerson, ...]:
    """Those on whom neither the bundle nor one it was transferred from was trained."""
    known = {p.participant: bundle.in_training_set(p.participant, cohort.dataset) for p in cohort.people}
    seen = sum(answer is True for answer in known.values())
    if seen:
        _log.warning(messages.EVALUATION_SEEN.format(n=seen, total=len(known), model=bundle.name))
    if None in known.values():
        _log.warning(messages.EVALUATION_UNKNOWN.format(model=bundle.name))
    people = tuple(person for person in cohort.people if not known[person.participant])
    if not people:
        raise InputError(messages.EVALUATION_NOBODY.format(model=bundle.name))
    return people


def expected_coverage(level: float, n_calibration: int, n: int) -> tuple[float, float] | None:
    """Central 95 % range of the share of `n` new people that a split-conformal interval covers.

    The share of the population that it covers is Beta(k, n_calibration + 1 - k) with k = ceil((n_calibration
    + 1) level) (Vovk 2012, Proc. ACML 25, 475, proposition 2a), so the number of new people is
    beta-binomial. None if `n_calibration` is too small for that level.
    """
    from scipy.stats import betabinom

    rank = math.ceil((n_calibration + 1) * level - 1e-9)
    if not 1 <= rank <= n_calibration:
        return None
    low, high = betabinom(n, rank, n_calibration + 1 - rank).ppf([0.025, 0.975]) / n
    return float(low), float(high)


def _predictions(ensemble: MultiLevelEnsemble, store: VolumeStore) -> dict[str, np.ndarray]:
    """Base models' predictions (n, k) by sub-ensemble."""
    everybody = np.arange(store.n)
    found = {}
    for name, sub in ensemble.sub_ensembles.items():
        _log.info(messages.EVALUATING.format(ensemble=ensemble.name, name=name, n=store.n))
        key = f"{ensemble.name}/{name}"
        columns = [predict_people(model, store, key, everybody) for model in sub.base_models]
        found[name] = np.stack(columns, axis=1)
    return found


def _estimated(
    ensemble: MultiLevelEnsemble, predictions: Mapping[str, np.ndarray]
) -> Iterator[tuple[tuple[str, ...], list[EnsembleEstimate]]]:
    """Everyone's estimates, by the modalities used."""
    n = len(next(iter(predictions.values())))
    for head in ensemble.top_heads:
        own = {name: predictions[name] for name in head.sub_ensembles}
        rows = ({name: values[i] for name, values in own.items()} for i in range(n))
        yield head.modalities, [ensemble.estimate(row) for row in rows]


def _errors(
    bundle: Bundle,
    ensemble: MultiLevelEnsemble,
    predictions: Mapping[str, np.ndarray],
    by_subset: Mapping[tuple[str, ...], Sequence[EnsembleEstimate]],
    values: np.ndarray,
) -> Iterator[Errors]:
    guess = _guess(bundle, values)
    for name, sub in ensemble.sub_ensembles.items():
        only = (sub.modality,)
        yield measure_errors("sub_ensemble", name, only, sub.head.apply(predictions[name]), values, guess)
        for index, column in enumerate(predictions[name].T if _same_target(bundle) else ()):
            yield measure_errors("base_model", f"{name}_bm-{index:02d}", only, column, values, guess)
    for modalities, estimates in by_subset.items():
        estimated = np.array([estimate.brain_age for estimate in estimates])
        yield measure_errors("ensemble", ensemble.name, modalities, estimated, values, guess)


def _guess(bundle: Bundle, values: np.ndarray) -> float:
    """The training people's mean; that of the people at hand if it is unknown."""
    cohort = bundle.record.cohort
    known = cohort.age_mean if bundle.estimates_age else cohort.target_mean
    return float(values.mean()) if known is None else known


def _same_target(bundle: Bundle) -> bool:
    """Whether base models predict the target; those kept from another bundle may predict another one."""
    parents = bundle.record.parents
    return not parents or parents[0].refit == "all" or parents[0].target == bundle.record.target


def _coverage(
    bundle: Bundle,
    name: str,
    by_subset: Mapping[tuple[str, ...], Sequence[EnsembleEstimate]],
    values: np.ndarray,
) -> Iterator[Coverage]:
    calibrated_on = {head.modalities: head for head in bundle.ensemble_record(name).top_heads[0]}
    for modalities, estimates in by_subset.items():
        record = calibrated_on[modalities]
        for level in sorted(record.half_widths):
            intervals = [estimate.interval(level) for estimate in estimates]
            ends = np.array([interval for interval in intervals if interval is not None])
            if len(ends) < len(values):
                continue
            yield Coverage(
                name,
                modalities,
                level,
                len(values),
                float(np.mean((ends[:, 0] <= values) & (values <= ends[:, 1]))),
                expected_coverage(level, record.n_calibration, len(values)),
                float(np.mean(ends[:, 1] - ends[:, 0])),
            )
