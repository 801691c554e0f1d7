"""The record of an estimate: how the ensemble combined its parts, and what a reader must know about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bids_brainage import messages
from bids_brainage.estimates.options import EstimationOptions, PersonFacts
from bids_brainage.models.bundles.flags import demonstration_note, estimate_flags
from bids_brainage.preprocessing.recipes.differences import Made
from bids_brainage.preprocessing.recipes.differences import differences as made_otherwise
from bids_brainage.preprocessing.recipes.vocabulary import InputRecipe
from bids_brainage.quoting import one_line
from bids_brainage.records.estimate import (
    Contributions,
    Difference,
    EstimateRecord,
    FlagRecord,
    ModelFacts,
    Preparation,
    PublishedFacts,
    SubEnsemblePart,
    Target,
)
from bids_brainage.records.versions import package_versions

if TYPE_CHECKING:
    from bids_brainage.estimates.maps import MapFacts
    from bids_brainage.models.bundles.bundle import Bundle
    from bids_brainage.models.bundles.recipe import Recipe
    from bids_brainage.models.ensembles.ensemble import EnsembleEstimate, SubEnsembleEstimate
    from bids_brainage.models.ensembles.scans import UnlikeScan
    from bids_brainage.models.ensembles.typicality import Unusual

#: Standard deviation and most probable age (years) of each network's distribution over ages.
Distributions = tuple[tuple[float, float], ...]


@dataclass(frozen=True, eq=False)
class Unlike:
    """How a person's inputs differ from those in training: what they show, and how they were scanned."""

    inputs: Sequence[Unusual] = ()
    scans: Sequence[UnlikeScan] = ()


@dataclass(frozen=True, eq=False)
class Explained:
    """What maps add up to.

    Attributes
    ----------
    maps : mapping of str to MapFacts
        By sub-ensemble; empty if nothing was explained.
    total : MapFacts or None
        Of the ensemble.
    differences : sequence of Difference
        From each kind of reference that the person was compared with.
    lacking : mapping of str to str
        By kind of map, why there is none.
    """

    maps: Mapping[str, MapFacts] = field(default_factory=dict)
    total: MapFacts | None = None
    differences: Sequence[Difference] = ()
    lacking: Mapping[str, str] = field(default_factory=dict)

    @property
    def sums(self) -> dict[str, Any]:
        """The account of the ensemble's estimate, as records name its lines."""
        names = ("target_bias", "relevance_sum", "absorbed")
        return {name: None if self.total is None else getattr(self.total, name) for name in names}


def estimate_record(
    bundle: Bundle,
    estimate: EnsembleEstimate,
    person: PersonFacts,
    preparation: Preparation,
    options: EstimationOptions,
    unlike: Unlike = Unlike(),
    explained: Explained = Explained(),
    distributions: Mapping[str, Distributions] | None = None,
    recipes: Mapping[str, InputRecipe] | None = None,
) -> EstimateRecord:
    """Everything an estimate is made of.

    Parameters
    ----------
    bundle : Bundle
    estimate : EnsembleEstimate
    person : PersonFacts
    preparation : Preparation
        How the images were prepared.
    options : EstimationOptions
    unlike : Unlike
    explained : Explained
    distributions : mapping of str to Distributions, optional
        By sub-ensemble, what its networks say of all ages, where they say it.
    recipes : mapping of str to InputRecipe, optional
        By sub-ensemble, how its input was made of this person's images; by default as the bundle says.
    """
    spread = {name: own for name, own in (distributions or {}).items() if own}
    measured = person.age if bundle.estimates_age else person.measured
    known = (person.participant, person.dataset)
    trained_on, fold = bundle.in_training_set(*known), bundle.fold_of(*known)
    flags = estimate_flags(
        bundle,
        estimate,
        age=person.age,
        measured=measured,
        simulated=person.simulated,
        trained_on=bool(trained_on),
        fold=fold,
        unusual=unlike.inputs,
        scans=unlike.scans,
        left_out=preparation.left_out,
        altered=preparation.altered,
        dba=next((own for own in explained.differences if own.reference.kind == "dba"), None),
        spreads={name: [sd for sd, _ in own] for name, own in spread.items()},
        prepared_otherwise=prepared_otherwise(bundle, estimate.ensemble, preparation, recipes),
    )
    corrected = _corrected(estimate, measured)
    return EstimateRecord(
        participant_id=person.participant,
        session_id=person.session,
        dataset=person.dataset,
        ensemble=estimate.ensemble,
        target=Target(name=bundle.record.target, unit=bundle.record.unit, measured=measured),
        chronological_age=person.age,
        sex=person.sex,
        brain_age=estimate.brain_age,
        dba=None if measured is None else estimate.brain_age - measured,
        brain_age_corrected=corrected,
        dba_corrected=None if corrected is None or measured is None else corrected - measured,
        uncertainty=estimate.uncertainty,
        lower_95=estimate.lower_95,
        upper_95=estimate.upper_95,
        in_training_set=trained_on,
        fold=fold,
        flags=tuple(FlagRecord(code=f.code, severity=f.severity, text=f.text) for f in flags),
        disclaimer=_disclaimer(bundle, person, preparation),
        constant=estimate.top_constant,
        modalities_used=estimate.modalities_used,
        modalities_missing=estimate.modalities_missing,
        sub_ensembles=tuple(
            _part(part, explained.maps.get(part.name), spread.get(part.name, ()))
            for part in estimate.sub_ensembles
        ),
        **explained.sums,
        contributions=_contributions(estimate, explained.maps) if explained.maps else None,
        model=model_facts(bundle),
        training_range=bundle.training_range,
        simulated_input=person.simulated,
        preprocessing=preparation,
        lrp=options.lrp,
        differences=tuple(explained.differences),
        not_explained=dict(explained.lacking),
        inputs=person.inputs,
        warnings=person.warnings,
        versions=package_versions(),
    )


