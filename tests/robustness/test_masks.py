"""Every reported image of a head: the undistorted mask, or the sentence."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

import pytest

from tests.robustness.cases import CASES
from tests.robustness.distorted import Head
from tests.robustness.judging import RIGHT, judge
from tests.robustness.study import colin27, read_head, simulated

COLIN27 = os.environ.get("BIDS_BRAINAGE_COLIN27")


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("heads")
    found = {
        name: simulated(folder / name, 1, seed=7, skull=skull)["sub-0001"]
        for name, skull in (("brain", False), ("head", True))
    }
    return found | ({"colin27": colin27(Path(COLIN27))} if COLIN27 else {})


_head = lru_cache(maxsize=3)(read_head)

ROWS = [
    pytest.param(case, head, marks=[pytest.mark.colin27] * (head == "colin27"), id=f"{name}-{head}")
    for name, case in CASES.items()
    for head in case.heads
]


@pytest.mark.slow
@pytest.mark.parametrize(("case", "whom"), ROWS)
def test_mask_or_sentence(case, whom: str, images: dict[str, Path], tmp_path: Path) -> None:
    if whom not in images:
        pytest.skip("BIDS_BRAINAGE_COLIN27 does not name the folder of Colin27")
    head: Head = _head(images[whom])
    outcome = judge(case.make(head), head.brain, tmp_path)
    if case.says:
        assert case.says in outcome.sentence, outcome
    elif not (case.may_refuse and outcome.sentence):
        assert outcome.dice is not None, outcome.sentence
        assert outcome.dice >= RIGHT
