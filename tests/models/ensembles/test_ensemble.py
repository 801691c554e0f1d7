"""Estimates are additive in base-model predictions, whatever modalities are there."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bids_brainage.errors import InputError
from bids_brainage.models.ensembles.base_model import BaseModel
from bids_brainage.models.ensembles.ensemble import MultiLevelEnsemble, TopHead
from bids_brainage.models.ensembles.head_model import HeadModel
from bids_brainage.models.ensembles.sub_ensemble import SubEnsemble
from bids_brainage.preprocessing.input_spec import InputSpec
from tests.models.conftest import BOX, SPEC, random_weights

MODALITIES = ("T1w", "FLAIR", "T2starw")
REGIONS = ("Cortical", "Cerebellum")
BASE = BaseModel("base", SPEC, (*BOX, 1), random_weights(0))


def make_ensemble(seed: int, k: int) -> MultiLevelEnsemble:
    """TypeII-like: three modalities, two regions, k base models each, random heads."""
    rng = np.random.default_rng(seed)
    subs = {}
    for region in REGIONS:
        for modality in MODALITIES:
            spec = InputSpec(
                modality=modality,
                stage="standard",
                space="MNI152NLin6Asym",
                region=region,
                voxel_size=4,
                box=BOX,
            )
            head = HeadModel(rng.normal(0.3, 1, k), rng.normal(0, 20))
            subs[f"{region}_{modality}"] = SubEnsemble(f"{region}_{modality}", spec, (BASE,) * k, head)
    heads = []
    for size in (1, 2, 3):
        for subset in combinations(MODALITIES, size):
            # The order of a head's coefficients need not be that of the ensemble.
            names = tuple(rng.permutation([name for name, sub in subs.items() if sub.modality in subset]))
            head = HeadModel(rng.normal(0, 1, len(names)), rng.normal(0, 20))
            heads.append(TopHead(subset, names, head, {0.95: 8.0 + size, 0.8: 5.0}, 6.0))
    return MultiLevelEnsemble("TypeII", subs, tuple(heads))


ages = st.floats(-500, 500, allow_nan=False)


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(0, 10**6), st.integers(1, 5), st.sets(st.sampled_from(MODALITIES), min_size=1))
def test_estimate_is_constant_plus_weighted_predictions(data, seed, k, given_modalities):
    ensemble = make_ensemble(seed, k)
    predictions = {
        name: np.array(data.draw(st.lists(ages, min_size=k, max_size=k)))
        for name, sub in ensemble.sub_ensembles.items()
        if sub.modality in given_modalities
    }
    estimate = ensemble.estimate(predictions)
    total = estimate.constant + sum(w @ predictions[n] for n, w in estimate.base_model_weights.items())
    np.testing.assert_allclose(estimate.brain_age, total, rtol=1e-9, atol=1e-9)
    assert set(estimate.base_model_weights) == set(predictions)
    assert set(estimate.modalities_used) == given_modalities
    assert set(estimate.modalities_missing) == set(MODALITIES) - given_modalities
    parts = {part.name: part for part in estimate.sub_ensembles}
    for name, values in predictions.items():
        head = ensemble.sub_ensembles[name].head
        np.testing.assert_allclose(parts[name].brain_age, head.coefficients @ values + head.intercept)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 4))
def test_weights_are_derivatives_of_the_estimate(seed, k):
    """Against finite differences, exact for a linear model."""
    ensemble = make_ensemble(seed, k)
    rng = np.random.default_rng(seed)
    predictions = {name: rng.normal(50, 15, k) for name in ensemble.sub_ensembles}
    estimate = ensemble.estimate(predictions)
    name = str(rng.choice(list(predictions)))
    index = int(rng.integers(k))
    moved = {n: values.copy() for n, values in predictions.items()}
    moved[name][index] += 1
    change = ensemble.estimate(moved).brain_age - estimate.brain_age
    np.testing.assert_allclose(change, estimate.base_model_weights[name][index], atol=1e-8)


def test_worked_by_hand():
    spec = InputSpec(modality="T1w", stage="subject", space="T1w", voxel_size=4, box=BOX)
    t1w = SubEnsemble("WholeBrain_T1w", spec, (BASE, BASE), HeadModel(np.array([0.5, 0.25]), 10.0))
    flair_spec = spec.model_copy(update={"modality": "FLAIR"})
    flair = SubEnsemble("WholeBrain_FLAIR", flair_spec, (BASE, BASE), HeadModel(np.array([1.0, 0.0]), -5.0))
    both = TopHead(
        ("T1w", "FLAIR"),
        ("WholeBrain_T1w", "WholeBrain_FLAIR"),
        HeadModel(np.array([0.6, 0.4]), 1.0),
        {0.95: 7.0},
    )
    ensemble = MultiLevelEnsemble("TypeI", {"WholeBrain_T1w": t1w, "WholeBrain_FLAIR": flair}, (both,))
    estimate = ensemble.estimate(
        {"WholeBrain_T1w": np.array([40.0, 60.0]), "WholeBrain_FLAIR": np.array([55.0, 99.0])}
    )
    # Sub-ensembles: 20 + 15 + 10 = 45 and 55 - 5 = 50; above them 27 + 20 + 1 = 48.
    assert [part.brain_age for part in estimate.sub_ensembles] == [45, 50]
    assert estimate.brain_age == pytest.approx(48)
    assert estimate.constant == pytest.approx(0.6 * 10 - 0.4 * 5 + 1)
    np.testing.assert_allclose(estimate.base_model_weights["WholeBrain_T1w"], [0.3, 0.15])
    np.testing.assert_allclose(estimate.base_model_weights["WholeBrain_FLAIR"], [0.4, 0])
    assert (estimate.lower_95, estimate.upper_95) == (pytest.approx(41), pytest.approx(55))
    # Two values 5 years apart: s = 5 / sqrt(2), t(.975, 1) = 12.7062.
    assert estimate.uncertainty == pytest.approx(2 * 12.7062047 * 5 / 2, rel=1e-6)
    assert estimate.disagreement == pytest.approx(5 / np.sqrt(2))
    assert estimate.interval(0.5) is None


def test_each_subset_of_modalities_has_its_own_head_and_interval():
    ensemble = make_ensemble(1, 2)
    predictions = {
        name: np.array([50.0, 60.0])
        for name, sub in ensemble.sub_ensembles.items()
        if sub.modality != "FLAIR"
    }
    estimate = ensemble.estimate(predictions)
    assert estimate.top_head.modalities == ("T1w", "T2starw")
    assert estimate.modalities_missing == ("FLAIR",)
    assert estimate.upper_95 - estimate.brain_age == pytest.approx(10)
    low, high = estimate.interval(0.8)
    assert high - low == pytest.approx(10)


def test_one_sub_ensemble_alone_has_no_uncertainty():
    ensemble = make_ensemble(1, 2)
    alone = MultiLevelEnsemble(
        "One",
        {"Cortical_T1w": ensemble.sub_ensembles["Cortical_T1w"]},
        (TopHead(("T1w",), ("Cortical_T1w",), HeadModel(np.ones(1), 0.0)),),
    )
    estimate = alone.estimate({"Cortical_T1w": np.array([50.0, 60.0])})
    assert estimate.uncertainty is None
    assert estimate.disagreement is None
    assert estimate.lower_95 is None
    assert estimate.sub_ensembles[0].uncertainty > 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda p: p.clear(), "not given any modality"),
        (lambda p: p.pop("Cortical_T1w"), "all regions of a modality"),
        (lambda p: p.update(Elsewhere_T1w=np.ones(2)), "no sub-ensemble Elsewhere_T1w"),
        (lambda p: p.update(Cortical_T1w=np.ones(3)), "needs 2 finite"),
        (lambda p: p.update(Cortical_T1w=np.ones((4, 2))), "needs 2 finite"),
        (lambda p: p.update(Cortical_T1w=np.float64(3)), "needs 2 finite"),
        (lambda p: p.update(Cortical_T1w=np.array([1.0, np.nan])), "needs 2 finite"),
    ],
)
def test_predictions_that_do_not_fit_are_told(change, words):
    ensemble = make_ensemble(1, 2)
    predictions = {name: np.ones(2) for name in ensemble.sub_ensembles}
    change(predictions)
    with pytest.raises(InputError, match=words):
        ensemble.estimate(predictions)


def test_prediction_from_images_goes_through_every_base_model(bundle):
    ensemble = bundle.ensemble("TypeI")
    rng = np.random.default_rng(2)
    images = {name: rng.random((*BOX, 1)).astype(np.float32) for name in ensemble.sub_ensembles}
    estimate = ensemble.predict(images)
    sub = ensemble.sub_ensembles["WholeBrain_FLAIR"]
    part = next(part for part in estimate.sub_ensembles if part.name == "WholeBrain_FLAIR")
    one_by_one = [model.predict(images["WholeBrain_FLAIR"][None])[0] for model in sub.base_models]
    np.testing.assert_allclose(part.base_models, one_by_one, rtol=1e-5)


def test_an_image_of_another_box_is_refused(bundle):
    sub = bundle.ensemble("TypeI").sub_ensembles["WholeBrain_T1w"]
    with pytest.raises(
        InputError, match=r"takes images of shape \(5, 6, 4, 1\) but was given \(6, 6, 4, 1\)"
    ):
        sub.predict(np.zeros((1, 6, 6, 4, 1), np.float32))


def test_no_images_give_no_predictions():
    assert BASE.predict(np.zeros((0, *BOX, 1), np.float32)).shape == (0,)


def test_threads_do_not_change_predictions():
    images = np.random.default_rng(0).random((5, *BOX, 1)).astype(np.float32)
    np.testing.assert_array_equal(BASE.predict(images, threads=3), BASE.predict(images))
