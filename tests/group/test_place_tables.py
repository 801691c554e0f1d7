"""A group's DBA is split into places without anything left over."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from bids_brainage.group.columns import read_columns
from bids_brainage.group.members import read_members
from bids_brainage.group.place_tables import write_place_tables
from tests.group.made_up import SUB_ENSEMBLES, MadeUp, publish_person, values_of, write_dataset


def test_places_and_the_rest_add_up_to_the_difference_of_dba(tmp_path: Path) -> None:
    rng, rows, people = np.random.default_rng(0), [], []
    for number in range(8):
        ill = number % 2 == 1
        person = MadeUp(f"{number}", 50.0 + number, float(rng.normal(0, 2)), effect=6.0 * ill)
        publish_person(tmp_path / "out", person)
        people.append(person)
        rows.append({"participant_id": f"sub-{number}", "ill": "yes" if ill else "no", "all": "same"})
    write_dataset(tmp_path / "bids", rows)
    members = read_members(tmp_path / "out")
    cells = read_columns(tmp_path / "bids", members.people).cells
    files = write_place_tables(tmp_path / "group", members, cells)
    assert files == {"split": "split.tsv", "asymmetry": "asymmetry.tsv"}
    with (tmp_path / "group" / "split.tsv").open() as table:
        found = list(csv.DictReader(table, delimiter="\t"))
    assert {row["column"] for row in found} == {"everybody", "ill"}
    for column in ("everybody", "ill"):
        *places, total = [float(row["years"]) for row in found if row["column"] == column]
        assert sum(places) == pytest.approx(total, abs=1e-4)
    ill, well = ([person.dba + 0.75 * person.effect for person in people[side::2]] for side in (1, 0))
    last = [row for row in found if row["column"] == "ill"][-1]
    assert (last["level"], last["other"], last["n"], last["n_other"]) == ("yes", "no", "4", "4")
    assert float(last["years"]) == pytest.approx(np.mean(ill) - np.mean(well), abs=0.01)
    halves = [
        sum(weight * values_of(person, name, 0)[:46].sum() for name, weight in SUB_ENSEMBLES.items())
        for person in people
    ]
    right = next(row for row in found if row["column"] == "ill" and row["place"] == "right half")
    assert float(right["years"]) == pytest.approx(np.mean(halves[1::2]) - np.mean(halves[::2]), abs=0.01)
