"""Curved heads: against scikit-learn, by hand, and exactly explained."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import SplineTransformer

from bids_brainage.errors import BundleError
from bids_brainage.models.bundles.bundle import load_bundle
from bids_brainage.models.ensembles.ensemble import MultiLevelEnsemble
from bids_brainage.models.ensembles.head_model import HeadModel
from bids_brainage.models.ensembles.spline_head import Curve, SplineHead
from bids_brainage.models.training.calibration import (
    FoldPredictions,
    calibrated,
    cross_fitted,
    fit_fold,
    head_record,
    pooled_errors,
)
from bids_brainage.models.training.calibration import HeadFit as Fit
from bids_brainage.models.training.plan import HeadPlan
from tests.models.bundles.test_bundle import change_json
from tests.models.ensembles.test_ensemble import make_ensemble
from tests.models.synthetic import small_plan


def curved_people(n: int = 300, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two sub-ensembles that see the old too young, as regression to the mean does."""
    rng = np.random.default_rng(seed)
    ages = rng.uniform(20, 80, n)
    seen = 50 + 25 * np.tanh((ages - 50) / 25)
    return seen[:, None] + rng.normal(0, 1, (n, 2)), ages


def test_the_curves_are_scikit_learns_inside_and_outside_of_the_range():
    X, y = curved_people()
    head = SplineHead.fit(X, y, alpha=1.0, spline_alpha=0.5, knots=4, spread=1.0)
    linear = Ridge(1.0).fit(X, y)
    basis = SplineTransformer(n_knots=4, degree=3, knots="uniform", extrapolation="linear")
    rest = make_pipeline(basis, Ridge(0.5)).fit(X, y - linear.predict(X))
    new = np.random.default_rng(1).uniform(-50, 150, (200, 2))
    np.testing.assert_allclose(head.apply(new), linear.predict(new) + rest.predict(new), rtol=1e-9)
    assert head.apply(new[0]).shape == ()


def test_a_heavy_penalty_leaves_the_linear_head():
    X, y = curved_people()
    head = SplineHead.fit(X, y, 1.0, spline_alpha=1e12, knots=4)
    np.testing.assert_allclose(head.apply(X), HeadModel.fit(X, y, 1.0).apply(X), atol=1e-4)


def test_where_the_truth_bends_new_people_are_estimated_better():
    (X, y), (new, ages) = curved_people(seed=1), curved_people(seed=2)
    errors = {
        kind: np.abs(Fit(kind, 1.0, 1.0, 4).fit(X, y).apply(new) - ages).mean()
        for kind in ("linear", "spline")
    }
    assert errors["spline"] < 0.85 * errors["linear"]


def rising(head: SplineHead, i: int, k: int, least: float = -200, most: float = 300) -> np.ndarray:
    """Steps of a head's i-th curve over a fine grid, far beyond the people it was fitted on."""
    grid = np.full((4001, k), 50.0)
    grid[:, i] = np.linspace(least, most, 4001)
    return np.diff(head.apply(grid))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0.001, 0.1, 10.0]), st.integers(2, 8))
def test_a_positive_head_never_falls_where_a_prediction_rises(seed, alpha, knots):
    """Predictions of which some fall with age and some wave: the free head follows them down."""
    rng = np.random.default_rng(seed)
    ages = rng.uniform(20, 80, 80)
    waving = 50 + 20 * np.sin(ages / rng.uniform(5, 15))
    X = np.column_stack([ages, waving, 100 - ages]) + rng.normal(0, 3, (80, 3))
    head = SplineHead.fit(X, ages, 1.0, alpha, knots, positive=True)
    for i in range(3):
        assert rising(head, i, 3).min() > -1e-9
    values, references = rng.uniform(0, 100, 3), rng.uniform(0, 100, 3)
    assert (head.secants(values, references)[0] >= 0).all()


def test_where_the_free_curves_rise_positive_ones_are_the_same():
    X, y = curved_people()
    free = SplineHead.fit(X, y, 1.0, spline_alpha=30.0, knots=4)
    assert min(rising(free, i, 2, *np.quantile(X, [0, 1])).min() for i in (0, 1)) > 0
    same = SplineHead.fit(X, y, 1.0, spline_alpha=30.0, knots=4, positive=True)
    np.testing.assert_allclose(same.apply(X), free.apply(X), atol=1e-8)


