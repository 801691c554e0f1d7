"""Maps against a reference: by hand, against TensorFlow's gradients, complete for any network and head."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bids_brainage.errors import NetworkError
from bids_brainage.models.bundles.bundle import load_bundle
from bids_brainage.models.ensembles.head_model import HeadModel
from bids_brainage.models.ensembles.spline_head import SplineHead
from bids_brainage.models.training.keras_model import build, set_weights
from bids_brainage.networks.architecture import BaseModelSpec
from bids_brainage.networks.network import Activation, Dense, Flatten, Network
from bids_brainage.relevance.difference import POINTS, explain_difference

SHAPE = (3, 4, 5, 1)


def linear(kernel, bias=50.0):
    layers = (Flatten("f", ("image",)), Dense("d", ("f",), kernel.reshape(-1, 1), np.float32([bias])))
    return Network(layers, SHAPE)


def one_neuron(kernel, bias, slope):
    """50 + slope * relu(kernel . x + bias)."""
    layers = (
        Flatten("f", ("image",)),
        Dense("h", ("f",), kernel.reshape(-1, 1), np.float32([bias])),
        Activation("r", ("h",), "relu"),
        Dense("d", ("r",), np.float32([[slope]]), np.float32([50.0])),
    )
    return Network(layers, SHAPE)


def test_of_linear_networks_it_is_the_kernel_times_the_difference(random):
    kernels = random.normal(size=(2, *SHAPE)).astype(np.float32)
    image, reference = random.random((2, *SHAPE), np.float32)
    head = HeadModel(np.array([0.3, -0.5]), 7.0)
    found = explain_difference([linear(kernel) for kernel in kernels], image, reference, head)
    expected = (image - reference) * (0.3 * kernels[0] - 0.5 * kernels[1])
    np.testing.assert_allclose(found.relevance, expected, atol=1e-6)
    assert found.reference_estimate == pytest.approx(
        7 - 0.2 * 50 + (0.3 * kernels[0] - 0.5 * kernels[1]).ravel() @ reference.ravel(), abs=1e-4
    )
    assert found.quadrature == pytest.approx(0, abs=1e-5)
    assert found.points == POINTS[0]


def test_a_neuron_counts_for_the_part_of_the_way_on_which_it_is_active(random):
    """It wakes after 40 % of the way, so that five of nine points find it awake: 5/9 instead of 60 %."""
    kernel = np.zeros(SHAPE, np.float32)
    kernel[0, 0, 0], kernel[2, 3, 4] = 1, 1
    reference = np.zeros(SHAPE, np.float32)
    image = np.ones(SHAPE, np.float32)
    network = one_neuron(kernel, bias=-0.8, slope=10.0)
    head = HeadModel(np.array([0.5]), 25.0)
    found = explain_difference([network], image, reference, head)
    assert found.reference_estimate == pytest.approx(50)
    assert found.estimate == pytest.approx(50 + 0.5 * 10 * 1.2)
    assert found.points == 9
    assert found.passes == 11
    expected = np.zeros(SHAPE)
    expected[0, 0, 0] = expected[2, 3, 4] = 0.5 * 10 * 5 / 9
    np.testing.assert_allclose(found.relevance, expected, rtol=1e-6)
    assert found.quadrature == pytest.approx(6 - 10 * 5 / 9, abs=1e-5)
    lines = {line.layer: line for line in found.account}
    assert lines["reference"].absorbed == found.reference_estimate
    assert lines["quadrature"].absorbed == found.quadrature


def test_a_head_that_is_curved_has_its_own_slope_at_each_point():
    """estimate = square of one output, which grows from 0 to 6: the mean slope is 6, at the middle."""

    class Square:
        def apply(self, predictions):
            return np.square(predictions)[..., 0]

        def slopes(self, values):
            return 2 * values

    kernel = np.full(SHAPE, 0.1, np.float32)
    image, reference = np.ones(SHAPE, np.float32), np.zeros(SHAPE, np.float32)
    found = explain_difference([linear(kernel, bias=0.0)], image, reference, Square())
    np.testing.assert_allclose(found.relevance, 36 / 60, rtol=1e-5)


def test_the_gradients_are_tensorflows(random):
    """The midpoint rule over a sub-ensemble of the demo, with TensorFlow's gradient tape.

    Ties of pooling have other winners there, so that a few voxels differ.
    """
    import tensorflow as tf

    sub = load_bundle("demo").ensemble("TypeII").sub_ensembles["Cerebellum_T1w"]
    shape = sub.base_models[0].input_shape
    image, reference = random.random((2, *shape), np.float32)
    shares = (np.arange(POINTS[-1], dtype=np.float32) + 0.5) / POINTS[-1]
    points = tf.constant(np.stack([reference + share * (image - reference) for share in shares]))
    mean = np.zeros(shape)
    for base, weight in zip(sub.base_models, sub.head.coefficients, strict=True):
        model = build(base.spec, base.input_shape)
        set_weights(model, base.weights)
        with tf.GradientTape() as tape:
            tape.watch(points)
            years = tf.reduce_sum(model(points))
        mean += weight * tape.gradient(years, points).numpy().mean(axis=0)
    networks = [base.network for base in sub.base_models]
    found = explain_difference(networks, image, reference, sub.head, tolerance=0.0)
    expected = (image - reference) * mean
    apart = np.linalg.norm(found.relevance - expected) / np.linalg.norm(expected)
    assert apart < 0.02


def make_networks(seed, count):
    spec = BaseModelSpec(filters=(3, 4), kernels=(3, 1), dense_units=4)
    rng = np.random.default_rng(seed)
    shapes = spec.weight_shapes((6, 7, 8, 1))
    for _ in range(count):
        weights = {name: rng.normal(0, 0.4, shape).astype(np.float32) for name, shape in shapes.items()}
        weights["output/bias"][:] = 50
        yield spec.network(weights, (6, 7, 8, 1))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), curved=st.booleans(), size=st.floats(0.01, 3.0))
def test_everything_is_accounted_for(seed, curved, size):
    rng = np.random.default_rng(seed)
    networks = list(make_networks(seed, 3))
    outputs, ages = 50 + rng.normal(0, 10, (60, 3)), rng.uniform(20, 80, 60)
    head = SplineHead.fit(outputs, ages, 1.0, 1.0, 4) if curved else HeadModel.fit(outputs, ages)
    image, reference = size * rng.random((2, 6, 7, 8, 1), np.float32)
    found = explain_difference(networks, image, reference, head)
    closed = found.reference_estimate + found.relevance.sum(dtype=np.float64) + found.quadrature
    assert closed == pytest.approx(found.estimate, abs=1e-3)
    assert found.estimate == pytest.approx(float(head.apply(found.outputs)))
    assert found.passes <= 12
    # And the map says most of it: what is left is small beside the years that voxels add and take away.
    assert abs(found.quadrature) < 0.2 * np.abs(found.relevance).sum() + 1e-3


def test_threads_change_nothing(random):
    networks = list(make_networks(1, 3))
    image, reference = random.random((2, 6, 7, 8, 1), np.float32)
    head = HeadModel(np.array([0.2, 0.3, 0.4]), 5.0)
    one, many = (explain_difference(networks, image, reference, head, threads=n) for n in (1, 3))
    np.testing.assert_array_equal(one.relevance, many.relevance)
    assert one.quadrature == many.quadrature


def test_of_the_reference_itself_there_is_nothing_to_explain(random):
    image = random.random((6, 7, 8, 1), np.float32)
    found = explain_difference(list(make_networks(1, 1)), image, image, HeadModel(np.ones(1), 0.0))
    assert not found.relevance.any()
    assert found.quadrature == 0
    assert found.points == POINTS[0]


def test_a_reference_of_another_grid_is_refused():
    head = HeadModel(np.ones(1), 0.0)
    with pytest.raises(NetworkError, match="grid"):
        explain_difference(list(make_networks(1, 1)), np.zeros((6, 7, 8, 1)), np.zeros((7, 7, 8, 1)), head)
