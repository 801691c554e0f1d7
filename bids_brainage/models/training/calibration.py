"""Heads, intervals and errors from predictions for people not in the networks' training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from bids_brainage.models.bundles.schema import (
    AgeBiasRecord,
    CurveRecord,
    Errors,
    HeadRecord,
    NormalisedRecord,
    TopHeadRecord,
)
from bids_brainage.models.ensembles.age_bias import AgeBias
from bids_brainage.models.ensembles.ensemble import modality_subsets
from bids_brainage.models.ensembles.head_model import Head, HeadModel
from bids_brainage.models.ensembles.spline_head import Curve, SplineHead
from bids_brainage.models.ensembles.uncertainty import conformal_half_width, model_spread, normalised_scores
from bids_brainage.models.evaluation.errors import measure_errors
from bids_brainage.models.training.design import SPREAD_OF_AGES
from bids_brainage.models.training.plan import EnsemblePlan, HeadPlan


@dataclass(frozen=True, eq=False)
class FoldPredictions:
    """What one fold's base models predict for held-out people.

    Attributes
    ----------
    people : array (n_validation + n_test,)
        Their numbers in the cohort; validation people first.
    base : mapping of str to array (n_validation + n_test, k)
        By sub-ensemble, in years.
    ages : array (n_validation + n_test,)
    n_validation : int
    guess : float
        Mean age of the training people.
    base_scale, scale : float
        Units of the base models' predictions and of the target in which penalties are defined.
    same_target : bool
        Whether base models predict the target themselves, so that their errors are meaningful.
    """

    people: np.ndarray
    base: Mapping[str, np.ndarray]
    ages: np.ndarray
    n_validation: int
    guess: float
    base_scale: float = 1.0
    scale: float = 1.0
    same_target: bool = True


@dataclass(frozen=True)
class HeadFit:
    """How a head is fitted: its kind, its penalties, and whether it must rise with every prediction."""

    kind: Literal["linear", "spline"]
    alpha: float
    spline_alpha: float
    knots: int
    scale: float = 1.0
    positive: bool = False

    @classmethod
    def of_top(cls, plan: HeadPlan, fold: FoldPredictions) -> HeadFit:
        """How the plan wants top heads."""
        alpha = plan.top_alpha * fold.scale**2
        return cls(plan.kind, alpha, plan.spline_alpha, plan.knots, fold.scale, plan.positive)

    @classmethod
    def of_sub_ensembles(cls, plan: HeadPlan, fold: FoldPredictions) -> HeadFit:
        """How the plan wants sub-ensembles' heads.

        Networks that predict something else than the target, as kept ones of another bundle may, can have
        any sign: what looks old may well score low.
        """
        alpha, positive = plan.alpha * fold.base_scale**2, plan.positive and fold.same_target
        return cls(plan.sub_ensemble_kind, alpha, plan.spline_alpha, plan.knots, fold.base_scale, positive)

    def fit(self, predictions: np.ndarray, ages: np.ndarray) -> Head:
        """A head for predictions (n, k) of people of `ages` (n,)."""
        if self.kind == "linear":
            return HeadModel.fit(predictions, ages, self.alpha, self.positive)
        spread = SPREAD_OF_AGES * self.scale
        penalties = (self.alpha, self.spline_alpha)
        return SplineHead.fit(predictions, ages, *penalties, self.knots, spread, self.positive)

    def record(self, predictions: np.ndarray, ages: np.ndarray) -> HeadRecord:
        """The same as stored in ``bundle.json``."""
        return head_record(self.fit(predictions, ages), self.alpha)


@dataclass(frozen=True, eq=False)
class FittedFold:
    """Heads of one fold, and the out-of-sample estimates that errors are measured on.

    Attributes
    ----------
    heads : mapping of str to HeadRecord
        By sub-ensemble.
    top_heads : tuple of TopHeadRecord
        Not calibrated yet, see `calibrated`.
    people : array (n,)
        Numbers in the cohort of the people the top heads were fitted and cross-validated on.
    tested : bool array (n,)
        Which of them are in the test set; the others are validation people.
    ages, guess : array (n,)
        Of the people the top heads were fitted and cross-validated on.
    estimates : mapping of tuple to array (n,)
        By (level, name, modalities).
    spreads : mapping of tuple to array (n,)
        By modalities, how much the models differ for each person, in years.
    """

    heads: Mapping[str, HeadRecord]
    top_heads: tuple[TopHeadRecord, ...]
    people: np.ndarray
    tested: np.ndarray
    ages: np.ndarray
    guess: np.ndarray
    estimates: Mapping[tuple[str, str, tuple[str, ...]], np.ndarray]
    spreads: Mapping[tuple[str, ...], np.ndarray]


def fit_fold(ensemble: EnsemblePlan, plan: HeadPlan, fold: FoldPredictions, seed: int) -> FittedFold:
    """Fit the heads of one ensemble in one fold.

    Sub-ensembles' heads are fitted on the validation people. Top heads, one per subset of modalities,
    are fitted on the test people and, if the plan says so to have more of them, on the validation
    people as well, whose sub-ensemble estimates then come from cross-validation. Top heads'
    errors and intervals come from cross-validation in any case.
    """
    n_val = fold.n_validation
    first = n_val if plan.top_fitted_on == "test" else 0
    ages = fold.ages[first:]
    heads: dict[str, HeadRecord] = {}
    sub_fit, top_fit = HeadFit.of_sub_ensembles(plan, fold), HeadFit.of_top(plan, fold)
    estimates: dict[tuple[str, str, tuple[str, ...]], np.ndarray] = {}
    subs: dict[str, np.ndarray] = {}
    for name, _, modality in ensemble.sub_ensembles():
        base = fold.base[name]
        head = sub_fit.fit(base[:n_val], fold.ages[:n_val])
        heads[name] = head_record(head, sub_fit.alpha)
        crossed = cross_fitted(base[:n_val], fold.ages[:n_val], sub_fit, plan.cross_validation, seed)
        subs[name] = np.concatenate([crossed, head.apply(base[n_val:])])[first:]
        estimates["sub_ensemble", name, (modality,)] = subs[name]
        for index, column in enumerate(base[first:].T if fold.same_target else ()):
            estimates["base_model", f"{name}_bm-{index:02d}", (modality,)] = column
    top_heads, spreads = [], {}
    for subset in modality_subsets(ensemble.modalities):
        names = tuple(name for name, _, modality in ensemble.sub_ensembles() if modality in subset)
        columns = np.stack([subs[name] for name in names], axis=1)
        record = top_fit.record(columns, ages)
        top_heads.append(TopHeadRecord(modalities=subset, sub_ensembles=names, head=record, n_calibration=0))
        estimates["ensemble", ensemble.name, subset] = cross_fitted(
            columns, ages, top_fit, plan.cross_validation, seed
        )
        pairs = zip(columns, fold.base[names[0]][first:], strict=True)
        spreads[subset] = np.array([model_spread(*pair) or 0.0 for pair in pairs])
    return FittedFold(
        heads=heads,
        top_heads=tuple(top_heads),
        people=fold.people[first:],
        tested=np.arange(first, len(fold.ages)) >= n_val,
        ages=ages,
        guess=np.full(len(ages), fold.guess),
        estimates=estimates,
        spreads=spreads,
    )


def calibrated(folds: Sequence[FittedFold], ensemble: str, plan: HeadPlan) -> list[FittedFold]:
    """The folds with intervals and age bias, from all folds' held-out people together.

    Cross-conformal (Vovk 2015, Ann Math Artif Intell 74, 9): every residual is of a person on whom neither
    networks nor heads were fitted, and the folds' residuals are pooled.
    """
    ages = np.concatenate([fold.ages for fold in folds])
    result = []
    for fold in folds:
        heads = []
        for head in fold.top_heads:
            key = ("ensemble", ensemble, head.modalities)
            estimates = np.concatenate([each.estimates[key] for each in folds])
            spreads = np.concatenate([each.spreads[head.modalities] for each in folds])
            several = len(head.sub_ensembles) > 1
            heads.append(head.model_copy(update=_calibration(estimates, ages, spreads, plan, several)))
        result.append(replace(fold, top_heads=tuple(heads)))
    return result


def _calibration(
    estimates: np.ndarray, ages: np.ndarray, spreads: np.ndarray, plan: HeadPlan, several: bool
) -> dict[str, object]:
    """What calibration adds to a top head's record."""
    residuals = estimates - ages
    bias = AgeBias.fit(estimates, ages)
    return {
        "n_calibration": len(ages),
        "half_widths": _quantiles(residuals, plan),
        "normalised": _normalised(residuals, spreads, plan),
        "age_bias": AgeBiasRecord(intercept=bias.intercept, slope=bias.slope),
        "disagreement_99": float(np.percentile(spreads, 99)) if several else None,
    }


