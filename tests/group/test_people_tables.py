"""Tables about people hold what was put in."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from bids_brainage.errors import InputError
from bids_brainage.group.columns import read_columns
from bids_brainage.group.members import read_members
from bids_brainage.group.people_tables import write_people_tables
from tests.group.made_up import MadeUp, publish_person, write_dataset


def rows_of(path: Path) -> list[dict[str, str]]:
    """A table's rows."""
    with path.open() as table:
        return list(csv.DictReader(table, delimiter="\t"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray, np.ndarray, np.ndarray]:
    """A group of 60 whose DBA follows bmi, three of them seen twice; ages, DBA and bmi."""
    root, rng = tmp_path_factory.mktemp("made"), np.random.default_rng(5)
    ages, bmi = rng.uniform(30, 70, 60).round(2), rng.normal(25, 3, 60).round(2)
    dba = (0.8 * (bmi - 25) + rng.normal(0, 2, 60)).round(3)
    rows = []
    for i, (age, own) in enumerate(zip(ages, dba, strict=True)):
        publish_person(root / "out", MadeUp(f"{i:02d}", age, own, session="1"), maps=False)
        if i < 3:
            publish_person(root / "out", MadeUp(f"{i:02d}", age + 2, own + 1, session="2"), maps=False)
        rows.append(
            {"participant_id": f"sub-{i:02d}", "age": age, "bmi": bmi[i], "site": "AB"[i % 2], "id": f"x{i}"}
        )
    write_dataset(root / "bids", rows)
    members = read_members(root / "out")
    cells = read_columns(root / "bids", members.people).cells
    files = write_people_tables(
        root / "group", members, cells, by=(), window=(10.0, 5.0, 10.0), permutations=100, seed=1
    )
    assert set(files) == {
        "accuracy",
        "correction",
        "agreement",
        "change",
        "correlations",
        "levels",
        "differences",
    }
    return root, ages, dba, bmi


def test_accuracy_is_of_first_sessions(made: tuple[Path, np.ndarray, np.ndarray, np.ndarray]) -> None:
    root, _, dba, _ = made
    rows = rows_of(root / "group" / "accuracy.tsv")
    assert [(row["column"], row["level"], row["n"]) for row in rows] == [
        ("all", "all", "60"),
        ("site", "A", "30"),
        ("site", "B", "30"),
    ]
    assert float(rows[0]["mae"]) == pytest.approx(np.abs(dba).mean(), rel=1e-4)
    assert float(rows[1]["bias"]) == pytest.approx(dba[::2].mean(), rel=1e-3)


def test_repeated_sessions_are_compared(made: tuple[Path, np.ndarray, np.ndarray, np.ndarray]) -> None:
    rows = rows_of(made[0] / "group" / "agreement.tsv")
    assert [(row["measure"], row["people"], row["people_left_out"]) for row in rows] == [
        ("brain_age", "3", "57"),
        ("dba", "3", "57"),
    ]
    # A year more of brain age than of age, in two years.
    assert float(rows_of(made[0] / "group" / "change.tsv")[0]["mean"]) == pytest.approx(1.5)


def test_biomarkers_are_correlated(made: tuple[Path, np.ndarray, np.ndarray, np.ndarray]) -> None:
    root, ages, dba, bmi = made
    rows = rows_of(root / "group" / "correlations.tsv")
    assert {row["column"] for row in rows} == {"bmi", "site (B - A)"}
    whole = [row for row in rows if row["range"] == "whole range" and row["column"] == "bmi"]
    found = {row["method"]: float(row["r"]) for row in whole}
    assert found["pearson"] == pytest.approx(stats.pearsonr(dba, bmi)[0], abs=1e-5)
    assert found["spearman"] == pytest.approx(stats.spearmanr(dba, bmi)[0], abs=1e-5)
    left = [np.polyval(np.polyfit(ages, values, 1), ages) - values for values in (dba, bmi)]
    assert found["partial"] == pytest.approx(stats.pearsonr(*left)[0], abs=1e-5)
    assert all(float(row["p_windows"]) == pytest.approx(1 / 101, rel=1e-4) for row in whole)


def test_what_says_age_or_sex_again_is_counted_once(tmp_path: Path) -> None:
    rng, rows = np.random.default_rng(6), []
    for i in range(20):
        age, sex = round(float(rng.uniform(30, 70)), 2), "FM"[i % 2]
        publish_person(
            tmp_path / "out", MadeUp(f"{i:02d}", age, float(rng.normal(0, 2))), maps=False, sex=sex
        )
        facts = {"age_months": round(12 * age, 1), "born": round(1990 - age, 2), "Gender": sex}
        rows.append({"participant_id": f"sub-{i:02d}", "huge": 1e200 * i * (i % 3), **facts})
    write_dataset(tmp_path / "bids", rows)
    members = read_members(tmp_path / "out")
    cells = read_columns(tmp_path / "bids", members.people).cells
    group = tmp_path / "group"
    write_people_tables(group, members, cells, by=(), window=(50.0, 50.0, 10.0), permutations=10, seed=1)
    rows = rows_of(group / "correlations.tsv")
    assert {row["column"] for row in rows} == {"huge", "Gender (M - F)"}
    assert all(row["r"] != "n/a" for row in rows if row["range"] == "whole range")
    assert {row["column"] for row in rows_of(group / "accuracy.tsv")} == {"all", "Gender"}
    assert {row["column"] for row in rows_of(group / "levels.tsv")} == {"Gender"}


def test_every_column_is_described(made: tuple[Path, np.ndarray, np.ndarray, np.ndarray]) -> None:
    for path in (made[0] / "group").glob("*.tsv"):
        about = json.loads(path.with_suffix(".json").read_text())
        assert list(about) == path.read_text().splitlines()[0].split("\t"), path.name
        assert all(meaning["Description"] for meaning in about.values())


def test_a_column_that_is_asked_for_must_be_usable(tmp_path: Path) -> None:
    publish_person(tmp_path, MadeUp("01", 50.0), maps=False)
    publish_person(tmp_path, MadeUp("02", 60.0), maps=False)
    members = read_members(tmp_path)
    with pytest.raises(InputError, match="no column"):
        write_people_tables(
            tmp_path / "group", members, {}, by=("clinic",), window=(10.0, 1.0, 20.0), permutations=10, seed=1
        )
