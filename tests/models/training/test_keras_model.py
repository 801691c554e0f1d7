"""The Keras model of training: its weights' names, shapes and beginnings, and what it predicts."""

from __future__ import annotations

import numpy as np
import pytest

from bids_brainage.models.bundles.bundle import open_bundle
from bids_brainage.models.training.keras_model import build, get_weights, set_weights
from bids_brainage.networks.architecture import BaseModelSpec
from bids_brainage.relevance import from_keras
from tests.models.conftest import BOX, SPEC, random_weights


@pytest.mark.parametrize("activation", ["relu", "leaky_relu"])
def test_it_has_as_many_parameters_as_the_spec_says(activation):
    spec = BaseModelSpec(activation=activation)
    assert build(spec, (98, 98, 98, 1)).count_params() == spec.count_parameters((98, 98, 98, 1))


def test_weight_names_and_shapes_agree_with_keras():
    spec = BaseModelSpec()
    weights = get_weights(build(spec, (20, 17, 9, 1)))
    assert {name: array.shape for name, array in weights.items()} == spec.weight_shapes((20, 17, 9, 1))


def test_initial_weights_follow_the_seed_and_bias_the_target():
    first, same, other = (get_weights(build(SPEC, (*BOX, 1), 47.5, seed)) for seed in (1, 1, 2))
    assert first["output/bias"] == 47.5
    for name, array in first.items():
        np.testing.assert_array_equal(array, same[name])
    assert not np.allclose(first["conv_1/kernel"], other["conv_1/kernel"])


def test_layers_of_one_shape_start_from_different_weights():
    weights = get_weights(build(BaseModelSpec(filters=(1, 1), kernels=(3, 3)), (*BOX, 1)))
    assert weights["conv_1/kernel"].shape == weights["conv_2/kernel"].shape
    assert not np.allclose(weights["conv_1/kernel"], weights["conv_2/kernel"])


def test_weights_survive_the_way_into_keras_and_back():
    weights = random_weights(5)
    model = build(SPEC, (*BOX, 1))
    set_weights(model, weights)
    for name, array in get_weights(model).items():
        np.testing.assert_array_equal(array, weights[name])


@pytest.mark.parametrize("activation", ["relu", "leaky_relu"])
@pytest.mark.parametrize("shape", [(20, 17, 9, 1), (20, 17, 2)], ids=["volumes", "images"])
def test_our_network_of_the_same_weights_has_the_same_layers(shape, activation):
    """What `BaseModelSpec.network` makes is what is read from the Keras model."""
    spec = BaseModelSpec(filters=(2, 3), kernels=(3, 1), dense_units=4, activation=activation)
    model = build(spec, shape)
    ours, read = spec.network(get_weights(model), shape), from_keras(model)
    assert ours.input_shape == read.input_shape
    for own, other in zip(ours.layers, read.layers, strict=True):
        assert type(own) is type(other)
        for name, value in vars(own).items():
            if name != "slope":  # a float32 in Keras
                np.testing.assert_array_equal(value, getattr(other, name), err_msg=f"{own.name} {name}")
        assert getattr(own, "slope", 0) == pytest.approx(getattr(other, "slope", 0), rel=1e-6)


def test_all_demo_base_models_predict_as_keras_does():
    """On the bundle's reference inputs, to 1e-4 years."""
    bundle = open_bundle("demo")
    inputs = bundle.reference_inputs()
    for ensemble in bundle.record.ensembles:
        for fold in range(len(ensemble.top_heads)):
            for sub in bundle.ensemble(ensemble.name, fold).sub_ensembles.values():
                image = inputs[f"{ensemble.name}/{sub.name}"][None].astype(np.float32) / 255
                keras_model = build(sub.base_models[0].spec, sub.base_models[0].input_shape)
                for base_model in sub.base_models:
                    set_weights(keras_model, base_model.weights)
                    expected = keras_model(image).numpy()[0, 0]
                    assert base_model.predict(image)[0] == pytest.approx(expected, abs=1e-4)
