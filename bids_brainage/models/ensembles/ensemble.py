"""The multi-level ensemble: from base models' predictions to one estimate, and back to their weights."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from bids_brainage import messages
from bids_brainage.errors import BundleError, InputError
from bids_brainage.models.ensembles.age_bias import AgeBias
from bids_brainage.models.ensembles.head_model import Head
from bids_brainage.models.ensembles.sub_ensemble import SubEnsemble
from bids_brainage.models.ensembles.uncertainty import confidence_width, model_spread


@dataclass(frozen=True, eq=False)
class NormalisedInterval:
    """Half widths of quantile * (spread + offset), in years; quantiles by nominal coverage."""

    offset: float
    quantiles: Mapping[float, float]

    def half_width(self, level: float, spread: float) -> float | None:
        """Years, or None if there were too few people for that level."""
        quantile = self.quantiles.get(level)
        return None if quantile is None else quantile * (spread + self.offset)


@dataclass(frozen=True, eq=False)
class TopHead:
    """The head above the sub-ensembles of one subset of modalities.

    Attributes
    ----------
    modalities : tuple of str
    sub_ensembles : tuple of str
        In the order of the head's inputs.
    head : Head
    half_widths : mapping of float to float
        Nominal coverage to half width (years) of the calibrated interval, the same for everyone.
    normalised : NormalisedInterval or None
        The interval that is wider for people on whom the models disagree; replaces `half_widths`.
    age_bias : AgeBias or None
        What to subtract for the corrected estimate.
    disagreement_99 : float or None
        99th percentile, over held-out people, of the standard deviation between sub-ensembles.
    """

    modalities: tuple[str, ...]
    sub_ensembles: tuple[str, ...]
    head: Head
    half_widths: Mapping[float, float] = field(default_factory=dict)
    disagreement_99: float | None = None
    normalised: NormalisedInterval | None = None
    age_bias: AgeBias | None = None

    def half_width(self, level: float, spread: float | None) -> float | None:
        """Half width (years) of the interval at `level` for a person of that model spread, or None."""
        if self.normalised is not None and spread is not None:
            return self.normalised.half_width(level, spread)
        return self.half_widths.get(level)


@dataclass(frozen=True)
class SubEnsembleEstimate:
    """One sub-ensemble's part in an estimate; ages and widths in years.

    `weight` is d estimate / d brain_age of this sub-ensemble; of a curved head, the slope of the
    secant from the sub-ensemble's estimate at its base models' target biases.
    """

    name: str
    region: str
    modality: str
    brain_age: float
    uncertainty: float | None
    base_models: tuple[float, ...]
    weight: float


@dataclass(frozen=True, eq=False)
class EnsembleEstimate:
    """An estimate of brain age and everything it is made of.

    Attributes
    ----------
    ensemble : str
    brain_age : float
        Years; equals ``constant + sum(w @ p)`` over the base models of all sub-ensembles used.
    uncertainty : float or None
        Width (years) of the 95 % confidence interval over the sub-ensembles.
    lower_95, upper_95 : float or None
        Calibrated prediction interval, years; None if too few people were held out.
    disagreement : float or None
        Standard deviation (years) between the sub-ensembles.
    spread : float or None
        What determines the interval's width: the disagreement, or that of the base models of a single
        sub-ensemble.
    sub_ensembles : tuple of SubEnsembleEstimate
    constant : float
        Years that no base model contributes.
    top_constant : float
        Years that no sub-ensemble contributes.
    base_model_weights : mapping of str to array (k,)
        d estimate / d base-model prediction, for each sub-ensemble used; of curved heads, the slopes of
        secants, so that the sum above still holds.
    modalities_used, modalities_missing : tuple of str
    top_head : TopHead
        The head that was used.
    """

    ensemble: str
    brain_age: float
    uncertainty: float | None
    lower_95: float | None
    upper_95: float | None
    disagreement: float | None
    spread: float | None
    sub_ensembles: tuple[SubEnsembleEstimate, ...]
    constant: float
    top_constant: float
    base_model_weights: Mapping[str, np.ndarray]
    modalities_used: tuple[str, ...]
    modalities_missing: tuple[str, ...]
    top_head: TopHead

    def interval(self, level: float = 0.95) -> tuple[float, float] | None:
        """Calibrated prediction interval (years) at `level`, or None if the bundle has none."""
        half = self.top_head.half_width(level, self.spread)
        return None if half is None else (self.brain_age - half, self.brain_age + half)


@dataclass(frozen=True, eq=False)
class MultiLevelEnsemble:
    """Sub-ensembles and, for each subset of modalities, a head above them.

    Attributes
    ----------
    name : str
        As the bundle calls it.
    sub_ensembles : mapping of str to SubEnsemble
    top_heads : tuple of TopHead
    """

    name: str
    sub_ensembles: Mapping[str, SubEnsemble]
    top_heads: tuple[TopHead, ...]

    @property
    def modalities(self) -> tuple[str, ...]:
        """All modalities the ensemble can use, in the order of its sub-ensembles."""
        return tuple(dict.fromkeys(sub.modality for sub in self.sub_ensembles.values()))

    def top_head(self, names: frozenset[str]) -> TopHead:
        """The head for exactly these sub-ensembles; InputError if none was fitted."""
        for head in self.top_heads:
            if frozenset(head.sub_ensembles) == names:
                return head
        raise InputError(
            messages.NO_HEAD_FOR_SUBSET.format(ensemble=self.name, names=", ".join(sorted(names)))
        )

    def estimate(self, predictions: Mapping[str, np.ndarray]) -> EnsembleEstimate:
        """One person's estimate from the base models' predictions.

        Parameters
        ----------
        predictions : mapping of str to array (k,)
            Years, by name of sub-ensemble. A modality that is missing has none of its
            sub-ensembles here; the head fitted for what is there is used.

        Raises
        ------
        InputError
            No predictions, an unknown name, or a modality with only some of its regions.
        BundleError
            An estimate or its interval is not finite.
        """
        values = self._checked(predictions)
        with np.errstate(all="ignore"):
            estimate = self._estimate(values)
        self._check_finite(estimate)
        return estimate

    def _estimate(self, values: Mapping[str, np.ndarray]) -> EnsembleEstimate:
        top = self.top_head(frozenset(values))
        subs = [self.sub_ensembles[name] for name in top.sub_ensembles]
        ages = np.array([float(sub.head.apply(values[sub.name])) for sub in subs])
        starts = np.array([float(sub.head.apply(sub.target_biases)) for sub in subs])
        shares, constant = top.head.secants(ages, starts)
        parts = [
            _part(sub, values[sub.name], float(age), float(share))
            for sub, age, share in zip(subs, ages, shares, strict=True)
        ]
        within = [sub.head.secants(values[sub.name], sub.target_biases) for sub in subs]
        weights = {sub.name: share * own for sub, share, (own, _) in zip(subs, shares, within, strict=True)}
        top_constant = constant
        constant += float(shares @ np.array([rest for _, rest in within]))
        brain_age = float(top.head.apply(ages))
        spread = model_spread(ages, values[top.sub_ensembles[0]])
        half = top.half_width(0.95, spread)
        return EnsembleEstimate(
            ensemble=self.name,
            brain_age=brain_age,
            uncertainty=confidence_width(ages),
            lower_95=None if half is None else brain_age - half,
            upper_95=None if half is None else brain_age + half,
            disagreement=float(ages.std(ddof=1)) if len(ages) > 1 else None,
            spread=spread,
            sub_ensembles=tuple(parts),
            constant=constant,
            top_constant=top_constant,
            base_model_weights=weights,
            modalities_used=tuple(m for m in self.modalities if m in top.modalities),
            modalities_missing=tuple(m for m in self.modalities if m not in top.modalities),
            top_head=top,
        )

    def _check_finite(self, estimate: EnsembleEstimate) -> None:
        """Raise BundleError where a number that follows from finite predictions is not finite."""
        numbers: dict[str, Sequence[float | None]] = {
            part.name: (
                part.brain_age,
                part.weight,
                part.uncertainty,
                *estimate.base_model_weights[part.name],
            )
            for part in estimate.sub_ensembles
        }
        own = (estimate.brain_age, estimate.constant, estimate.uncertainty, estimate.disagreement)
        numbers[self.name] = own
        numbers["the 95 % interval"] = (estimate.spread, estimate.lower_95, estimate.upper_95)
        for name, values in numbers.items():
            if any(value is not None and not math.isfinite(value) for value in values):
                raise BundleError(messages.ESTIMATE_NOT_FINITE.format(ensemble=self.name, name=name))

    def predict(self, images: Mapping[str, np.ndarray]) -> EnsembleEstimate:
        """One person's estimate from model inputs (*box, 1) in [0, 1] by name of sub-ensemble."""
        return self.estimate(
            {name: self.sub_ensembles[name].predict(image[None])[0] for name, image in images.items()}
        )

    def _checked(self, predictions: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        if not predictions:
            raise InputError(messages.NO_PREDICTIONS.format(ensemble=self.name))
        if unknown := sorted(set(predictions) - set(self.sub_ensembles)):
            raise InputError(messages.UNKNOWN_SUB_ENSEMBLE.format(ensemble=self.name, name=unknown[0]))
        values = {
            name: self.sub_ensembles[name].check_predictions(given) for name, given in predictions.items()
        }
        if misfit := [name for name, value in values.items() if value.ndim != 1]:
            k = len(self.sub_ensembles[misfit[0]].base_models)
            raise InputError(messages.BASE_PREDICTIONS.format(sub_ensemble=misfit[0], k=k))
        return values


def _part(sub: SubEnsemble, values: np.ndarray, brain_age: float, weight: float) -> SubEnsembleEstimate:
    return SubEnsembleEstimate(
        name=sub.name,
        region=sub.region,
        modality=sub.modality,
        brain_age=brain_age,
        uncertainty=confidence_width(values),
        base_models=tuple(float(value) for value in values),
        weight=weight,
    )


def modality_subsets(modalities: Sequence[str]) -> list[tuple[str, ...]]:
    """Every non-empty subset, the full one first, each in the given order."""
    sizes = range(len(modalities), 0, -1)
    return [subset for size in sizes for subset in combinations(modalities, size)]
