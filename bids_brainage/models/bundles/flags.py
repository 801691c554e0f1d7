"""What a reader of an estimate must know in addition to the number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bids_brainage import messages
from bids_brainage.flags import FLAGS, MODALITY_LEFT_OUT, Severity
from bids_brainage.models.bundles.bundle import Bundle
from bids_brainage.models.ensembles.ensemble import EnsembleEstimate
from bids_brainage.models.ensembles.scans import UnlikeScan
from bids_brainage.models.ensembles.typicality import Unusual
from bids_brainage.networks.graph import LayerGraph
from bids_brainage.quoting import one_line
from bids_brainage.records.estimate import Difference

#: Standard deviation (years) of a distribution over ages above which it is wide; training labels had 1 year.
WIDE = 5.0


@dataclass(frozen=True)
class Flag:
    """A code for programs, one of `FLAGS`, and one sentence for people."""

    code: str
    text: str

    @property
    def severity(self) -> Severity:
        """How serious it is."""
        return FLAGS[self.code].severity


def estimate_flags(
    bundle: Bundle,
    estimate: EnsembleEstimate,
    *,
    age: float | None,
    simulated: bool,
    measured: float | None = None,
    trained_on: bool = False,
    fold: int | None = None,
    unusual: Sequence[Unusual] = (),
    left_out: Mapping[str, str] | None = None,
    altered: str | None = None,
    dba: Difference | None = None,
    scans: Sequence[UnlikeScan] = (),
    spreads: Mapping[str, Sequence[float]] | None = None,
    prepared_otherwise: Sequence[str] = (),
) -> tuple[Flag, ...]:
    """All flags of an estimate.

    Parameters
    ----------
    bundle : Bundle
        The bundle that made the estimate.
    estimate : EnsembleEstimate
    age : float or None
        Chronological age in years, if known.
    simulated : bool
        Whether the person is a simulated one.
    measured : float, optional
        What is known of the bundle's target, if that is not age.
    trained_on : bool
        Whether the bundle was trained on the person.
    fold : int, optional
        The fold that never saw them.
    unusual : sequence of Unusual
        How the images differ from those in training.
    left_out : mapping of str to str, optional
        By sequence, why its image could not be used.
    altered : str, optional
        What was injected into the images.
    dba : Difference, optional
        From the average brain of the person's age (or target's value), where they were compared.
    scans : sequence of UnlikeScan
        What is unlike training in how the images were scanned.
    spreads : mapping of str to sequence of float, optional
        By sub-ensemble, standard deviations of its networks' distributions over ages, where they have such.
    prepared_otherwise : sequence of str
        Sentences on how a published network's input differs from what its authors make.
    """
    return (
        *_altered_flags(altered),
        *_model_flags(bundle, simulated),
        *_training_flags(trained_on, fold),
        *_unknown_flags(bundle, age, measured),
        *_range_flags(bundle, estimate, age),
        *_reference_flags(bundle, age if bundle.estimates_age else measured, dba),
        *_norms_flags(bundle, estimate, age if bundle.estimates_age else measured, dba),
        *_left_out_flags(estimate, left_out or {}),
        *_ensemble_flags(bundle, estimate),
        *_image_flags(unusual),
        *_scan_flags(scans),
        *_limit_flags(bundle, estimate),
        *_spread_flags(spreads or {}),
        *_prepared_flags(prepared_otherwise),
    )


def _altered_flags(altered: str | None) -> Iterator[Flag]:
    if altered is not None:
        yield Flag("images_altered", messages.IMAGES_ALTERED.format(change=one_line(altered)))


def _model_flags(bundle: Bundle, simulated: bool) -> Iterator[Flag]:
    if bundle.is_demonstration and not simulated:
        text = demonstration_note(bundle)
        yield Flag("demonstration_model", text)
    elif simulated and not bundle.record.cohort.simulated:
        yield Flag("simulated_input", messages.SIMULATED_INPUT.format(model=bundle.name))


def demonstration_note(bundle: Bundle) -> str:
    """Why a demonstration model's number is not an estimate."""
    what = "brain age" if bundle.estimates_age else bundle.record.target
    return messages.DEMO_ON_REAL_DATA.format(model=bundle.name, what=what)