def test_positive_curves_are_the_best_that_rise():
    """No convex combination with another rising spline fits better: the optimum, by its own condition."""
    rng = np.random.default_rng(5)
    ages = rng.uniform(20, 80, 100)
    X = (50 + 20 * np.sin(ages / 8) + rng.normal(0, 2, 100))[:, None]
    alpha = 0.5
    head = SplineHead.fit(X, ages, 1.0, alpha, 5, spread=1.0, positive=True)
    free = SplineHead.fit(X, ages, 1.0, alpha, 5, spread=1.0)
    assert rising(free, 0, 1, 30, 70).min() < -1e-3
    curve, slope = head.curves[0], head.linear.coefficients[0]
    heights = np.array([np.mean(curve.knots[j + 1 : j + 4]) for j in range(len(curve.coefficients))])

    def cost(bent: np.ndarray) -> float:
        rest = ages - slope * X[:, 0] - Curve(curve.knots, bent)(X[:, 0])
        return float(((rest - rest.mean()) ** 2).sum() + alpha * bent @ bent)

    assert (np.diff(curve.coefficients + slope * heights) >= -1e-9).all()
    assert cost(free.curves[0].coefficients) < cost(curve.coefficients)
    for _ in range(300):
        other = np.cumsum(
            rng.exponential(rng.uniform(0.1, 20), len(heights)) * rng.integers(0, 2, len(heights))
        )
        towards = 1e-4 * (other - slope * heights + rng.normal(0, 30) - curve.coefficients)
        assert cost(curve.coefficients + towards) >= cost(curve.coefficients) - 1e-9


def test_a_heavy_penalty_leaves_the_positive_linear_head():
    X, y = curved_people()
    X = np.column_stack([X, 100 - y])
    head = SplineHead.fit(X, y, 1.0, spline_alpha=1e12, knots=4, positive=True)
    linear = HeadModel.fit(X, y, 1.0, positive=True)
    assert linear.coefficients[2] == 0
    np.testing.assert_allclose(head.apply(X), linear.apply(X), atol=1e-4)


def test_what_is_the_same_for_all_has_no_curve():
    X, y = curved_people(40)
    head = SplineHead.fit(np.column_stack([np.full(40, 50.0), X[:, 0]]), y, 1.0, 1.0, 4)
    assert head.curves[0] is None
    assert head.curves[1] is not None
    assert SplineHead.fit(np.full((40, 1), 3.0), y, 1.0, 1.0, 4).apply(np.array([3.0])) == pytest.approx(
        y.mean()
    )


def test_noise_of_a_model_that_always_says_the_same_is_not_bent_into_estimates():
    """As of a network that never left the plateau of the mean age: no slope to speak of."""
    X, y = curved_people(40)
    stuck = 50 + np.random.default_rng(0).normal(0, 0.001, (40, 1))
    head = SplineHead.fit(np.hstack([X, stuck]), y, 1.0, 1.0, 4)
    weights, _ = head.secants(np.array([50.0, 50.0, 50.001]), np.array([40.0, 40.0, 50.0]))
    assert abs(weights[2]) < 0.1
    assert weights[:2].sum() == pytest.approx(1.0, abs=0.3)


def test_secants_by_hand():
    """f(y) = 2 y + y^2 on 0 to 4, as a B-spline of degree 2; from 1 to 3 it climbs by 12, so 6 a year."""
    curve = Curve(np.array([0.0, 0, 0, 4, 4, 4]), np.array([0.0, 0, 16]), degree=2)
    head = SplineHead(HeadModel(np.array([2.0]), 5.0), (curve,))
    assert head.apply(np.array([3.0])) == pytest.approx(5 + 6 + 9)
    weights, constant = head.secants(np.array([3.0]), np.array([1.0]))
    assert weights == pytest.approx([6])
    assert constant == pytest.approx(20 - 18)
    # At the reference itself the derivative: 2 + 2 x 3.
    assert head.secants(np.array([3.0]), np.array([3.0]))[0] == pytest.approx([8])
    # Beyond the last knot straight on with slope 8: 5 + 2 x 6 + 16 + 2 x 8.
    assert head.apply(np.array([6.0])) == pytest.approx(49)


