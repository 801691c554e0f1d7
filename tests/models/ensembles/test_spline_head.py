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
from bids_brainage.models.training.calibration import FoldPredictions, cross_fitted, fit_fold, head_record
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
    crossed = cross_fitted(fold.base["WholeBrain_T1w"][:40], fold.ages[:40], Fit("spline", 1, 1, 4), 5, 0)
    expected = fitted.heads["WholeBrain_T1w"]
    assert expected == head_record(
        SplineHead.fit(fold.base["WholeBrain_T1w"][:40], fold.ages[:40], 1, 1, 4), 1
    )
    assert np.abs(crossed - fold.ages[:40]).mean() < 6


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