def _training_flags(trained_on: bool, fold: int | None) -> Iterator[Flag]:
    if trained_on and fold is None:
        yield Flag("seen_in_training", messages.SEEN_IN_TRAINING)
    elif trained_on:
        yield Flag("training_participant", messages.TRAINING_PARTICIPANT.format(fold=fold))


def _unknown_flags(bundle: Bundle, age: float | None, measured: float | None) -> Iterator[Flag]:
    if bundle.estimates_age and age is None:
        yield Flag("age_unknown", messages.AGE_UNKNOWN)
    elif not bundle.estimates_age and measured is None:
        yield Flag("target_unknown", messages.TARGET_UNKNOWN.format(target=bundle.record.target))


def _range_flags(bundle: Bundle, estimate: EnsembleEstimate, age: float | None) -> Iterator[Flag]:
    ages, targets = bundle.age_range, bundle.training_range
    if targets is None:
        yield Flag("training_range_unknown", messages.TRAINING_RANGE_UNKNOWN)
    if ages is not None and age is not None and not ages[0] <= age <= ages[1]:
        text = messages.AGE_OUTSIDE_TRAINING.format(age=age, youngest=ages[0], oldest=ages[1])
        yield Flag("age_outside_training_range", text)
    if targets is None or targets[0] <= estimate.brain_age <= targets[1]:
        return
    if bundle.estimates_age:
        text = messages.ESTIMATE_OUTSIDE_TRAINING.format(
            estimate=estimate.brain_age, youngest=targets[0], oldest=targets[1]
        )
    else:
        text = messages.ESTIMATE_OUTSIDE_TARGETS.format(
            estimate=estimate.brain_age, least=targets[0], greatest=targets[1]
        )
    yield Flag("estimate_outside_training_range", text)


def _reference_flags(bundle: Bundle, known: float | None, dba: Difference | None) -> Iterator[Flag]:
    facts, compared_at = bundle.record.expected_inputs, dba.reference.age if dba else None
    if facts is not None and known is not None and compared_at is not None and known != compared_at:
        what, (least, most) = bundle.record.target, facts.ends
        text = messages.REFERENCE_NEAREST.format(
            what=what, known=known, least=least, most=most, used=compared_at
        )
        yield Flag("reference_age_outside", text)


def _norms_flags(
    bundle: Bundle, estimate: EnsembleEstimate, known: float | None, dba: Difference | None
) -> Iterator[Flag]:
    """What is to be known of regions' z scores, or why there are none."""
    facts = bundle.record.region_norms
    if facts is None or dba is None or known is None:
        return
    norms, model = dba.norms, bundle.name
    if norms is None:
        sets = [own for own in facts.sets if own.ensemble == estimate.ensemble]
        there = {" + ".join(own.modalities) for own in sets}
        used = " + ".join(estimate.modalities_used)
        sentence = messages.NORMS_LACKING_MEANS if used in there else messages.NORMS_LACKING
        text = sentence.format(model=model, known=" or ".join(sorted(there)) or "other ensembles", used=used)
        yield Flag("norms_lacking", text)
        return
    if norms.outside:
        least, most = norms.ends
        text = messages.NORMS_NEAREST.format(what=bundle.record.target, known=known, least=least, most=most)
        yield Flag("norms_age_outside", text)
    if norms.unknown:
        columns = ", ".join(norms.unknown)
        yield Flag("norms_group_unknown", messages.NORMS_GROUP_UNKNOWN.format(columns=columns))
    if norms.among:
        yield Flag("norms_participant", messages.NORMS_PARTICIPANT)


