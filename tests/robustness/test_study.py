"""The study of random distortions, on few; and that it tells a wrong mask from a right one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.robustness.drawing import FAMILIES, draw
from tests.robustness.judging import Outcome
from tests.robustness.people import simulated
from tests.robustness.study import COHORT_SEED, DISTORTIONS, SEED, rows, table


def test_the_same_seed_draws_the_same_distortions_and_every_family() -> None:
    names = [distortion.name for distortion in draw(DISTORTIONS, SEED)]
    assert names == [distortion.name for distortion in draw(DISTORTIONS, SEED)]
    assert len(set(names)) == DISTORTIONS > 3 * len(FAMILIES)
    assert names != [distortion.name for distortion in draw(DISTORTIONS, SEED + 1)]


def test_a_wrong_mask_without_a_word_is_counted() -> None:
    assert Outcome(dice=0.98).right
    assert Outcome(sentence="It is no head.", usable=False).right
    assert not Outcome(dice=0.96).right
    assert not Outcome(dice=0.99, usable=False).right
    found = [{"person": "a", "distortion": "b"} | Outcome(dice=0.96).row()]
    assert "WRONG" in table(found)
    assert "1 wrong" in table(found)


@pytest.mark.slow
def test_masks_of_distorted_heads_are_right_or_refused(tmp_path: Path) -> None:
    images = simulated(tmp_path / "people", 1, seed=COHORT_SEED, skull=True)
    found = list(rows(images, draw(DISTORTIONS, SEED)[::5], set()))
    assert len(found) == 6
    assert all(row["right"] for row in found), table(found)
