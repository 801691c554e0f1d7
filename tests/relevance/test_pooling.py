"""Winners of max pooling: right, first among equals, and one a window."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bids_brainage.relevance.network import Activation, Convolution, Pooling
from bids_brainage.relevance.pooling import max_pool, output_size, unpool
from bids_brainage.relevance.winners import Block, forward_block


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize(("size", "strides"), [((3, 3, 3), (2, 2, 2)), ((2, 1, 3), (2, 1, 1))])
def test_values_are_tensorflows(random, padding, size, strides):
    import tensorflow as tf

    x = random.standard_normal((2, 7, 8, 9, 3)).astype(np.float32)
    values, winners = max_pool(x, size, strides, padding, 0.0)
    np.testing.assert_array_equal(values, tf.nn.max_pool3d(x, size, strides, padding.upper()))
    flat = x.reshape(2, -1, 3)
    for channel in range(3):
        found = np.take_along_axis(flat[..., channel], winners[..., channel].reshape(2, -1), 1)
        np.testing.assert_array_equal(found, values[..., channel].reshape(2, -1))


def test_the_first_of_equals_wins():
    """A constant image, overlapping windows: 27 windows, each to its first voxel, nothing lost or doubled."""
    x = np.ones((1, 6, 6, 6, 1), np.float32)
    values, winners = max_pool(x, (3, 3, 3), (2, 2, 2), "same", 0.0)
    spread = unpool(np.ones_like(values), winners, x.shape)
    expected = np.zeros_like(x)
    expected[:, ::2, ::2, ::2] = 1
    np.testing.assert_array_equal(spread, expected)


def test_rounding_does_not_choose():
    x = np.ones((1, 1, 1, 6, 1), np.float32)
    x[0, 0, 0, 1] = np.nextafter(np.float32(1), np.float32(2))
    assert max_pool(x, (1, 1, 3), (1, 1, 3), "valid", 2e-6)[1].ravel().tolist() == [0, 3]
    assert max_pool(x, (1, 1, 3), (1, 1, 3), "valid", 0.0)[1].ravel().tolist() == [1, 3]


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    shape=st.tuples(*[st.integers(3, 12)] * 3, st.integers(1, 2)),
    kernel=st.tuples(*[st.integers(1, 4)] * 3),
    size=st.tuples(*[st.integers(1, 3)] * 3),
    strides=st.tuples(*[st.integers(1, 3)] * 3),
    padding=st.sampled_from(["same", "valid"]),
    slope=st.sampled_from([0.0, 0.2]),
    plateau=st.booleans(),
    threads=st.integers(1, 3),
    seed=st.integers(0, 2**16),
)
def test_the_fused_loop_pools_as_the_plain_way_does(
    shape, kernel, size, strides, padding, slope, plateau, threads, seed
):
    """Values and winners of convolution, activation and pooling in one, also where images have plateaus."""
    random = np.random.default_rng(seed)
    weights = random.standard_normal((*kernel, shape[-1], 3)).astype(np.float32)
    x = random.standard_normal((1, *shape)).astype(np.float32)
    x[:, : shape[0] // 2] = 0
    if plateau:
        x, weights = np.round(x), np.round(weights)
    bias = np.array([0.0, 0.5, -0.5], np.float32)
    block = Block(
        Convolution("c", ("x",), weights, bias),
        Activation("a", ("c",), "leaky_relu", slope),
        Pooling("p", ("a",), "max", size, strides, padding),
    )
    if any(output_size(n, k, s, padding)[0] < 1 for n, k, s in zip(shape, size, strides, strict=False)):
        return
    values, places = forward_block(block, x, 2e-6, threads)
    expected, winners = _plainly(block, x)
    np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-5)
    if plateau:
        np.testing.assert_array_equal(np.where(places < 0, -1 - places, places), winners)


def _plainly(block, x):
    from bids_brainage.relevance import plain
    from bids_brainage.relevance.rules import ALL

    operator = plain.make_operator(block.convolution, x.shape)
    y = plain.activate(block.activation, operator.forward(x, ALL) + operator.bias)
    pooling = block.pooling
    return max_pool(y, pooling.size, pooling.strides, pooling.padding, 2e-6)
