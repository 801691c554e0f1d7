"""The eight voxels that the engine's docstring and docs/engine.md draw, worked by the engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bids_brainage.networks.network import Convolution, Pooling
from bids_brainage.relevance import engine, rules
from bids_brainage.relevance.engine.backward import backward_block, join_windows
from bids_brainage.relevance.engine.blocks import Block
from bids_brainage.relevance.engine.forward import forward_block
from bids_brainage.relevance.engine.windows import Layout

X = np.array([0, 0, 0, 0, 3, 1, 0, 0], np.float32).reshape(1, 1, 1, 8, 1)
KERNEL = np.array([1, 2, 1], np.float32).reshape(1, 1, 3, 1, 1)
BLOCK = Block(Convolution("c", ("x",), KERNEL, None), None, Pooling("p", ("c",), "max", (1, 1, 3), (1, 1, 2)))
LAYOUT = Layout(BLOCK.convolution, BLOCK.pooling, X.shape)
RECEIVED = np.array([1, 3, 4, 3], np.float32).reshape(1, 1, 4, 1)


def test_the_way_forward():
    values, codes = forward_block(BLOCK, X, 0.0, 1)
    assert values.ravel().tolist() == [0, 7, 7, 1]
    assert codes.ravel().tolist() == [0, 2, 0, 0]
    assert LAYOUT.winners(codes[0]).ravel().tolist() == [0, 4, 4, 6]
    assert LAYOUT.spans(X[0], ((0, 1), (0, 1), (0, 4))).ravel().tolist() == [1, 4]


def test_the_way_back():
    _, codes = forward_block(BLOCK, X, 0.0, 1)
    assert join_windows(LAYOUT, RECEIVED, codes[0]).ravel().tolist() == [1, 0, 7, 3]
    share, account = backward_block(BLOCK, rules.z_plus(), X, codes, RECEIVED[None], 1)
    assert share.ravel().tolist() == [0, 0, 0, 0, 6, 4, 0, 0]
    assert (account.received, account.passed_on, account.absorbed) == (11, 10, 1)


def test_what_tiles_see():
    seen = [LAYOUT.voxels(((0, 1), (0, 1), windows))[2] for windows in ((0, 1), (0, 2), (2, 4))]
    assert seen == [(-1, 4), (-1, 6), (3, 10)]


def test_the_page_shows_the_same_drawing():
    page = (Path(__file__).parents[2] / "docs" / "engine.md").read_text(encoding="utf-8")
    drawing = [line for line in (engine.__doc__ or "").splitlines() if line.startswith("    voxel ")]
    begin = (engine.__doc__ or "").index(drawing[0])
    end = (engine.__doc__ or "").index("The words that the modules use")
    for line in (engine.__doc__ or "")[begin:end].splitlines():
        assert line.strip() in page
