"""What a reader of an estimate must know beside the number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from bids_brainage import messages
from bids_brainage.models.bundle import Bundle
from bids_brainage.models.ensemble import EnsembleEstimate
from bids_brainage.models.typicality import Unusual

Severity = Literal["note", "warning", "error"]


@dataclass(frozen=True)
class Flag:
    """A code for programs, a severity, and one sentence for people."""

    code: str
    severity: Severity
    text: str


def estimate_flags(
    bundle: Bundle,
    estimate: EnsembleEstimate,
    *,
    age: float | None,
    simulated: bool,
    trained_on: bool = False,
    fold: int | None = None,
    unusual: Sequence[Unusual] = (),
) -> tuple[Flag, ...]:
    """All that is to be said of an estimate.

    Parameters
    ----------
    bundle : Bundle
        That the estimate was made with.
    estimate : EnsembleEstimate
    age : float or None
        Chronological age in years, where it is known.
    simulated : bool
        Whether the person is a simulated one.
    trained_on : bool
        Whether the bundle knows the person from its training.
    fold : int, optional
        The fold that never saw them.
    unusual : sequence of Unusual
        What about the images is unlike training.
    """
    return (
        *_model_flags(bundle, simulated),
        *_training_flags(trained_on, fold),
        *_age_flags(bundle.training_range, estimate, age),
        *_ensemble_flags(estimate),
        *_image_flags(unusual),
    )


def _model_flags(bundle: Bundle, simulated: bool) -> Iterator[Flag]:
    if bundle.is_demonstration and not simulated:
        text = messages.DEMO_ON_REAL_DATA.format(model=bundle.name)
        yield Flag("demonstration_model", "warning", text)
    elif simulated and not bundle.record.cohort.simulated:
        yield Flag("simulated_input", "warning", messages.SIMULATED_INPUT.format(model=bundle.name))


def _training_flags(trained_on: bool, fold: int | None) -> Iterator[Flag]:
    if trained_on and fold is None:
        yield Flag("seen_in_training", "warning", messages.SEEN_IN_TRAINING)
    elif trained_on:
        yield Flag("training_participant", "note", messages.TRAINING_PARTICIPANT.format(fold=fold))


def _age_flags(
    trained: tuple[float, float] | None, estimate: EnsembleEstimate, age: float | None
) -> Iterator[Flag]:
    if age is None:
        yield Flag("age_unknown", "note", messages.AGE_UNKNOWN)
    if trained is None:
        yield Flag("training_range_unknown", "note", messages.TRAINING_RANGE_UNKNOWN)
        return
    youngest, oldest = trained
    if age is not None and not youngest <= age <= oldest:
        text = messages.AGE_OUTSIDE_TRAINING.format(age=age, youngest=youngest, oldest=oldest)
        yield Flag("age_outside_training_range", "warning", text)
    if not youngest <= estimate.brain_age <= oldest:
        text = messages.ESTIMATE_OUTSIDE_TRAINING.format(
            estimate=estimate.brain_age, youngest=youngest, oldest=oldest
        )
        yield Flag("estimate_outside_training_range", "warning", text)


def _ensemble_flags(estimate: EnsembleEstimate) -> Iterator[Flag]:
    if estimate.modalities_missing:
        text = messages.MODALITIES_MISSING.format(
            missing=", ".join(estimate.modalities_missing), used=", ".join(estimate.modalities_used)
        )
        yield Flag("modality_missing", "note", text)
    limit = estimate.top_head.disagreement_99
    if limit is not None and estimate.disagreement is not None and estimate.disagreement > limit:
        text = messages.SUB_ENSEMBLES_DISAGREE.format(spread=estimate.disagreement, limit=limit)
        yield Flag("sub_ensembles_disagree", "warning", text)
    if estimate.lower_95 is None:
        yield Flag("interval_unavailable", "note", messages.NO_INTERVAL)


def _image_flags(unusual: Sequence[Unusual]) -> Iterator[Flag]:
    for found in unusual:
        text = messages.IMAGE_UNUSUAL[found.measure].format(input=found.sub_ensemble, z=abs(found.z))
        yield Flag(f"image_unusual_{found.measure}", "warning", text)