def model_facts(bundle: Bundle) -> ModelFacts:
    """What every estimate and map says about the bundle."""
    return ModelFacts(
        name=bundle.name,
        version=bundle.record.version,
        purpose=bundle.record.purpose,
        heads=bundle.heads,
        sha256=bundle.sha256,
        published=published_facts(bundle.record.recipe, _source_of(bundle)) if bundle.record.recipe else None,
    )


def _source_of(bundle: Bundle) -> str | None:
    """Of what images a published network's inputs are made."""
    return next((recipe.source for recipe in bundle.recipes), None)


def published_facts(recipe: Recipe, source: str | None = None) -> PublishedFacts:
    """What every estimate says of its published network; `source` is that of inputs, if not the authors'."""
    return PublishedFacts(
        title=recipe.title,
        paper=recipe.paper,
        repository=recipe.source.repository,
        commit=recipe.source.commit,
        licence=recipe.licence.weights,
        registration=recipe.input.registration.kind,
        modality=recipe.input.modality,
        source=source or recipe.input.source,
        mae=recipe.error.mae,
        people=recipe.error.people,
        problems=recipe.problems,
    )


def _disclaimer(bundle: Bundle, person: PersonFacts, preparation: Preparation) -> str | None:
    """Why the estimate must not be read as one; None where it may."""
    reasons = []
    if preparation.altered is not None:
        reasons.append(messages.IMAGES_ALTERED.format(change=one_line(preparation.altered)))
    if bundle.is_demonstration and not person.simulated:
        reasons.append(demonstration_note(bundle))
    return " ".join(reasons) or None


def _corrected(estimate: EnsembleEstimate, measured: float | None) -> float | None:
    """The estimate without the regression to the mean, if value and line are known."""
    bias = estimate.top_head.age_bias
    if bias is None or measured is None:
        return None
    return float(bias.corrected(estimate.brain_age, measured))


def prepared_otherwise(
    bundle: Bundle,
    ensemble: str,
    preparation: Preparation,
    recipes: Mapping[str, InputRecipe] | None = None,
) -> tuple[str, ...]:
    """How the inputs of a published network were made otherwise than its authors make them."""
    recipe = bundle.record.recipe
    if recipe is None:
        return ()
    made = _made(preparation)
    known = recipes or {}
    own = [known.get(sub.name, sub.input) for sub in bundle.ensemble_record(ensemble).sub_ensembles]
    return tuple(
        sentence
        for one in own
        if isinstance(one, InputRecipe)
        for sentence in made_otherwise(one, recipe.input, made, recipe.title)
    )


def _made(preparation: Preparation) -> Made:
    """How images were made; FreeSurfer, sMRIPrep and fMRIPrep correct theirs themselves."""
    method = None if preparation.skull_strip_method == "none" else preparation.skull_strip_method
    here = preparation.origin == "raw"
    stripper = "freesurfer" if preparation.origin == "freesurfer" else method
    return Made(stripper, preparation.bias_corrected or not here)


def _part(
    part: SubEnsembleEstimate, explained: MapFacts | None, distributions: Distributions
) -> SubEnsemblePart:
    facts: dict[str, Any] = {}
    if explained is not None:
        facts = {
            "target_bias": explained.target_bias,
            "relevance_sum": explained.relevance_sum,
            "absorbed": explained.absorbed,
            "sees": explained.estimate - explained.target_bias,
            "contribution": explained.weight * explained.relevance_sum,
        }
    return SubEnsemblePart(
        name=part.name,
        region=part.region,
        modality=part.modality,
        brain_age=part.brain_age,
        uncertainty=part.uncertainty,
        base_models=part.base_models,
        weight=part.weight,
        **facts,
        distribution_sd=tuple(sd for sd, _ in distributions),
        distribution_mode=tuple(mode for _, mode in distributions),
    )


def _contributions(estimate: EnsembleEstimate, maps: Mapping[str, MapFacts]) -> Contributions:
    modality: dict[str, float] = {}
    region: dict[str, float] = {}
    for part in estimate.sub_ensembles:
        years = maps[part.name].weight * maps[part.name].relevance_sum
        modality[part.modality] = modality.get(part.modality, 0.0) + years
        region[part.region] = region.get(part.region, 0.0) + years
    return Contributions(modality=modality, region=region)
