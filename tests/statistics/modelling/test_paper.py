"""The paper's four analyses, where the columns and people for them exist."""

from __future__ import annotations

import numpy as np
import pytest

from bids_brainage.statistics.modelling.columns import Cell
from bids_brainage.statistics.modelling.paper import paper_analyses, paper_models

Table = dict[str, list[Cell]]
N = 120


@pytest.fixture
def table() -> Table:
    generator = np.random.default_rng(5)
    return {
        "participant_id": [f"sub-{row}" for row in range(N)],
        "age": list(generator.uniform(20, 80, N).round(1)),
        "dba": list(generator.normal(0, 5, N)),
        "Type-2 Diabetes": [["no", "Yes", "0", "n/a"][row % 4] for row in range(N)],
    }


def test_all_four(table: Table) -> None:
    models, skipped = paper_models(table)
    assert not skipped
    by_name = {model.name: model for model in models}
    assert list(by_name) == ["relevance", "youngElderly", "dba", "diabetes"]
    age = np.array(table["age"], float)
    whole = by_name["relevance"]
    assert whole.settings.values == "absolute"
    assert not whole.settings.two_sided
    np.testing.assert_array_equal(whole.design.matrix, np.ones((N, 1)))

    ages = by_name["youngElderly"]
    np.testing.assert_array_equal(ages.rows, np.flatnonzero((age <= 40) | (age >= 60)))
    np.testing.assert_array_equal(ages.design.matrix[:, 1], age[ages.rows] >= 60)
    assert ages.design.contrasts[0].name == "age_group: elderly - young"

    dba = by_name["dba"]
    np.testing.assert_array_equal(dba.rows, np.flatnonzero(age >= 50))
    centred = age[dba.rows] - age[dba.rows].mean()
    np.testing.assert_allclose(dba.design.matrix[:, 1:3], np.column_stack([centred, centred**2]))

    ill = by_name["diabetes"]
    known = np.array([cell != "n/a" for cell in table["Type-2 Diabetes"]])
    np.testing.assert_array_equal(ill.rows, np.flatnonzero((age >= 50) & (age <= 75) & known))
    np.testing.assert_array_equal(
        ill.design.matrix[:, 1], [table["Type-2 Diabetes"][row] == "Yes" for row in ill.rows]
    )
    assert ill.design.contrasts[0].weights.tolist() == [[0, 1]]
    assert all(model.settings.n_permutations == 5000 and "Hofmann" in model.source for model in models)


def test_what_lacks_is_said(table: Table) -> None:
    del table["Type-2 Diabetes"]
    table = {name: cells[:8] for name, cells in table.items()}
    table["age"] = [20, 25, 30, 52, 55, 61, 64, 66]
    models, skipped = paper_models(table)
    assert [model.name for model in models] == ["relevance"]
    reasons = {each.name: each.reason for each in skipped}
    assert "3 young, 3 elderly" in reasons["youngElderly"]
    assert "5" in reasons["youngElderly"]
    assert "Only 5 people" in reasons["dba"]
    assert "no column type2_diabetes" in reasons["diabetes"]


def test_boundaries_of_age_belong_to_the_groups(table: Table) -> None:
    table["age"] = [40.0, 40.1, 59.9, 60.0] * (N // 4)
    ages = {model.name: model for model in paper_models(table)[0]}["youngElderly"]
    assert set(ages.rows % 4) == {0, 3}


@pytest.mark.parametrize(
    ("cells", "ill"),
    [
        (["0", "1"], "1"),
        ([0.0, 1.0], 1.0),
        (["healthy", "T2DM"], "T2DM"),
        (["false", "True"], "True"),
    ],
)
def test_diabetes_as_people_write_it(table: Table, cells: list[Cell], ill: Cell) -> None:
    del table["Type-2 Diabetes"]
    table["diabetic"] = cells * (N // 2)
    model = {each.name: each for each in paper_models(table)[0]}["diabetes"]
    np.testing.assert_array_equal(
        model.design.matrix[:, 1], [table["diabetic"][row] == ill for row in model.rows]
    )


def test_a_table_of_nothing() -> None:
    models, skipped = paper_models({})
    assert not models
    assert len(skipped) == len(paper_analyses().analyses) == 4
