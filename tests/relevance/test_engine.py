"""The engine on whole networks: predictions are Keras', and every account closes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bids_brainage.errors import NetworkError
from bids_brainage.networks.network import (
    Activation,
    Add,
    Affine,
    Convolution,
    Dense,
    Flatten,
    Network,
    Pooling,
)
from bids_brainage.relevance import COMPOSITES, explain, explain_ensemble, from_keras, predict
from bids_brainage.relevance.engine import backward, forward

SHAPES = [(21, 18, 17, 1), (31, 30, 1), (12, 13, 2)]


def brain_like(random, shape):
    """Non-negative noise on a background of zeros."""
    image = random.random(shape, np.float32)
    image[:4] = 0
    return image


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "elu"])
def test_predicts_as_keras_does(make_model, random, shape, activation):
    model = make_model(shape, activation=activation)
    images = np.stack([brain_like(random, shape) for _ in range(2)])
    np.testing.assert_allclose(predict(from_keras(model), images), model(images).numpy()[:, 0], rtol=1e-6)


@pytest.mark.parametrize("composite", COMPOSITES)
@pytest.mark.parametrize("activation", ["relu", "leaky_relu"])
def test_accounts_close(make_model, random, composite, activation):
    network = from_keras(make_model((14, 15, 13, 1), activation=activation))
    images = brain_like(random, (14, 15, 13, 1))[None]
    explanation = explain(network, images, composite)
    outputs = np.abs(explanation.outputs)
    assert np.all(np.abs(explanation.closure_errors) < 1e-5 * outputs)
    for line in explanation.accounts[0]:
        assert abs(line.error) < 1e-5 * outputs[0], line
    assert np.abs(explanation.relevance).max() > 0


def test_an_ensemble_adds_up(make_model, random):
    shape = (14, 15, 13, 1)
    networks = [from_keras(make_model(shape, seed=seed)) for seed in range(3)]
    weights = np.array([0.7, -0.1, 0.45])
    image = brain_like(random, shape)
    together = explain_ensemble(networks, image, weights)
    alone = [explain(network, image[None]) for network in networks]
    expected = sum(w * each.relevance[0] for w, each in zip(weights, alone, strict=True))
    np.testing.assert_allclose(together.relevance, expected, atol=1e-6 * np.abs(expected).max())
    np.testing.assert_allclose(together.outputs, [each.outputs[0] for each in alone])
    assert abs(together.closure_error) < 1e-5 * abs(weights @ together.outputs)
    assert together.target_bias == pytest.approx(50.0 * weights.sum())


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("late", [False, True], ids=["known", "from the outputs"])
def test_each_network_runs_once_and_weights_may_follow_from_outputs(
    make_model, random, monkeypatch, late, threads
):
    shape = (14, 15, 13, 1)
    networks = [from_keras(make_model(shape, seed=seed)) for seed in range(3)]
    image = brain_like(random, shape)
    outputs = np.concatenate([predict(network, image[None]) for network in networks])
    weights = outputs / outputs.sum() ** 2
    expected = explain_ensemble(networks, image, weights)
    runs = []
    run = forward.run
    monkeypatch.setattr(forward, "run", lambda *args: runs.append(id(args[0])) or run(*args))
    given = (lambda own: own / own.sum() ** 2) if late else weights
    found = explain_ensemble(networks, image, given, threads=threads)
    assert sorted(runs) == sorted(id(network) for network in networks)
    np.testing.assert_array_equal(found.weights, weights)
    np.testing.assert_array_equal(found.outputs, outputs)
    np.testing.assert_array_equal(found.relevance, expected.relevance)
    assert found.account == expected.account


def test_weights_from_outputs_must_fit_too(make_model, random):
    networks = [from_keras(make_model((12, 13, 2)))]
    for wrong in ([0.5, 0.5], [np.nan]):
        with pytest.raises(NetworkError, match="1 networks and weights of shape"):
            explain_ensemble(networks, brain_like(random, (12, 13, 2)), lambda _, wrong=wrong: wrong)


def test_closure_compares_with_what_the_networks_said(make_model, random, monkeypatch):
    """Relevance that goes astray, and is not in the account, is seen."""
    shape = (14, 15, 13, 1)
    networks = [from_keras(make_model(shape, seed=seed)) for seed in range(2)]
    image, weights = brain_like(random, shape), np.array([0.25, 0.5])
    # Signs by which what is lost of one network does not make up for what is lost of the other.
    weights *= np.sign(explain_ensemble(networks, image, weights).relevance_sums)
    assert abs(explain_ensemble(networks, image, weights).closure_error) < 1e-4
    run = backward.run
    monkeypatch.setattr(backward, "run", lambda *args: 0.9 * run(*args))
    broken = explain_ensemble(networks, image, weights)
    lost = float(weights @ broken.relevance_sums) / 9
    assert abs(lost) > 0.001
    assert broken.closure_error == pytest.approx(lost, rel=0.01)
    alone = explain(networks[0], image[None])
    assert alone.closure_errors[0] == pytest.approx(alone.relevance.sum(dtype=float) / 9, rel=0.01)


@pytest.mark.parametrize("composite", COMPOSITES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("activation", ["relu", "leaky_relu"])
def test_the_fast_engine_is_the_plain_one(make_model, random, composite, shape, activation, tiles):
    network = from_keras(make_model(shape, activation=activation))
    image = brain_like(random, shape)[None]
    fast = explain(network, image, composite, threads=2)
    plain = explain(network, image, composite, engine="plain")
    scale = np.abs(plain.relevance).max()
    np.testing.assert_allclose(fast.relevance, plain.relevance, atol=1e-5 * scale)
    for ours, theirs in zip(fast.accounts[0], plain.accounts[0], strict=True):
        assert ours.layer == theirs.layer
        assert ours.absorbed == pytest.approx(theirs.absorbed, abs=1e-5 * abs(plain.outputs[0]))


def test_threads_change_nothing(make_model, random, tiles):
    network = from_keras(make_model((26, 18, 17, 1)))
    image = brain_like(random, (26, 18, 17, 1))[None]
    one, three = explain(network, image, threads=1), explain(network, image, threads=3)
    np.testing.assert_array_equal(one.relevance, three.relevance)
    assert one.accounts == three.accounts


@pytest.mark.parametrize("composite", COMPOSITES)
@pytest.mark.parametrize("image", ["zero", "constant", "plateaus"])
def test_images_full_of_ties(make_model, random, composite, image):
    """Accounts close, all is finite, and zero voxels receive nothing but by the flat rule."""
    shape = (15, 14, 13, 1)
    voxels = {
        "zero": np.zeros(shape, np.uint8),
        "constant": np.full(shape, 200, np.uint8),
        "plateaus": np.kron(random.integers(0, 3, (5, 7, 13, 1)), np.ones((3, 2, 1, 1))).astype(np.uint8)
        * 100,
    }[image]
    explanation = explain(from_keras(make_model(shape)), voxels[None] / np.float32(255), composite)
    assert np.isfinite(explanation.relevance).all()
    assert abs(explanation.closure_errors[0]) < 1e-5 * abs(explanation.outputs[0])
    if "flat" not in composite:
        assert not explanation.relevance[0][voxels == 0].any()


def test_a_network_without_biases_on_an_image_without_content(make_model):
    """Nothing in, nothing out: the target bias is all there is."""
    import tensorflow as tf

    image = tf.keras.Input((6, 6, 1))
    x = tf.keras.layers.Conv2D(2, 3, use_bias=False, activation="relu")(image)
    x = tf.keras.layers.Dense(1, use_bias=False)(tf.keras.layers.Flatten()(x))
    network = from_keras(tf.keras.Model(image, x))
    explanation = explain(network, np.zeros((1, 6, 6, 1)))
    assert explanation.target_bias == explanation.outputs[0] == explanation.absorbed[0] == 0
    assert not explanation.relevance.any()


@st.composite
def architectures(draw):
    """A chain of layers of every kind that has a rule, with random weights, and an image."""
    random = np.random.default_rng(draw(st.integers(0, 2**16)))
    shape = (draw(st.integers(1, 9)), draw(st.integers(4, 9)), draw(st.integers(4, 9)))
    layers, channels, name = [], 1, "image"

    def append(kind, *details, inputs=None, **more):
        nonlocal name
        layers.append(kind(f"{len(layers)}", inputs or (name,), *details, **more))
        name = layers[-1].name

    for _ in range(draw(st.integers(1, 3))):
        before, width = name, draw(st.integers(1, 3))
        size = (1, draw(st.integers(1, 3)), draw(st.integers(1, 3)))
        dilation = (1, draw(st.integers(1, 2)), 1)
        kernel = random.standard_normal((*size, channels, width)).astype(np.float32)
        bias = random.standard_normal(width).astype(np.float32) if draw(st.booleans()) else None
        append(Convolution, kernel, bias, dilation=dilation)
        if width == channels and draw(st.booleans()):
            append(Add, inputs=(name, before))
        channels = width
        if draw(st.booleans()):
            scale, shift = random.standard_normal((2, channels)).astype(np.float32)
            append(Affine, scale, shift)
        if draw(st.booleans()):
            append(Activation, draw(st.sampled_from(["relu", "leaky_relu", "elu"])), 0.3, draw(st.booleans()))
        if draw(st.booleans()):
            mode = draw(st.sampled_from(["max", "average"]))
            append(Pooling, mode, (1, draw(st.integers(1, 3)), 2), (1, 2, draw(st.integers(1, 2))))
    append(Pooling, draw(st.sampled_from(["max", "average"])), None)
    append(Flatten)
    append(Dense, random.standard_normal((channels, 1)).astype(np.float32), np.array([9.0], np.float32))
    return Network(tuple(layers), (*shape, 1)), random.standard_normal((*shape, 1)).astype(np.float32)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(architectures(), st.sampled_from([name for name in COMPOSITES if "innvestigate" not in name]))
def test_any_network_is_explained_and_adds_up(case, composite):
    network, image = case
    explanation = explain(network, image[None], composite)
    # Errors are measured against all that flows: relevance of opposite signs can exceed the output.
    flow = max(max(abs(line.received), abs(line.absorbed)) for line in explanation.accounts[0])
    flow = max(flow, np.abs(explanation.relevance).sum())
    assert np.isfinite(explanation.relevance).all()
    assert abs(explanation.closure_errors[0]) <= 1e-4 * flow
    plain = explain(network, image[None], composite, engine="plain")
    np.testing.assert_allclose(explanation.relevance, plain.relevance, atol=1e-4 * flow)
