"""Parity with innvestigate 2.1.2, which runs in a process of its own."""

from __future__ import annotations

import numpy as np
import pytest

from bids_brainage.errors import NetworkError
from bids_brainage.relevance import explain, from_keras
from bids_brainage.relevance.peers.innvestigate_backend import is_installed, relevance_maps

pytestmark = pytest.mark.skipif(not is_installed(), reason="innvestigate is not installed")


def trained(make_model, shape, activation, random):
    """Train on images whose mean says their age, until the biases are anything but zero."""
    model = make_model(shape, activation=activation)
    images = random.random((64, *shape), np.float32) * random.random((64, *(1,) * len(shape)), np.float32)
    images[:, :4] = 0
    model.compile("adam", "mse")
    model.fit(images, 40 + 40 * images.mean(tuple(range(1, images.ndim))), epochs=6, batch_size=8, verbose=0)
    return model, images[:2]


@pytest.mark.slow
@pytest.mark.parametrize("activation", ["relu", "leaky_relu"])
@pytest.mark.parametrize("shape", [(33, 30, 1), (18, 20, 17, 1)])
def test_same_maps(make_model, random, shape, activation):
    model, images = trained(make_model, shape, activation, random)
    network = from_keras(model)
    biases = [layer.bias for layer in network.layers if getattr(layer, "bias", None) is not None]
    assert all(np.abs(bias).max() > 1e-3 for bias in biases)
    outputs, maps = relevance_maps([network], images, "innvestigate-preset-a")
    explanation = explain(network, images, "innvestigate-preset-a")
    np.testing.assert_allclose(explanation.outputs, outputs[0], rtol=1e-5)
    for ours, theirs in zip(explanation.relevance, maps[0], strict=True):
        assert np.abs(theirs).max() > 0
        assert np.abs(ours - theirs).max() < 1e-5 * np.abs(theirs).max()


def test_unknown_composite(make_model):
    network = from_keras(make_model((8, 8, 1)))
    with pytest.raises(NetworkError, match="innvestigate has no LRP composite gamma"):
        relevance_maps([network], np.zeros((1, 8, 8, 1)), "gamma")
