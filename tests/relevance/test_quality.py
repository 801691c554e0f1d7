"""Measures of explanations, and methods to compare LRP with, where the right answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from bids_brainage.errors import NetworkError
from bids_brainage.networks.network import Dense, Flatten, Network
from bids_brainage.relevance import explain, explain_ensemble, from_keras, predict, quality
from bids_brainage.relevance.engine import gradients as rivals
from bids_brainage.relevance.regions import region_sums


def linear_network(weights):
    """sum of weights * image + 50."""
    kernel = np.asarray(weights, np.float32).reshape(-1, 1)
    layers = (Flatten("f", ("image",)), Dense("d", ("f",), kernel, np.array([50.0], np.float32)))
    return Network(layers, np.shape(weights))


def test_rivals_of_a_linear_network_are_weight_times_input(random):
    weights, image = random.standard_normal((2, 4, 5, 1)).astype(np.float32)
    network = linear_network(weights)
    for rival in (rivals.gradient_x_input, rivals.integrated_gradients, rivals.smooth_grad):
        np.testing.assert_allclose(rival(network, image[None])[0], weights * image, rtol=1e-4, atol=1e-6)


def test_gradient_is_tensorflows(make_model, random):
    """Where there are no ties: windows that overlap, then a kernel of one voxel, make some in any image."""
    import tensorflow as tf

    model = make_model((11, 12, 10, 1), filters=(4, 4), kernels=(3, 3), activation="leaky_relu")
    images = tf.constant(random.random((2, 11, 12, 10, 1), np.float32))
    with tf.GradientTape() as tape:
        tape.watch(images)
        outputs = tf.reduce_sum(model(images))
    expected = tape.gradient(outputs, images).numpy()
    ours = rivals.gradient(from_keras(model), images.numpy())
    np.testing.assert_allclose(ours, expected, atol=1e-5 * np.abs(expected).max())


def test_integrated_gradients_are_complete(make_model, random):
    network = from_keras(make_model((21, 20, 1)))
    image = random.random((1, 21, 20, 1), np.float32)
    relevance = rivals.integrated_gradients(network, image, steps=128)
    difference = predict(network, image) - predict(network, 0 * image)
    assert relevance.sum() == pytest.approx(difference[0], rel=0.01)


def test_mass_and_rank():
    relevance = np.array([4.0, 3.0, -9.0, 1.0, 0.0])
    truth = np.array([1, 0, 1, 1, 0])
    assert quality.mass_accuracy(relevance, truth) == pytest.approx(5 / 8)
    assert quality.rank_accuracy(relevance, truth) == pytest.approx(2 / 3)
    assert quality.chance_accuracy(truth, np.ones(5)) == pytest.approx(3 / 5)
    assert np.isnan(quality.mass_accuracy(-np.abs(relevance), truth))
    assert np.isnan(quality.rank_accuracy(relevance, 0 * truth))


@pytest.mark.parametrize("sign", [1, -1])
def test_perturbation_prefers_the_true_order(random, sign):
    """Of a linear network, weight times input is the best order, its negative the worst."""
    weights = random.standard_normal((6, 6, 1)).astype(np.float32)
    image = random.random((6, 6, 1)).astype(np.float32)
    network = linear_network(weights)
    right = quality.perturbation_curve(network, image, weights * image, sign, repeats=5)
    wrong = quality.perturbation_curve(network, image, -weights * image, sign, repeats=5)
    assert right.area > 0 > wrong.area
    assert right.outputs[0] == pytest.approx(predict(network, image[None])[0])
    assert right.outputs[-1] == pytest.approx(50)
    extreme = min(right.outputs) if sign == 1 else max(right.outputs)
    contributions = weights * image
    best = 50 + contributions[contributions * sign < 0].sum()
    assert extreme == pytest.approx(best, abs=0.1 * float(np.abs(contributions).sum()))


def test_perturbation_takes_blocks(random):
    image = np.zeros((6, 6, 1), np.float32)
    image[2:4, 2:4] = 1
    weights = np.ones((6, 6, 1), np.float32)
    curve = quality.perturbation_curve(linear_network(weights), image, image, block=2, steps=1)
    np.testing.assert_allclose(curve.outputs, [54, 50])


def test_perturbation_takes_another_image_in_its_place(random):
    image, other = random.random((2, 4, 4, 1)).astype(np.float32)
    network = linear_network(np.ones((4, 4, 1)))
    curve = quality.perturbation_curve(network, image, image, steps=1, replacement=other)
    np.testing.assert_allclose(curve.outputs, [50 + image.sum(), 50 + other.sum()], rtol=1e-6)


def lrp(network, images):
    return explain(network, images).relevance


def test_randomised_networks_give_other_maps(make_model, random):
    network = from_keras(make_model((21, 20, 1)))
    image = random.random((21, 20, 1), np.float32)
    likeness = quality.cascading_randomisation(network, image, lrp)
    weighty = [layer.name for layer in network.layers if hasattr(layer, "kernel")]
    assert list(likeness) == weighty[::-1]
    assert list(likeness.values())[-1] < 0.9
    blind = quality.cascading_randomisation(network, image, lambda _, images: images)
    assert all(value == pytest.approx(1) for value in blind.values())


def test_continuity_of_a_linear_map_is_one(random):
    """weight times input of equal weights changes as much as the image does."""
    image = random.random((6, 6, 1)).astype(np.float32)
    network = linear_network(np.ones((6, 6, 1)))
    assert quality.continuity(network, image, rivals.gradient_x_input) == pytest.approx(1, rel=1e-3)
    assert np.isnan(quality.continuity(network, 0 * image, rivals.gradient_x_input))


def test_agreement(random):
    a, b = random.standard_normal((2, 50))
    assert quality.agreement([a, 2 * a]) == pytest.approx(1)
    assert quality.agreement([a, -a]) == pytest.approx(-1)
    assert quality.agreement([a, b]) == pytest.approx(np.corrcoef(a, b)[0, 1])
    assert np.isnan(quality.agreement([a]))


def test_quick_quality(make_model, random):
    networks = [from_keras(make_model((16, 15, 1), seed=seed)) for seed in range(3)]
    image = random.random((16, 15, 1), np.float32)
    explanation = explain_ensemble(networks, image, np.full(3, 1 / 3))
    maps = [lrp(network, image[None]).ravel() for network in networks]
    maps = [own / np.linalg.norm(own) for own in maps]
    figures = quality.quick_quality(explanation)
    expected = np.mean([a @ b for a in maps for b in maps if a is not b])
    assert figures["BaseModelAgreement"] == pytest.approx(expected, abs=1e-5)
    assert 0 <= figures["PositiveShare"] <= 1
    assert 0.01 <= figures["TopPercentShare"] <= 1
    nothing = quality.quick_quality(explain_ensemble(networks[:1], 0 * image, [1.0]))
    assert nothing["PositiveShare"] is None
    assert nothing["BaseModelAgreement"] is None


def test_regions_add_up(random):
    relevance = random.standard_normal((5, 6, 7)) * random.integers(0, 2, (5, 6, 7))
    labels = random.integers(0, 4, relevance.shape)
    sums = region_sums(relevance, labels, np.array([7, 5, 0, 2, 3]))
    assert sums.voxels.tolist() == [7, 5, 0, 2, 3]
    assert sums.total.sum() == pytest.approx(relevance.sum())
    for label in range(5):
        own = relevance[labels == label]
        assert sums.total[label] == pytest.approx(own.sum())
        assert sums.positive[label] == pytest.approx(own[own > 0].sum())
        assert sums.negative[label] == pytest.approx(own[own < 0].sum())
    with pytest.raises(NetworkError, match="same grid"):
        region_sums(relevance, labels[1:], sums.voxels)
