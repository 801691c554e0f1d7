"""Convolutions and their transposes against scipy's correlation, whichever way they are worked out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import correlate

from bids_brainage.networks.layers import Convolution
from bids_brainage.relevance.peers import convolution_products
from bids_brainage.relevance.peers.operators import ConvolutionOperator
from bids_brainage.relevance.rules import ALL

EXTENTS = st.tuples(*[st.integers(3, 7)] * 3)
CHANNELS = st.sampled_from([(1, 3), (8, 9), (17, 8)])


def layer(
    edge: tuple[int, ...], channels: tuple[int, int], stride: int, padding: str, seed: int
) -> Convolution:
    kernel = np.random.default_rng(seed).normal(size=(*edge, *channels)).astype(np.float32)
    return Convolution("c", ("image",), kernel, None, strides=(stride,) * 3, padding=padding)


def by_scipy(x: np.ndarray, own: Convolution) -> np.ndarray:
    """The convolution of stride 1, ``same``: a correlation of each pair of channels."""
    found = np.zeros((*x.shape[:3], own.kernel.shape[4]))
    for i in range(x.shape[3]):
        for o in range(own.kernel.shape[4]):
            weights = own.kernel[..., i, o].astype(float)
            # Of an even kernel, TensorFlow's middle is the voxel before scipy's.
            middle = [-1 if n % 2 == 0 else 0 for n in weights.shape]
            found[..., o] += correlate(x[..., i].astype(float), weights, mode="constant", origin=middle)
    return found


@given(EXTENTS, st.tuples(*[st.integers(1, 4)] * 3), CHANNELS, st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_a_convolution_is_a_sum_of_correlations(extents, edge, channels, seed) -> None:
    own = layer(edge, channels, 1, "same", seed)
    x = np.random.default_rng(seed).normal(size=(1, *extents, channels[0])).astype(np.float32)
    found = ConvolutionOperator(own, x.shape).forward(x, ALL)
    assert found[0] == pytest.approx(by_scipy(x[0], own), abs=1e-3)


@given(
    EXTENTS,
    st.tuples(*[st.integers(1, 3)] * 3),
    CHANNELS,
    st.integers(1, 3),
    st.sampled_from(["same", "valid"]),
    st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_the_transpose_hands_back_what_the_convolution_takes(
    extents, edge, channels, stride, padding, seed
) -> None:
    """<A x, s> = <x, A' s>, for products and for loops."""
    own, rng = layer(edge, channels, stride, padding, seed), np.random.default_rng(seed)
    x = rng.normal(size=(2, *extents, channels[0])).astype(np.float32)
    operator = ConvolutionOperator(own, x.shape, threads=2)
    z = operator.forward(x, ALL)
    s = rng.normal(size=z.shape).astype(np.float32)
    back = operator.transpose(s, ALL)
    assert back.shape == x.shape
    assert float((z * s).sum(dtype=float)) == pytest.approx(float((x * back).sum(dtype=float)), abs=2e-2)


def test_threads_change_nothing() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20, 21, 22, 8)).astype(np.float32)
    kernel = rng.normal(size=(3, 3, 3, 8, 16)).astype(np.float32)
    of = x, kernel, (1, 1, 1), (20, 21, 22)
    whole = convolution_products.convolve(*of, threads=1)
    assert np.array_equal(whole, convolution_products.convolve(*of, threads=3))


def test_matrix_products_keep_to_one_thread_and_give_it_back() -> None:
    from threadpoolctl import threadpool_info, threadpool_limits

    def numbers() -> set[int]:
        return {own["num_threads"] for own in threadpool_info() if own["user_api"] == "blas"}

    with threadpool_limits(2, user_api="blas"):
        before = numbers()
        with convolution_products.ONE_THREAD:
            assert numbers() == {1}
            with convolution_products.ONE_THREAD:
                assert numbers() == {1}
            assert numbers() == {1}
        assert numbers() == before
