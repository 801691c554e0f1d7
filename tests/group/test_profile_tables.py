"""Clusters of people are found where there are some, and told to be none where there are none."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from bids_brainage.group import profile_tables
from bids_brainage.group.members import Member, Members, TablePlace
from bids_brainage.group.profile_tables import without_age, write_profile_tables
from bids_brainage.group.region_values import Region, RegionValues


@pytest.mark.parametrize(("apart", "expected"), [(6.0, "2"), (0.0, "1")])
def test_as_many_clusters_as_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, apart: float, expected: str
) -> None:
    rng = np.random.default_rng(3)
    ages = rng.uniform(40, 80, 80)
    values = rng.normal(size=(80, 12)) + 0.3 * ages[:, None]
    values[::2, :6] += apart
    regions = tuple(Region(i, f"r{i}", "B") for i in range(12))
    found = RegionValues("merged", regions, values.astype(np.float32))
    monkeypatch.setattr(profile_tables, "region_values", lambda *_: found)
    people = [
        Member(
            f"{i:02d}", None, "TypeI", "m", None, None,
            {"participant_id": f"sub-{i:02d}", "session_id": None, "chronological_age": age, "sex": "F",
             "brain_age": age, "dba": 0.1 * i, "uncertainty": 1.0, "lower_95": None, "upper_95": None,
             "brain_age_corrected": None, "in_training_set": None},
            regions={"lrp": TablePlace(Path("x"), "")},
        )
        for i, age in enumerate(ages)
    ]  # fmt: skip
    cells = {"ill": tuple("yes" if i % 2 else "no" for i in range(80))}
    files = write_profile_tables(tmp_path, Members(tuple(people), (), "age", "years"), cells, ["lrp"], 1)
    with (tmp_path / "stability.tsv").open() as table:
        assert {row["chosen"] for row in csv.DictReader(table, delimiter="\t")} == {expected}
    assert set(files) == ({"stability", "profiles", "relations", "clusters"} if apart else {"stability"})
    if apart:
        with (tmp_path / "relations.tsv").open() as table:
            related = {row["column"]: float(row["p_holm"]) for row in csv.DictReader(table, delimiter="\t")}
        assert related["ill"] < 1e-6
        assert related["age"] > 0.05
        with (tmp_path / "clusters.tsv").open() as table:
            first, second = list(csv.DictReader(table, delimiter="\t"))[:2]
        assert (first["cluster"], second["cluster"]) == ("2", "1")


def test_age_is_taken_off() -> None:
    ages = np.array([20.0, 30.0, 60.0])
    left = without_age(np.array([[2.0], [3.0], [6.0]], dtype=np.float32), ages)
    np.testing.assert_allclose(left, 0, atol=1e-6)
