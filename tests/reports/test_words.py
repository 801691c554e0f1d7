"""Differences in words."""

from __future__ import annotations

import pytest

from bids_brainage.reports.words import Words


@pytest.mark.parametrize(
    ("words", "value", "told"),
    [
        (Words("age", "years"), 13.24, "13.2 years older"),
        (Words("age", "years"), -0.04, "neither older nor younger"),
        (Words("bmi", "kg/m2"), -8.415e-05, "8.415e\N{MINUS SIGN}05 kg/m2 lower"),
        (Words("bmi", "kg/m2"), 0.0, "neither higher nor lower"),
        (Words("bmi", "kg/m2"), None, "n/a"),
    ],
)
def test_changes_in_words(words: Words, value: float | None, told: str) -> None:
    assert words.change(value) == told
