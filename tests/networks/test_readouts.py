"""Readouts: years, their secants, what lies between, and what tells of brains unlike the training's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from scipy.integrate import quad

from bids_brainage.networks.layers import Dense
from bids_brainage.networks.readouts import AnyReadout, CountReadout, ExpectationReadout, LinearReadout

BINS = ExpectationReadout(first=42.5, step=1, n=40)


def head(outputs: int, random: np.random.Generator, width: int = 64) -> Dense:
    kernel, bias = random.standard_normal((width, outputs)), random.standard_normal(outputs)
    return Dense("output", ("features",), kernel.astype(np.float32), bias.astype(np.float32))


@pytest.mark.parametrize("readout", [BINS, CountReadout(first=3, n=91), LinearReadout(scale=100, offset=-2)])
@pytest.mark.parametrize("spread", [0.0, 0.01, 1.0, 10.0, 30.0])
def test_the_secant_meets_both_ends(readout, spread, random):
    """One neuron says for these features what the readout says, whatever the spread of the scores."""
    output = head(readout.outputs, random)
    features = (spread / 8 * np.abs(random.standard_normal(64))).astype(np.float32)
    z = (features @ output.kernel + output.bias).astype(np.float32)
    neuron = readout.neuron(output, z)
    found = float(features @ neuron.kernel[:, 0] + neuron.bias[0])
    expected = float(readout.explained(z[None])[0])
    assert found == pytest.approx(expected, abs=1e-4 * max(1, abs(expected)))
    assert neuron.bias[0] == pytest.approx(readout.target_bias(output), rel=1e-6)


@pytest.mark.parametrize("readout", [BINS, CountReadout(first=3, n=40)])
def test_the_mean_slopes_are_the_integral(readout, random):
    """Against SciPy's adaptive quadrature, bin by bin."""
    start, end = random.standard_normal((2, 40)) * [[0.5], [10.0]]
    found = readout.mean_slopes(start, end)
    for k in range(0, 40, 13):
        integral, _ = quad(lambda t, k=k: readout.slopes((start + t * (end - start))[None])[0, k], 0, 1)
        assert found[k] == pytest.approx(integral, abs=1e-7)


def test_a_number_added_to_all_scores_changes_nothing(random):
    start, end = random.standard_normal((2, 40))
    assert BINS.mean_slopes(start, end).sum() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("readout", [BINS, CountReadout(first=3, n=40), LinearReadout(scale=3, offset=1)])
def test_slopes_are_derivatives(readout, random):
    z = random.standard_normal(readout.outputs)
    for k in range(readout.outputs):
        step = np.zeros(readout.outputs)
        step[k] = 1e-5
        rise = readout.explained((z + step)[None]) - readout.explained((z - step)[None])
        assert readout.slopes(z[None])[0, k] == pytest.approx(float(rise[0]) / 2e-5, abs=1e-6)


@settings(deadline=None, max_examples=50)
@given(st.floats(-1e4, 1e4), st.integers(0, 39))
def test_an_expectation_knows_its_distribution(shift, peak):
    """A score far above the others is all there is, whatever is added to all; a flat one is the middle."""
    z = np.full(40, shift, np.float32)
    assert BINS.distribution(z) == pytest.approx((np.sqrt((40**2 - 1) / 12), 42.5))
    assert float(BINS.years(z[None])[0]) == pytest.approx(62)
    assert not BINS.at_limit(BINS.years(z[None])[0])
    z[peak] += 50
    sd, mode = BINS.distribution(z)
    assert (round(sd, 6), mode) == (0, 42.5 + peak)
    assert float(BINS.years(z[None])[0]) == pytest.approx(42.5 + peak)
    assert BINS.at_limit(BINS.years(z[None])[0]) == (peak in (0, 1, 38, 39))


def test_limits_are_told():
    reg = LinearReadout(offset=3, low=3, high=95)
    for z, years, limited in ((-1.0, 3, True), (40.0, 43, False), (100.0, 95, True)):
        outputs = np.array([z], np.float32)
        assert float(reg.years(outputs[None])[0]) == years
        assert reg.at_limit(reg.years(outputs[None])[0]) == limited
        assert sum(reg.corrections(outputs).values()) == pytest.approx(years - (z + 3))
    rank = CountReadout(first=3, n=91)
    assert float(rank.years(np.full((1, 91), 9.0))[0]) == 94
    assert rank.at_limit(rank.years(np.full((1, 91), 9.0, np.float32))[0])
    assert rank.distribution(np.zeros(91, np.float32)) is None


@pytest.mark.parametrize(
    "content",
    [
        {"kind": "linear", "scale": 0},
        {"kind": "linear", "low": 5, "high": 4},
        {"kind": "linear", "scale": float("nan")},
        {"kind": "expectation", "first": 42.5, "step": 0, "n": 40},
        {"kind": "expectation", "first": 42.5, "step": 1, "n": 2},
        {"kind": "expectation", "first": 42.5, "step": 1, "n": 10**6},
        {"kind": "count", "first": 3, "n": 91, "threshold": 1},
        {"kind": "softmax"},
        {"kind": "linear", "other": 1},
    ],
)
def test_impossible_readouts(content):
    with pytest.raises(ValidationError):
        TypeAdapter(AnyReadout).validate_python(content)
