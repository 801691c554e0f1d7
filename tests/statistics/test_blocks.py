"""Blocks of voxels hold the same sum, at whatever shape and edge."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bids_brainage.statistics.blocks import block_sums, blocks_of, filled_blocks

SHAPES = st.tuples(*[st.integers(1, 9)] * 3)


@settings(max_examples=50, deadline=None)
@given(shape=SHAPES, edge=st.integers(1, 5), seed=st.integers(0, 99))
def test_sums_of_blocks_are_those_of_their_voxels(shape: tuple[int, ...], edge: int, seed: int) -> None:
    volume = np.random.default_rng(seed).normal(size=shape)
    sums = block_sums(volume, edge)
    assert sums.shape == blocks_of(shape, edge)
    assert sums.sum() == pytest.approx(volume.sum(), abs=1e-9)
    for block in np.ndindex(sums.shape):
        own = volume[tuple(slice(edge * i, edge * (i + 1)) for i in block)]
        assert sums[block] == pytest.approx(own.sum(), abs=1e-9)


@settings(max_examples=50, deadline=None)
@given(shape=SHAPES, edge=st.integers(1, 5))
def test_every_voxel_has_its_blocks_value(shape: tuple[int, ...], edge: int) -> None:
    counts = blocks_of(shape, edge)
    fine = filled_blocks(np.arange(np.prod(counts)).reshape(counts), edge, shape)
    assert fine.shape == shape
    for voxel in np.ndindex(shape):
        assert fine[voxel] == np.ravel_multi_index([i // edge for i in voxel], counts)
