"""What is said about what a design cannot show."""

from __future__ import annotations

import numpy as np
import pytest

from bids_brainage.records.group import ContrastRecord
from bids_brainage.reports.group.limits import DesignFacts, of_contrast, of_people


def contrast(rearrangements: int, freedom: int = 4, *, enumerated: bool = True) -> ContrastRecord:
    return ContrastRecord(
        name="x", label="x", statistic="t", degrees_of_freedom=(1, freedom), two_sided=True,
        rearrangements=rearrangements, distinct=f"{rearrangements}", enumerated=enumerated,
    )  # fmt: skip


def groups(*sizes: int) -> DesignFacts:
    dummy = np.repeat(np.arange(len(sizes)), sizes).astype(float)
    matrix = np.column_stack([np.ones(len(dummy)), dummy])
    return DesignFacts(matrix, ("intercept", "group"), np.array([[0.0, 1.0]]))


def test_few_rearrangements_are_told_with_the_smallest_p() -> None:
    told = " ".join(of_contrast(contrast(20), groups(3, 3), 0))
    assert "only 20 ways" in told
    assert "none can be smaller than 0.05" in told
    assert "nothing here can be significant" not in told
    told = " ".join(of_contrast(contrast(6, 2), groups(2, 2), 0))
    assert "So nothing here can be significant, whatever the effect." in told


def test_an_effect_is_named_for_each_kind_of_contrast() -> None:
    told = " ".join(of_contrast(contrast(924, 10), groups(6, 6), 0))
    assert "1.80 standard deviations (Cohen's d)" in told
    mean = DesignFacts(np.ones((12, 1)), ("intercept",), np.array([[1.0]]))
    told = " ".join(of_contrast(contrast(4096, 11), mean, 0))
    assert "a mean of at least 0.89 standard deviations" in told
    slope = DesignFacts(
        np.column_stack([np.ones(30), np.linspace(-1, 1, 30)]), ("intercept", "dba"), np.array([[0.0, 1.0]])
    )
    told = " ".join(of_contrast(contrast(5000, 28, enumerated=False), slope, 129))
    assert "partial correlation of at least 0.4" in told
    assert "where 129 regions are tested" in told


@pytest.mark.parametrize(("n", "words"), [(1, "one person"), (2, "2 people"), (6, "at least 0.81")])
def test_few_people(n: int, words: str) -> None:
    assert words in " ".join(of_people(n, np.linspace(20, 80, n)))


def test_all_of_one_age() -> None:
    assert "All are of one age" in " ".join(of_people(6, np.full(6, 30.0)))
    assert not list(of_people(200, np.linspace(20, 80, 200)))
