"""Every rule on layers small enough to work out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bids_brainage.networks.network import (
    Affine,
    Concatenate,
    Convolution,
    Dense,
    Flatten,
    Network,
    Pad,
    Pooling,
)
from bids_brainage.networks.readouts import ExpectationReadout
from bids_brainage.relevance import COMPOSITES, explain, predict, rules
from bids_brainage.relevance.engine.gradients import gradient
from bids_brainage.relevance.peers.plain import make_operator, through_linear

#: Two inputs, two outputs: z = (1 * 1 + 2 * 3 - 1, 1 * -2 + 2 * 0.5 + 0.5) = (6, -0.5).
X = np.array([[1.0, 2.0]], np.float32)
DENSE = Dense(
    "dense", ("x",), np.array([[1.0, -2.0], [3.0, 0.5]], np.float32), np.array([-1.0, 0.5], np.float32)
)
R = np.array([[3.0, 2.0]], np.float32)

#: rule: (relevance of the two inputs, absorbed), worked out by hand.
HAND = {
    # s = (3 / 6.1, 2 / -0.6); R_i = x_i sum_j w_ij s_j; absorbed = s . (b +- eps)
    "epsilon": (
        rules.epsilon(0.1),
        [1 * 3 / 6.1 + -2 * 2 / -0.6, 2 * (3 * 3 / 6.1 + 0.5 * 2 / -0.6)],
        (-1 + 0.1) * 3 / 6.1 + (0.5 - 0.1) * 2 / -0.6,
    ),
    # z+ = (1 + 6, 1 + 0.5); the negative bias takes no part
    "alpha 1 beta 0": (rules.alpha_beta(1, 0), [1 * 3 / 7, 6 * 3 / 7 + 1 * 2 / 1.5], 0.5 * 2 / 1.5),
    # the same, but the negative bias stands in the denominator: 7 - 1
    "innvestigate": (
        rules.innvestigate_alpha_beta(1, 0),
        [1 * 3 / 6, 6 * 3 / 6 + 1 * 2 / 1.5],
        -1 * 3 / 6 + 0.5 * 2 / 1.5,
    ),
    # z- = (-1, -2): the first output has nothing negative but its bias
    "alpha 2 beta 1": (
        rules.alpha_beta(2, 1),
        [2 * 1 * 3 / 7 - 2 * -1 * -1, 2 * (6 * 3 / 7 + 1 * 2 / 1.5)],
        2 * 0.5 * 2 / 1.5 - 3,
    ),
    "z+": (rules.z_plus(), [1 * 3 / 7, 6 * 3 / 7 + 1 * 2 / 1], 0.0),
    # z = 6 >= 0: w + w+ gives 2 * 1 + 2 * 6 - 1 = 13; z = -0.5 < 0: w + w- gives -4 + 1 + 0.5 = -2.5
    "gamma": (
        rules.gamma(1.0),
        [2 * 3 / 13 + -4 * 2 / -2.5, 12 * 3 / 13 + 1 * 2 / -2.5],
        -1 * 3 / 13 + 0.5 * 2 / -2.5,
    ),
    "flat": (rules.flat(), [2.5, 2.5], 0.0),
    # squares: (1, 9) and (4, 0.25)
    "w^2": (rules.w_square(), [3 * 1 / 10 + 2 * 4 / 4.25, 3 * 9 / 10 + 2 * 0.25 / 4.25], 0.0),
    # x w - low w+ - high w-, low -1, high 4: (1 + 1) 1, (2 + 1) 3 | (1 - 4) -2, (2 + 1) 0.5
    "box": (rules.box(-1, 4), [3 * 2 / 11 + 2 * 6 / 7.5, 3 * 9 / 11 + 2 * 1.5 / 7.5], 0.0),
}


@pytest.mark.parametrize("name", HAND)
def test_by_hand(name):
    rule, expected, absorbed = HAND[name]
    share, kept = through_linear(rule, make_operator(DENSE, X.shape), X, R)
    np.testing.assert_allclose(share[0], expected, rtol=1e-5)
    assert kept == pytest.approx(absorbed, abs=1e-5)
    assert share.sum() + kept == pytest.approx(R.sum(), rel=1e-5)


def test_negative_inputs_excite_through_negative_weights():
    """x = (-1, 2), w = (-3, 1): contributions 3 and 2, both positive."""
    layer = Dense("dense", ("x",), np.array([[-3.0], [1.0]], np.float32), None)
    x = np.array([[-1.0, 2.0]], np.float32)
    share, absorbed = through_linear(
        rules.z_plus(), make_operator(layer, x.shape), x, np.array([[10.0]], np.float32)
    )
    np.testing.assert_allclose(share, [[6.0, 4.0]], rtol=1e-6)
    assert absorbed == 0


def test_nothing_to_share_is_absorbed():
    share, absorbed = through_linear(rules.z_plus(), make_operator(DENSE, X.shape), 0 * X, R)
    assert not share.any()
    assert absorbed == R.sum()


def test_alpha_less_beta_must_be_one():
    with pytest.raises(ValueError, match="alpha - beta must be 1"):
        rules.alpha_beta(1, 1)


LINEAR = {
    "strided": Convolution("c", ("x",), np.zeros((3, 2, 3, 2, 3), np.float32), None, (2, 1, 2)),
    "dilated": Convolution("c", ("x",), np.zeros((2, 3, 1, 2, 3), np.float32), None, dilation=(2, 2, 1)),
    "valid": Convolution(
        "c", ("x",), np.zeros((2, 3, 3, 2, 3), np.float32), None, (1, 2, 1), padding="valid"
    ),
    "affine": Affine("a", ("x",), np.array([2.0, -1.0], np.float32), np.array([1.0, 0.5], np.float32)),
    "average": Pooling("p", ("x",), "average", (3, 3, 2), (2, 2, 1)),
    "global average": Pooling("p", ("x",), "average", None),
}


@pytest.mark.parametrize("name", LINEAR)
@pytest.mark.parametrize("term", [rules.ALL, *rules.EXCITING, rules.Term("one", kernel="one")])
def test_transposes_are_transposes(name, term, random):
    """<forward x, s> = <x, transpose s> for every linear layer and part of its kernel."""
    layer = LINEAR[name]
    if isinstance(layer, Convolution):
        layer.kernel[...] = random.standard_normal(layer.kernel.shape)
    x = random.standard_normal((1, 7, 8, 6, 2)).astype(np.float32)
    operator = make_operator(layer, x.shape)
    y = operator.forward(x, term)
    s = random.standard_normal(y.shape).astype(np.float32)
    back = operator.transpose(s, term)
    assert back.shape == x.shape
    assert np.vdot(y, s) == pytest.approx(np.vdot(x, back), rel=1e-4, abs=1e-4)


def test_zeros_around_a_volume_by_hand():
    """What falls on them is absorbed; what falls inside stays where it is."""
    x = np.arange(1.0, 5.0, dtype=np.float32).reshape(1, 1, 2, 2, 1)
    network = Network(
        (
            Pad("pad", ("image",), (0, 1, 0), (0, 0, 2)),
            Flatten("flat", ("pad",)),
            Dense("output", ("flat",), np.ones((12, 1), np.float32), None),
        ),
        (1, 2, 2, 1),
    )
    assert predict(network, x)[0] == 10
    flat = replace(COMPOSITES["preset-a"], dense=rules.flat())
    explanation = explain(network, x, flat)
    np.testing.assert_allclose(explanation.relevance[0, 0, :, :, 0], np.full((2, 2), 10 / 12), rtol=1e-6)
    lines = {line.layer: line.absorbed for line in explanation.accounts[0]}
    assert lines["pad"] == pytest.approx(10 - 4 * 10 / 12)
    exact = explain(network, x, replace(flat, dense=rules.epsilon(1e-9)))
    np.testing.assert_allclose(exact.relevance, x, rtol=1e-5)


def test_channels_side_by_side_keep_what_is_theirs():
    """Two times the image and three times it, joined: each branch gets the relevance of its own channel."""
    double, triple = (
        Affine(name, ("image",), np.array([n], np.float32), None) for name, n in (("b", 2), ("c", 3))
    )
    network = Network(
        (
            double,
            triple,
            Concatenate("joined", ("b", "c", "image")),
            Flatten("flat", ("joined",)),
            Dense("output", ("flat",), np.array([[1], [10], [100]], np.float32), None),
        ),
        (1, 1, 1, 1),
    )
    x = np.full((1, 1, 1, 1, 1), 4, np.float32)
    explanation = explain(network, x, replace(COMPOSITES["preset-a"], dense=rules.epsilon(1e-9)))
    assert explanation.outputs[0] == 4 * (2 + 30 + 100)
    lines = {line.layer: line.received for line in explanation.accounts[0]}
    assert (lines["b"], lines["c"]) == pytest.approx((8, 120))
    assert explanation.relevance.ravel()[0] == pytest.approx(528)


def test_the_gradient_runs_through_zeros_and_joined_channels(random):
    """Against differences of the output."""
    kernel = random.standard_normal((3, 3, 3, 2, 3)).astype(np.float32)
    network = Network(
        (
            Affine("scaled", ("image",), np.array([0.5], np.float32), np.array([0.1], np.float32)),
            Concatenate("joined", ("image", "scaled")),
            Pad("pad", ("joined",), (1, 1, 1), (1, 1, 1)),
            Convolution("conv", ("pad",), kernel, None, (2, 2, 2), padding="valid"),
            Flatten("flat", ("conv",)),
            Dense("output", ("flat",), random.standard_normal((24, 3)).astype(np.float32), None),
        ),
        (4, 4, 4, 1),
        readout=ExpectationReadout(first=20, step=20, n=3),
    )
    x = 0.1 * random.random((1, 4, 4, 4, 1)).astype(np.float32)
    slopes = gradient(network, x)
    for place in [(0, 0, 0, 0, 0), (0, 3, 3, 3, 0), (0, 1, 2, 3, 0)]:
        step = np.zeros_like(x)
        step[place] = 1e-2
        rise = (predict(network, x + step) - predict(network, x - step))[0] / 2e-2
        assert slopes[place] == pytest.approx(rise, rel=1e-2, abs=1e-2)
