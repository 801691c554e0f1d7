"""The heads that everything is done to: one simulated person without skull and with it, and a real one."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from tests.robustness.distorted import Head
from tests.robustness.people import SEED, colin27, read_head, simulated

COLIN27 = os.environ.get("BIDS_BRAINAGE_COLIN27")


@pytest.fixture(scope="session")
def undistorted(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Head]:
    """The undistorted head of a name: "brain", "head" or "colin27"."""

    @cache
    def find(name: str) -> Head:
        if name != "colin27":
            folder = tmp_path_factory.mktemp("people") / name
            return read_head(simulated(folder, 1, seed=SEED, skull=name == "head")["sub-0001"])
        if not COLIN27:
            pytest.skip("BIDS_BRAINAGE_COLIN27 does not name the folder of Colin27")
        return read_head(colin27(Path(COLIN27)))

    return find