numbers = st.floats(-300, 300, allow_nan=False)


@settings(max_examples=80, deadline=None)
@given(st.lists(numbers, min_size=2, max_size=2), st.lists(numbers, min_size=2, max_size=2))
def test_weights_and_constant_are_the_estimate_and_start_from_one_place(values, references):
    head = SplineHead.fit(*curved_people(60), 1.0, 0.1, 5)
    values, references = np.array(values), np.array(references)
    weights, constant = head.secants(values, references)
    assert constant + weights @ values == pytest.approx(float(head.apply(values)), abs=1e-8)
    if (np.abs(values - references) > 0.01).all():
        start = float(head.apply(references))
        assert constant + weights @ references == pytest.approx(start, rel=1e-6, abs=1e-6)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.booleans())
def test_an_ensemble_of_bending_heads_adds_up_and_starts_from_the_target_biases(seed, all_levels):
    rng = np.random.default_rng(seed)
    plain = make_ensemble(seed, 3)
    tops = []
    for top in plain.top_heads:
        X = rng.uniform(20, 80, (40, len(top.sub_ensembles)))
        tops.append(replace(top, head=SplineHead.fit(X, X.mean(1) ** 1.2, 1.0, 0.1, 4)))
    subs = dict(plain.sub_ensembles)
    if all_levels:
        X = rng.uniform(20, 80, (40, 3))
        bent = SplineHead.fit(X, X.mean(1) ** 1.1, 1.0, 0.1, 4)
        subs = {name: replace(sub, head=bent) for name, sub in subs.items()}
    ensemble = MultiLevelEnsemble(plain.name, subs, tuple(tops))
    starts = []
    for _ in range(2):
        predictions = {name: rng.normal(50, 20, 3) for name in subs}
        made = ensemble.estimate(predictions)
        total = made.constant + sum(w @ predictions[n] for n, w in made.base_model_weights.items())
        assert total == pytest.approx(made.brain_age, rel=1e-9)
        biases = {name: subs[name].target_biases for name in made.base_model_weights}
        starts.append(made.constant + sum(w @ biases[n] for n, w in made.base_model_weights.items()))
    assert starts[0] == pytest.approx(starts[1], rel=1e-5, abs=1e-5)
    at_biases = ensemble.estimate({name: sub.target_biases for name, sub in subs.items()})
    assert starts[0] == pytest.approx(at_biases.brain_age, rel=1e-5, abs=1e-5)


def folds_people(plan: HeadPlan):
    X, y = curved_people(80)
    base = {f"WholeBrain_{m}": X + shift for m, shift in (("T1w", 0), ("FLAIR", 1))}
    fold = FoldPredictions(np.arange(80), base, y, 40, float(y.mean()))
    return fit_fold(small_plan().ensembles[0], plan, fold, 0), fold


def test_the_plan_chooses_the_heads_of_each_level():
    fitted, _ = folds_people(HeadPlan(kind="spline", top_alpha=1.0))
    assert all(len(head.head.curves) == len(head.sub_ensembles) for head in fitted.top_heads)
    assert not any(head.curves for head in fitted.heads.values())
    fitted, fold = folds_people(HeadPlan(sub_ensemble_kind="spline"))
    assert not any(head.head.curves for head in fitted.top_heads)
    assert all(len(head.curves) == 2 for head in fitted.heads.values())
    fit = Fit("spline", 1, 1, 4, positive=True)
    crossed = cross_fitted(fold.base["WholeBrain_T1w"][:40], fold.ages[:40], fit, 5, 0)
    expected = fitted.heads["WholeBrain_T1w"]
    assert expected == head_record(
        SplineHead.fit(fold.base["WholeBrain_T1w"][:40], fold.ages[:40], 1, 1, 4, positive=True), 1
    )
    assert np.abs(crossed - fold.ages[:40]).mean() < 6