def _normalised(residuals: np.ndarray, spreads: np.ndarray, plan: HeadPlan) -> NormalisedRecord | None:
    offset = float(spreads.mean())
    if plan.interval == "constant" or offset <= 0:
        return None
    scores = normalised_scores(residuals, spreads, offset)
    return NormalisedRecord(offset=offset, quantiles=_quantiles(scores, plan))


def _quantiles(scores: np.ndarray, plan: HeadPlan) -> dict[float, float]:
    widths = {level: conformal_half_width(scores, level) for level in plan.levels}
    return {level: width for level, width in widths.items() if width is not None}


def cross_fitted(
    predictions: np.ndarray, ages: np.ndarray, fit: HeadFit, folds: int, seed: int
) -> np.ndarray:
    """Each person's estimate (n,) by a head fitted on the other folds' people."""
    from sklearn.model_selection import KFold

    result = np.empty(len(ages))
    splitter = KFold(min(folds, len(ages)), shuffle=True, random_state=seed)
    for train, test in splitter.split(predictions):
        result[test] = fit.fit(predictions[train], ages[train]).apply(predictions[test])
    return result


def pooled_errors(folds: Sequence[FittedFold]) -> tuple[Errors, ...]:
    """Errors of every base model, sub-ensemble and ensemble over all folds' held-out people."""
    ages = np.concatenate([fold.ages for fold in folds])
    guess = np.concatenate([fold.guess for fold in folds])
    rows = []
    for key in folds[0].estimates:
        estimates = np.concatenate([fold.estimates[key] for fold in folds])
        rows.append(measure_errors(key[0], key[1], key[2], estimates, ages, guess))  # type: ignore[arg-type]
    return tuple(rows)


def head_record(head: Head, alpha: float) -> HeadRecord:
    """A head as stored in ``bundle.json``."""
    linear = head.linear if isinstance(head, SplineHead) else head
    if not isinstance(linear, HeadModel):
        raise TypeError(f"no head to be kept: {head!r}")
    curves = head.curves if isinstance(head, SplineHead) else ()
    return HeadRecord(
        coefficients=tuple(float(value) for value in linear.coefficients),
        intercept=linear.intercept,
        alpha=alpha,
        curves=tuple(_curve_record(curve) if curve else None for curve in curves),
    )


def _curve_record(curve: Curve) -> CurveRecord:
    return CurveRecord(
        knots=tuple(curve.knots.tolist()),
        coefficients=tuple(curve.coefficients.tolist()),
        degree=curve.degree,
    )
