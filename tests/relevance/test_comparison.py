"""The same measures for LRP and other methods."""

from __future__ import annotations

import numpy as np
import pytest

from bids_brainage.networks.network import Dense, Flatten, Network
from bids_brainage.relevance import explain, from_keras
from bids_brainage.relevance.comparison import METHODS, robustness, truth_scores


def test_scores_of_maps_that_know_all_or_nothing():
    truth = np.zeros((3, 4, 5), bool)
    truth[:, 1:3, 1:3] = True
    mask = np.ones_like(truth)
    mask[:, 0] = False
    right, wrong, even = truth[0] * 1.0, ~truth[0] * 1.0, np.ones((4, 5))
    scores = truth_scores(np.stack([right, wrong, even]), truth, mask)
    # 4 of the 15 pixels of the mask are true; the first four of equal ones hold two of them.
    np.testing.assert_allclose(scores.chance, 4 / 15)
    np.testing.assert_allclose(scores.mass, [1, 0, 4 / 15])
    np.testing.assert_allclose(scores.rank, [1, 0, 2 / 4])
    younger = truth_scores(-np.stack([right, wrong, even]), truth, mask, sign=-1)
    np.testing.assert_allclose(younger.mass, scores.mass)


def test_nothing_is_said_where_there_is_no_truth_or_no_relevance():
    truth = np.zeros((2, 3, 3), bool)
    truth[1, 1, 1] = True
    scores = truth_scores(np.stack([np.ones((3, 3)), -np.ones((3, 3))]), truth, np.ones_like(truth))
    assert np.isnan(scores.mass).all()
    assert np.isnan(scores.rank).all()
    assert np.isnan(scores.chance).all()


def test_methods_explain_an_image_in_years(make_model, random):
    """All but SmoothGrad, which is a mean over noise, add up to what they say they do."""
    network = from_keras(make_model((16, 15, 1)))
    images = random.random((2, 16, 15, 1), np.float32)
    maps = {name: method(network, images) for name, method in METHODS.items()}
    assert all(own.shape == images.shape for own in maps.values())
    np.testing.assert_array_equal(maps["LRP"], explain(network, images).relevance)


def test_edges_are_where_an_image_changes():
    """Of a bright half: the two columns at its edge, but only what is not zero, the same along the edge."""
    images = np.zeros((2, 6, 8, 2), np.float32)
    images[0, :, 4:, 0] = 0.5
    images[1, 2:, :, 1] = 1
    edges = METHODS["edges"](linear(images.shape[1:]), images)
    assert not edges[0, ..., 1].any()
    assert not edges[1, ..., 0].any()
    found = edges[0, ..., 0]
    assert (found[:, 4] > 0).all()
    assert np.ptp(found[:, 4]) == 0
    assert not np.delete(found, 4, axis=1).any()


def linear(shape):
    kernel = np.ones((int(np.prod(shape)), 1), np.float32)
    return Network((Flatten("f", ("image",)), Dense("d", ("f",), kernel, None)), shape)


@pytest.mark.parametrize("method", ["LRP", "gradient x input"])
def test_robustness_of_a_linear_network(random, method):
    """Healing a bright patch that makes older is best done first, at any method that finds it."""
    image = np.full((8, 8, 1), 0.5, np.float32)
    healed = image.copy()
    image[2:4, 2:4] = 1
    kernel = image.reshape(-1, 1) * 1.0
    layers = (Flatten("f", ("image",)), Dense("d", ("f",), kernel, np.array([50.0], np.float32)))
    network = Network(layers, image.shape)
    result = robustness(network, image, method, {"healed": (1, healed)}, block=2, seed=0)
    curve = result.curves["healed"]
    # One of 16 blocks holds the patch: one step of 20 replaces it, and nothing changes thereafter.
    assert curve.outputs[0] - curve.outputs[-1] == pytest.approx(4 * 0.5, rel=1e-3)
    assert curve.outputs[2] == pytest.approx(curve.outputs[-1], rel=1e-6)
    assert curve.area > 0
    assert list(result.likeness) == ["d"]
    assert result.continuity > 0
