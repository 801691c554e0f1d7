"""Design matrices are those that are worked by hand, and those of patsy."""

from __future__ import annotations

import numpy as np
import pandas
import patsy
import pytest

from bids_brainage.errors import InputError
from bids_brainage.statistics.modelling.columns import Cell
from bids_brainage.statistics.modelling.formula import parse_formula
from bids_brainage.statistics.modelling.matrix import DesignMatrix, design_matrix

N = 30


@pytest.fixture
def table() -> dict[str, list[Cell]]:
    generator = np.random.default_rng(3)
    return {
        "participant_id": [f"sub-{row:02d}" for row in range(N)],
        "age": [str(value) for value in generator.uniform(20, 80, N)],
        "dba": list(generator.normal(0, 5, N)),
        "sex": ["F", "M"] * (N // 2),
        "site": ["Aachen", "Köln", "x y"] * (N // 3),
    }


def made_of(table: dict[str, list[Cell]], text: str) -> DesignMatrix:
    return design_matrix(table, parse_formula(text).terms)


@pytest.mark.parametrize(
    ("text", "patsys"),
    [
        ("age + sex", "age + sex"),
        ("age * sex + site", "age * sex + site"),
        ("0 + site", "0 + site"),
        ("0 + site:age", "0 + site:age"),
        ("site:sex", "site:sex"),
        ("sex / 1".replace(" / 1", " + sex:dba"), "sex + sex:dba"),
        ("(age + dba + sex)**2", "(age + dba + sex)**2"),
        ("center(age) + scale(dba)", "center(age) + standardize(dba, ddof=1)"),
        ("I(center(age)**2)", "I((age - age.mean())**2)"),
        ("bs(age, 5)", "bs(age, df=5)"),
        ("bs(age, 4, degree=2) * sex", "bs(age, df=4, degree=2) * sex"),
        ("C(site, 'Köln')", "C(site, Treatment('Köln'))"),
        ("poly(dba, 3)", "dba + I(dba**2) + I(dba**3)"),
    ],
)
def test_as_patsy_has_it(table: dict[str, list[Cell]], text: str, patsys: str) -> None:
    made = made_of(table, text)
    frame = pandas.DataFrame({**table, "age": [float(str(cell)) for cell in table["age"]]})
    expected = np.asarray(patsy.dmatrix(patsys, frame))
    assert made.matrix.shape == expected.shape
    # Columns may stand in another order and be combined otherwise: they span the same space, and no less.
    both = np.hstack(
        [made.matrix / np.linalg.norm(made.matrix, axis=0), expected / np.linalg.norm(expected, axis=0)]
    )
    assert np.linalg.matrix_rank(made.matrix) == np.linalg.matrix_rank(both) == expected.shape[1]
    if "poly" not in text:
        for column in expected.T:
            assert np.isclose(made.matrix.T, column, atol=1e-9).all(axis=1).any()


def test_by_hand() -> None:
    table: dict[str, list[Cell]] = {"x": [1, 2, 4, 5], "g": ["b", "a", "a", "b"]}
    made = made_of(table, "center(x) * g")
    assert made.columns == ("intercept", "center(x)", "g[T.b]", "center(x):g[T.b]")
    np.testing.assert_array_equal(made.matrix, [[1, -2, 1, -2], [1, -1, 0, 0], [1, 1, 0, 0], [1, 2, 1, 2]])
    assert sorted(made.terms.values()) == [(0,), (1,), (2,), (3,)]


def test_people_with_missing_cells_are_left_out_and_named(table: dict[str, list[Cell]]) -> None:
    table["age"][4], table["dba"][7], table["dba"][9] = "n/a", None, float("nan")
    made = made_of(table, "age + dba")
    assert set(range(N)) - set(made.rows) == {4, 7, 9}
    (note,) = made.notes
    assert "age, dba" in note
    assert "sub-04, sub-07, sub-09" in note


def test_many_left_out_are_not_all_named(table: dict[str, list[Cell]]) -> None:
    table["dba"] = [None if row % 2 else float(row) for row in range(N)]
    (note,) = made_of(table, "dba").notes
    assert "sub-19" in note
    assert "sub-21" not in note


def test_levels_of_those_who_are_left_alone_count(table: dict[str, list[Cell]]) -> None:
    table["dba"] = [None if site == "Köln" else float(row) for row, site in enumerate(table["site"])]
    assert made_of(table, "dba + site").columns == ("intercept", "dba", "site[T.x y]")


def test_people_take_part_once(table: dict[str, list[Cell]]) -> None:
    doubled = {name: [*cells, *cells[:4]] for name, cells in table.items()}
    doubled["dba"][1] = None
    made = made_of(doubled, "dba")
    assert set(made.rows) == (set(range(N)) - {1}) | {N + 1}
    assert "more than one session (3)" in made.notes[1]


@pytest.mark.parametrize("text", ["center(sex)", "poly(site, 2)", "I(sex**2)", "nothing", "age + missing"])
def test_what_a_column_cannot_be_is_refused(table: dict[str, list[Cell]], text: str) -> None:
    table["missing"] = [None] * N
    with pytest.raises(InputError):
        made_of(table, text)


def test_nobody_complete(table: dict[str, list[Cell]]) -> None:
    table["age"] = [None if row % 2 else float(row) for row in range(N)]
    table["dba"] = [float(row) if row % 2 else None for row in range(N)]
    with pytest.raises(InputError, match="Nobody"):
        made_of(table, "age + dba")


def test_numbers_too_large() -> None:
    with pytest.raises(InputError, match="too large"):
        made_of({"x": [1e200, 1.0, 3.0, 4.0]}, "I(x**2)")
