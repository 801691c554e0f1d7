"""The engine on whole networks: predictions are Keras', and every account closes."""

from __future__ import annotations

import numpy as np
import pytest

from bids_brainage.relevance import COMPOSITES, explain, explain_ensemble, from_keras, predict

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
