"""Winners of max pooling: right, first among equals, and one a window."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bids_brainage.networks.network import Activation, Convolution, Pooling
from bids_brainage.relevance.engine.backward import join_windows
from bids_brainage.relevance.engine.blocks import Block
from bids_brainage.relevance.engine.forward import forward_block
from bids_brainage.relevance.engine.windows import Layout
from bids_brainage.relevance.peers.pooling import max_pool, output_size, unpool
from tests.relevance.conftest import small_tiles


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
    tiles=st.booleans(),
    seed=st.integers(0, 2**16),
)
def test_the_fused_loop_pools_as_the_plain_way_does(
    shape, kernel, size, strides, padding, slope, plateau, threads, tiles, seed
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
    with small_tiles() if tiles else nullcontext():
        values, codes = forward_block(block, x, 2e-6, threads)
    expected, winners = _plainly(block, x)
    np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-5)
    if plateau:
        layout = Layout(block.convolution, block.pooling, x.shape)
        np.testing.assert_array_equal(layout.winners(codes[0])[None], winners)


def _plainly(block, x):
    from bids_brainage.relevance.peers import plain
    from bids_brainage.relevance.rules import ALL

    operator = plain.make_operator(block.convolution, x.shape)
    y = operator.forward(x, ALL) + operator.bias
    if block.activation is not None:
        y = plain.activate(block.activation, y)
    pooling = block.pooling
    return max_pool(y, pooling.size, pooling.strides, pooling.padding, 2e-6)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    shape=st.tuples(*[st.integers(3, 12)] * 3, st.integers(1, 2)),
    kernel=st.tuples(*[st.integers(1, 4)] * 3),
    convolution_strides=st.tuples(*[st.integers(1, 2)] * 3),
    size=st.tuples(*[st.integers(1, 3)] * 3),
    strides=st.tuples(*[st.integers(1, 3)] * 3),
    seed=st.integers(0, 2**16),
)
def test_spans_hold_what_is_seen(shape, kernel, convolution_strides, size, strides, seed):
    """A voxel that is not zero is seen by the windows that its own convolution and pooling reach."""
    random = np.random.default_rng(seed)
    x = np.zeros(shape, np.float32)
    for place in random.integers(0, shape, (random.integers(0, 3), 4)):
        x[tuple(place)] = 1
    ones = np.ones((*kernel, shape[-1], 1), np.float32)
    convolution = Convolution("c", ("x",), ones, None, convolution_strides)
    block = Block(convolution, None, Pooling("p", ("c",), "max", size, strides))
    seen = _plainly(block, x[None])[0][0, ..., 0] > 0
    layout = Layout(convolution, block.pooling, (1, *shape))
    spans = layout.spans(x, ((0, seen.shape[0]), (0, seen.shape[1]), (0, seen.shape[2])))
    for row, (begin, end) in zip(seen.reshape(-1, seen.shape[2]), spans.reshape(-1, 2), strict=True):
        assert not row[:begin].any()
        assert not row[end:].any()
        if convolution_strides == (1, 1, 1):  # else, windows may overlook voxels between others
            assert (begin < end) == row.any()
            assert row[begin:end][[0, -1]].all() if begin < end else True


@pytest.mark.parametrize("size", [2, 3, 4])
def test_windows_that_share_a_winner_are_joined(random, size):
    """What winners have is the same before and after; of overlapping windows fewer have any."""
    x = random.standard_normal((1, 9, 10, 11, 2)).astype(np.float32)
    identity = np.eye(2, dtype=np.float32).reshape(1, 1, 1, 2, 2)
    block = Block(
        Convolution("c", ("x",), identity, None), None, Pooling("p", ("c",), "max", (size,) * 3, (2,) * 3)
    )
    values, codes = forward_block(block, x, 0.0, 1)
    layout = Layout(block.convolution, block.pooling, x.shape)
    received = random.standard_normal(values[0].shape).astype(np.float32)
    joined = join_windows(layout, received, codes[0])
    winners = layout.winners(codes[0])[None]
    np.testing.assert_allclose(
        unpool(joined[None], winners, x.shape), unpool(received[None], winners, x.shape), atol=1e-5
    )
    assert (np.count_nonzero(joined) < received.size) == (size > 2)
