"""What a network is: layers in order and a readout."""

from __future__ import annotations

import numpy as np
import pytest

from bids_brainage.errors import NetworkError
from bids_brainage.networks.network import Activation, Dense, Flatten, Network
from bids_brainage.networks.readouts import CountReadout, ExpectationReadout, LinearReadout
from bids_brainage.relevance import COMPOSITES, explain, explain_ensemble, predict

THREE = ExpectationReadout(first=20, step=20, n=3)
COMPOSITES_OF_OURS = [name for name in COMPOSITES if "innvestigate" not in name]


def layers(outputs: int) -> tuple:
    random = np.random.default_rng(1)

    def dense(name, before, units, width):
        kernel, bias = random.standard_normal((units, width)), random.standard_normal(width)
        return Dense(name, (before,), kernel.astype(np.float32), bias.astype(np.float32))

    middle = dense("middle", "flat", 24, 5), Activation("relu", ("middle",), "relu")
    return (Flatten("flat", ("image",)), *middle, dense("output", "relu", 5, outputs))


def image() -> np.ndarray:
    return np.random.default_rng(2).random((4, 6, 1)).astype(np.float32)


def scores(outputs: int) -> np.ndarray:
    """What the last layer gives, worked out here."""
    own = layers(outputs)
    x = np.maximum(image().reshape(1, -1) @ own[1].kernel + own[1].bias, 0)
    return (x @ own[-1].kernel + own[-1].bias)[0].astype(float)


def expectation(z: np.ndarray) -> float:
    """Of 20, 40, 60 under the softmax of three scores."""
    return float(np.exp(z) @ [20, 40, 60] / np.exp(z).sum())


@pytest.mark.parametrize("composite", COMPOSITES_OF_OURS)
def test_an_expectation_is_explained_in_years(composite):
    """From what the biases alone say to the estimate, exactly."""
    network = Network(layers(3), (4, 6, 1), readout=THREE)
    years = predict(network, image()[None])
    np.testing.assert_allclose(years, expectation(scores(3)), rtol=1e-6)
    for engine in ("fast", "plain"):
        explanation = explain(network, image()[None], composite, engine=engine)
        np.testing.assert_allclose(explanation.outputs, years)
        assert explanation.target_bias == pytest.approx(expectation(layers(3)[-1].bias.astype(float)))
        assert abs(explanation.closure_errors[0]) < 1e-4
        assert explanation.accounts[0][0].absorbed == pytest.approx(explanation.target_bias)
    together = explain_ensemble([network, network], image(), [0.5, 0.5], composite)
    assert together.outputs == pytest.approx([years[0]] * 2)


@pytest.mark.parametrize(
    ("readout", "corrected"),
    [
        (LinearReadout(scale=10, offset=2), set()),
        (LinearReadout(scale=10, offset=2, low=200), {"limits"}),
        (LinearReadout(scale=10, offset=2, high=-200), {"limits"}),
        (CountReadout(first=3, n=7), {"rounding"}),
    ],
)
def test_limits_and_rounding_have_lines_of_their_own(readout, corrected):
    network = Network(layers(readout.outputs), (4, 6, 1), readout=readout)
    z = scores(readout.outputs)
    explanation = explain(network, image()[None])
    lines = {line.layer: line for line in explanation.accounts[0]}
    assert set(lines) & {"limits", "rounding"} == corrected
    if readout.kind == "linear":
        inside = 10 * z[0] + 2
        years = float(np.clip(inside, readout.low, readout.high)) if corrected else inside
    else:
        inside, years = 3 + (1 / (1 + np.exp(-z))).sum(), 3 + (z > 0).sum()
    assert explanation.outputs[0] == pytest.approx(years, rel=1e-6)
    for name in corrected:
        assert lines[name].absorbed == pytest.approx(years - inside, rel=1e-4)
        assert list(lines).index(name) == 0
    assert abs(explanation.closure_errors[0]) < 1e-4
    assert all(abs(line.error) < 1e-4 for line in explanation.accounts[0])


def test_a_readout_needs_its_kind_of_output():
    with pytest.raises(NetworkError):
        Network(layers(3), (4, 6, 1))
    with pytest.raises(NetworkError):
        Network(layers(1), (4, 6, 1), readout=THREE)
    with pytest.raises(NetworkError):
        Network(layers(1)[:-1], (4, 6, 1))


def test_the_linear_readout_says_the_output_neuron():
    network = Network(layers(1), (4, 6, 1))
    assert network.target_bias == float(layers(1)[-1].bias[0])
    assert network.with_one_neuron(np.zeros(1)) is network
    without = Dense("output", ("relu",), layers(1)[-1].kernel, None)
    assert Network((*layers(1)[:-1], without), (4, 6, 1)).target_bias == 0
