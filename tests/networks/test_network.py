"""What a network is: layers in order and a readout."""

from __future__ import annotations

import numpy as np
import pytest

from bids_brainage.errors import NetworkError
from bids_brainage.networks.network import Activation, Dense, Flatten, LinearReadout, Network
from bids_brainage.relevance import COMPOSITES, explain, explain_ensemble, predict


class Expectation(LinearReadout):
    """Another readout, for this test: the expectation of 20, 40, 60 under the softmax of three scores."""

    centres = np.array([20.0, 40.0, 60.0])

    def fits(self, output):
        return output.kernel.shape[1] == 3

    def target_bias(self, output):
        return float(self.years(output.bias[None])[0])

    def years(self, outputs):
        powers = np.exp(outputs.astype(float) - outputs.max(axis=1, keepdims=True))
        return powers @ self.centres / powers.sum(axis=1)

    def neuron(self, output, outputs):
        """The secant: mean gradient of the expectation on the way from the biases to the scores."""
        steps = (np.arange(256) + 0.5) / 256
        scores = output.bias + steps[:, None] * (outputs - output.bias)
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        shares = powers / powers.sum(axis=1, keepdims=True)
        gradients = shares * (self.centres - self.years(scores)[:, None])
        kernel = output.kernel @ gradients.mean(axis=0)
        bias = np.array([self.target_bias(output)])
        return Dense(output.name, output.inputs, kernel[:, None].astype(np.float32), bias.astype(np.float32))


def layers(outputs: int) -> tuple:
    random = np.random.default_rng(1)

    def dense(name, before, units, width):
        kernel, bias = random.standard_normal((units, width)), random.standard_normal(width)
        return Dense(name, (before,), kernel.astype(np.float32), bias.astype(np.float32))

    middle = dense("middle", "flat", 24, 5), Activation("relu", ("middle",), "relu")
    return (Flatten("flat", ("image",)), *middle, dense("output", "relu", 5, outputs))


@pytest.mark.parametrize("composite", [name for name in COMPOSITES if "innvestigate" not in name])
def test_another_readout_joins_without_a_change_elsewhere(composite):
    """Its years are predicted, and explained from its target bias on."""
    readout = Expectation()
    network = Network(layers(3), (4, 6, 1), readout=readout)
    image = np.random.default_rng(2).random((4, 6, 1)).astype(np.float32)
    x = np.maximum(image.reshape(1, -1) @ layers(3)[1].kernel + layers(3)[1].bias, 0)
    scores = x @ layers(3)[-1].kernel + layers(3)[-1].bias
    years = predict(network, image[None])
    np.testing.assert_allclose(years, readout.years(scores), rtol=1e-6)
    for engine in ("fast", "plain"):
        explanation = explain(network, image[None], composite, engine=engine)
        np.testing.assert_allclose(explanation.outputs, years)
        assert explanation.target_bias == readout.target_bias(layers(3)[-1])
        assert abs(explanation.closure_errors[0]) < 1e-3
        assert explanation.accounts[0][0].absorbed == pytest.approx(explanation.target_bias)
    together = explain_ensemble([network, network], image, [0.5, 0.5])
    assert together.outputs == pytest.approx([years[0]] * 2)


def test_a_readout_needs_its_kind_of_output():
    with pytest.raises(NetworkError):
        Network(layers(3), (4, 6, 1))
    with pytest.raises(NetworkError):
        Network(layers(1), (4, 6, 1), readout=Expectation())
    with pytest.raises(NetworkError):
        Network(layers(1)[:-1], (4, 6, 1))


def test_the_linear_readout_says_the_output_neuron():
    network = Network(layers(1), (4, 6, 1))
    assert network.target_bias == float(layers(1)[-1].bias[0])
    assert network.with_one_neuron(np.zeros(1)) is network
    without = Dense("output", ("relu",), layers(1)[-1].kernel, None)
    assert Network((*layers(1)[:-1], without), (4, 6, 1)).target_bias == 0