def _left_out_flags(estimate: EnsembleEstimate, left_out: Mapping[str, str]) -> Iterator[Flag]:
    for modality, reason in left_out.items():
        if modality in estimate.modalities_missing:
            yield Flag(MODALITY_LEFT_OUT, messages.MODALITY_LEFT_OUT.format(modality=modality, reason=reason))


def _ensemble_flags(bundle: Bundle, estimate: EnsembleEstimate) -> Iterator[Flag]:
    if estimate.modalities_missing:
        text = messages.MODALITIES_MISSING.format(
            missing=", ".join(estimate.modalities_missing), used=", ".join(estimate.modalities_used)
        )
        yield Flag("modality_missing", text)
    if turned := [part for part in estimate.sub_ensembles if part.weight < 0]:
        names = ", ".join(f"{part.name} ({part.weight:.2g})" for part in turned)
        yield Flag("negative_weight", messages.NEGATIVE_WEIGHT.format(names=names))
    limit = estimate.top_head.disagreement_99
    if limit is not None and estimate.disagreement is not None and estimate.disagreement > limit:
        sentence = (
            messages.SUB_ENSEMBLES_DISAGREE if bundle.estimates_age else messages.SUB_ENSEMBLES_DISAGREE_BY
        )
        text = sentence.format(spread=estimate.disagreement, limit=limit)
        yield Flag("sub_ensembles_disagree", text)
    if estimate.lower_95 is None:
        yield Flag("interval_unavailable", messages.NO_INTERVAL)


def _image_flags(unusual: Sequence[Unusual]) -> Iterator[Flag]:
    """One flag per measure: a large brain is large in all of its inputs."""
    for measure in dict.fromkeys(found.measure for found in unusual):
        z_by_input = {found.sub_ensemble: abs(found.z) for found in unusual if found.measure == measure}
        upto = "up to " if len(z_by_input) > 1 else ""
        farthest = max(z_by_input.values())
        text = messages.IMAGE_UNUSUAL[measure].format(inputs=", ".join(z_by_input), upto=upto, z=farthest)
        yield Flag(f"image_unusual_{measure}", text)


def _scan_flags(scans: Sequence[UnlikeScan]) -> Iterator[Flag]:
    """One flag per measure, with every sequence that it concerns."""
    for measure in dict.fromkeys(own.measure for own in scans):
        each = [
            messages.SCAN_UNLIKE.format(
                modality=own.modality,
                found=" x ".join(f"{size:.3g}" for size in own.found),
                low=own.low,
                high=own.high,
            )
            for own in scans
            if own.measure == measure
        ]
        yield Flag(f"scan_unlike_{measure}", messages.SCANS_UNLIKE[measure].format(each="; ".join(each)))


def _limit_flags(bundle: Bundle, estimate: EnsembleEstimate) -> Iterator[Flag]:
    """Networks whose estimate cannot go further."""
    known = {sub.name: sub.architecture for sub in bundle.ensemble_record(estimate.ensemble).sub_ensembles}
    for part in estimate.sub_ensembles:
        architecture = known[part.name]
        if isinstance(architecture, LayerGraph) and any(map(architecture.readout.at_limit, part.base_models)):
            low, high = architecture.readout.range
            shown = " to ".join("any age" if end is None else f"{end:g}" for end in (low, high))
            yield Flag("estimate_at_limit", messages.ESTIMATE_AT_LIMIT.format(name=part.name, range=shown))


def _spread_flags(spreads: Mapping[str, Sequence[float]]) -> Iterator[Flag]:
    for name, each in spreads.items():
        if max(each) > WIDE:
            text = messages.DISTRIBUTION_WIDE.format(name=name, spread=max(each), limit=WIDE)
            yield Flag("distribution_wide", text)


def _prepared_flags(sentences: Sequence[str]) -> Iterator[Flag]:
    if sentences:
        yield Flag("prepared_otherwise", " ".join(sentences))