def falling_fold(**changes) -> FoldPredictions:
    """T1w networks of which one falls with age, and FLAIR networks that all do."""
    rng = np.random.default_rng(4)
    ages = rng.uniform(20, 80, 80)
    rises = ages[:, None] + rng.normal(0, 4, (80, 2))
    base = {"WholeBrain_T1w": rises * [1, -1], "WholeBrain_FLAIR": 100 - rises}
    return FoldPredictions(np.arange(80), base, ages, 40, float(ages.mean()), **changes)


def coefficients(fitted) -> list[float]:
    heads = [*fitted.heads.values(), *(top.head for top in fitted.top_heads)]
    return [weight for head in heads for weight in head.coefficients]


@pytest.mark.parametrize("pool", ["test", "validation+test"])
def test_positive_holds_at_each_level_and_for_cross_validated_estimates(pool):
    """FLAIR networks get no weight: their sub-ensemble and the head of FLAIR alone say the mean age."""
    ensemble, fold = small_plan().ensembles[0], falling_fold()
    fitted = fit_fold(ensemble, HeadPlan(alpha=1.0, top_alpha=1.0, top_fitted_on=pool), fold, 0)
    assert min(coefficients(fitted)) >= 0
    assert fitted.heads["WholeBrain_FLAIR"].coefficients == (0, 0)
    flair = fitted.estimates["sub_ensemble", "WholeBrain_FLAIR", ("FLAIR",)]
    assert np.abs(flair - fold.ages[:40].mean()).max() < 10
    (calibrated_fold,) = calibrated([fitted], "TypeI", HeadPlan())
    for top in calibrated_fold.top_heads:
        assert np.isfinite(list(top.half_widths.values())).all()
    free = fit_fold(ensemble, HeadPlan(positive=False, top_fitted_on=pool), fold, 0)
    assert min(coefficients(free)) < -0.2
    assert {error.level for error in pooled_errors([fitted])} == {"base_model", "sub_ensemble", "ensemble"}


def test_networks_that_predict_something_else_may_count_either_way():
    """What looks old may score low: only the heads above estimates of the target itself are positive."""
    fold = falling_fold(same_target=False)
    fitted = fit_fold(small_plan().ensembles[0], HeadPlan(top_alpha=1.0), fold, 0)
    assert max(fitted.heads["WholeBrain_FLAIR"].coefficients) < 0
    assert min(weight for top in fitted.top_heads for weight in top.head.coefficients) >= 0


def test_a_bundle_keeps_the_curves_as_plain_numbers(bundle):
    X, y = curved_people()
    head = SplineHead.fit(np.column_stack([X, X[:, 0] + 1]), y, 1.0, 1.0, 4)

    def bend(record):
        kept = json.loads(head_record(head, 1.0).model_dump_json())
        record["ensembles"][0]["top_heads"] = [
            [top | {"head": kept} if len(top["modalities"]) == 3 else top for top in fold]
            for fold in record["ensembles"][0]["top_heads"]
        ]

    change_json(bundle, bend)
    loaded = load_bundle(bundle.path).ensemble("TypeI")
    new = np.random.default_rng(3).uniform(0, 100, (20, 3))
    np.testing.assert_array_equal(loaded.top_heads[-1].head.apply(new), head.apply(new))
    estimate = loaded.estimate({name: np.array([45.0, 60.0]) for name in loaded.sub_ensembles})
    total = estimate.constant + sum(w @ [45.0, 60.0] for w in estimate.base_model_weights.values())
    assert total == pytest.approx(estimate.brain_age)


@pytest.mark.parametrize(
    ("curve", "words"),
    [
        ({"knots": [0, 0, 1, 1], "coefficients": [1, 2], "degree": 3}, "more knots than"),
        ({"knots": [0, 0, 2, 1], "coefficients": [1, 2], "degree": 1}, "not descend"),
        ({"knots": [1, 1, 1, 1], "coefficients": [1, 2], "degree": 1}, "span a range"),
        ({"knots": [0, 0, 1, "x"], "coefficients": [1, 2], "degree": 1}, "number"),
    ],
)
def test_a_curve_that_is_none_is_refused(bundle, curve, words):
    def spoil(record):
        head = record["ensembles"][0]["top_heads"][0][0]["head"]
        head["curves"] = [curve] * len(head["coefficients"])

    change_json(bundle, spoil)
    with pytest.raises(BundleError, match=words):
        load_bundle(bundle.path)
