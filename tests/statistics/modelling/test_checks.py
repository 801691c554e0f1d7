"""Designs that cannot answer are refused with the reason; weak ones are told."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.outliers_influence import variance_inflation_factor

from bids_brainage.errors import InputError
from bids_brainage.statistics.modelling.checks import check_rank, variance_inflation
from bids_brainage.statistics.modelling.columns import Cell
from bids_brainage.statistics.modelling.model import GroupModel, Settings
from bids_brainage.statistics.modelling.quick import quick_model

N = 40


@pytest.fixture
def table() -> dict[str, list[Cell]]:
    generator = np.random.default_rng(8)
    return {
        "age": list(generator.uniform(20, 80, N)),
        "dba": list(generator.normal(0, 5, N)),
        "diabetes": ["no"] * 30 + ["yes"] * 10,
        "site": list("ab" * (N // 2)),
        "bmi": list(generator.normal(25, 3, N)),
    }


def told(model: GroupModel) -> str:
    return " ".join(model.notes)


def test_a_sound_design_is_told_nothing_of(table: dict[str, list[Cell]]) -> None:
    table["bmi"] = [float(value) for value in np.tile([20, 30, 25, 25], N // 4)]
    table["age"] = [float(value) for value in np.tile([40, 40, 30, 50], N // 4)]
    assert not quick_model(table, "bmi", ["site"]).notes


def test_combinations_are_named(table: dict[str, list[Cell]]) -> None:
    table["total"] = [age + 2 * bmi for age, bmi in zip(table["age"], table["bmi"], strict=True)]  # type: ignore[operator]
    with pytest.raises(InputError) as caught:
        quick_model(table, "dba", ["age", "bmi", "total", "site"])
    for name in ("center(age)", "center(bmi)", "center(total)"):
        assert name in str(caught.value)
    assert "site" not in str(caught.value)


def test_a_group_that_is_a_site_is_refused(table: dict[str, list[Cell]]) -> None:
    table["site"] = ["A" if cell == "yes" else "B" for cell in table["diabetes"]]
    with pytest.raises(InputError, match=r"apart: site\[T\.B\], diabetes\[T\.yes\];"):
        quick_model(table, "diabetes", ["site"])


def test_a_group_within_a_site_is_told(table: dict[str, list[Cell]]) -> None:
    table["site"] = ["A" if cell == "yes" or row < 5 else "B" for row, cell in enumerate(table["diabetes"])]
    assert "All 10 people with 'diabetes' yes have 'site' A" in told(quick_model(table, "diabetes", ["site"]))
    assert "All" not in told(quick_model(table, "dba", ["site", "diabetes"]))


@pytest.mark.parametrize("ill", [1, 2])
@pytest.mark.parametrize("texts", [("no", "yes"), ("0", "1")])
def test_a_group_of_two_is_refused(table: dict[str, list[Cell]], ill: int, texts: tuple[str, str]) -> None:
    table["diabetes"] = [texts[0]] * (N - ill) + [texts[1]] * ill
    with pytest.raises(InputError, match=rf"Only {ill} people have 'diabetes' {texts[1]}"):
        quick_model(table, "diabetes")
    # As a covariate it takes these people out of the comparison, no more.
    quick_model(table, "dba", ["diabetes"])


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_too_few_people(table: dict[str, list[Cell]], n: int) -> None:
    with pytest.raises(InputError):
        quick_model({name: cells[:n] for name, cells in table.items()}, "dba", ["age"])


def test_age_again(table: dict[str, list[Cell]]) -> None:
    table["months"] = [12 * float(age) + row % 3 for row, age in enumerate(table["age"])]  # type: ignore[arg-type]
    with pytest.raises(InputError, match="say the same"):
        quick_model(table, "months", ["age"])
    assert "one of them suffices" in told(quick_model(table, "dba", ["months", "age"]))
    assert "'months' goes along with age (r = 1.00)" in told(quick_model(table, "months"))


def test_known_weaknesses(table: dict[str, list[Cell]]) -> None:
    assert "describes" in told(quick_model(table, "intercept", settings=Settings(values="absolute")))
    assert "describes" not in told(quick_model(table, "intercept"))
    assert "adds up" in told(quick_model(table, "dba", ["age"]))
    assert "age is a covariate" in told(quick_model(table, "dba", ["age"]))
    assert "not a covariate" in told(quick_model(table, "dba"))
    table["diabetes"] = ["yes" if float(age) > 60 else "no" for age in table["age"]]  # type: ignore[arg-type]
    assert "what is found may be age" in told(quick_model(table, "diabetes"))
    assert "what is found may be age" not in told(quick_model(table, "diabetes", ["age"]))


def test_inflation_is_that_of_statsmodels(table: dict[str, list[Cell]]) -> None:
    table["weight"] = [3 * float(bmi) + row % 3 for row, bmi in enumerate(table["bmi"])]  # type: ignore[arg-type]
    matrix = quick_model(table, "dba", ["bmi", "weight", "age", "site"]).design.matrix
    expected = [variance_inflation_factor(matrix, column) for column in range(1, matrix.shape[1])]
    found = variance_inflation(matrix)
    np.testing.assert_allclose(found[1:], expected)
    assert found[0] == 0


def test_collinear_covariates_are_told(table: dict[str, list[Cell]]) -> None:
    table["weight"] = [float(bmi) + np.sin(row) for row, bmi in enumerate(table["bmi"])]  # type: ignore[arg-type]
    assert "center(weight) (" in told(quick_model(table, "dba", ["bmi", "weight"]))


def test_rank_of_many_people_needs_no_square_matrix() -> None:
    matrix = np.column_stack([np.ones(40000), np.arange(40000.0)])
    check_rank(matrix, ("a", "b"))
    with pytest.raises(InputError, match="a, b, c"):
        check_rank(np.column_stack([matrix, matrix.sum(axis=1)]), ("a", "b", "c"))
