"""Asymmetry: regions are paired by name, and compared as SciPy does."""

from __future__ import annotations

import csv
from importlib.resources import files

import numpy as np
import pytest
from scipy import stats

from bids_brainage.statistics.people.asymmetry import Pair, measure_asymmetry, pair_sides
from tests.statistics.people.columns import check_row


def test_names_that_differ_by_the_side_alone_are_pairs() -> None:
    names = ["left hippocampus", "brainstem", "right hippocampus", "ctx-lh-cuneus", "ctx-rh-cuneus",
             "banks of the right superior temporal sulcus", "Cerebelum_3_L", "Cerebelum_3_R"]  # fmt: skip
    assert pair_sides(names, ["L", "B", "R", "L", "R", "R", "L", "R"]) == (
        Pair("hippocampus", 0, 2), Pair("ctx-cuneus", 3, 4), Pair("Cerebelum_3", 6, 7),
    )  # fmt: skip


@pytest.mark.parametrize("column", ["code", "name"])
def test_every_region_of_the_atlas_that_has_a_side_has_a_partner(column: str) -> None:
    path = files("bids_brainage") / "data" / "atlas" / "regions.tsv"
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines(), delimiter="\t"))
    sides = [row["hemisphere"] for row in rows]
    found = pair_sides([row[column] for row in rows], sides)
    assert 2 * len(found) == sides.count("L") + sides.count("R")
    assert all(sides[pair.left] == "L" and sides[pair.right] == "R" for pair in found)


def test_as_scipys_paired_test() -> None:
    values = np.random.default_rng(0).normal(loc=[1, 0, 0, 0], size=(30, 4))
    found = measure_asymmetry(values, [Pair("a", 0, 1), Pair("b", 3, 2)])
    theirs = stats.ttest_rel(values[:, [0, 3]], values[:, [1, 2]])
    np.testing.assert_allclose(found.t, theirs.statistic)
    np.testing.assert_allclose(found.p, theirs.pvalue)
    np.testing.assert_allclose(found.low, theirs.confidence_interval().low)
    np.testing.assert_allclose(found.left - found.right, found.difference)
    assert found.p_holm[0] == pytest.approx(2 * found.p[0])
    check_row(found.rows()[0], "asymmetry")


def test_sides_that_never_differ_and_a_single_person_have_no_test() -> None:
    same = measure_asymmetry(np.ones((5, 2)), [Pair("a", 0, 1)])
    assert same.difference[0] == 0
    assert np.isnan(same.p_holm[0])
    assert np.isnan(measure_asymmetry(np.ones((1, 2)), [Pair("a", 0, 1)]).low[0])
