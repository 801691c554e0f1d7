"""Every reported image of a head: the undistorted mask, or the sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.robustness.cases import CASES, Case
from tests.robustness.distorted import Head
from tests.robustness.judging import RIGHT, judge

LESS_CERTAIN = 0.93  # Dice

ROWS = [
    pytest.param(case, whom, marks=[pytest.mark.colin27] * (whom == "colin27"), id=f"{name}, {whom}")
    for name, case in CASES.items()
    for whom in case.heads
]


@pytest.mark.slow
@pytest.mark.parametrize(("case", "whom"), ROWS)
def test_mask_or_sentence(case: Case, whom: str, undistorted: Callable[[str], Head], tmp_path: Path) -> None:
    head = undistorted(whom)
    outcome = judge(case.make(head), head.brain, tmp_path)
    if case.says:
        assert case.says in outcome.sentence, outcome
    elif not (case.may_refuse and outcome.sentence):
        assert outcome.dice is not None, outcome.sentence
        assert any(case.warns in warning for warning in outcome.warnings) or not case.warns
        assert outcome.dice >= (LESS_CERTAIN if case.warns else RIGHT)
