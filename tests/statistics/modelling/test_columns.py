"""What columns are, as people write them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bids_brainage.errors import InputError
from bids_brainage.statistics.modelling.columns import Cell, column_notes, number, read_column, row_names


@pytest.mark.parametrize(
    ("cells", "kind", "levels"),
    [
        (["1", "2.5", " -3e-1 ", "n/a"], "numeric", ()),
        ([1.0, None, 3.0], "numeric", ()),
        (["0", "1", "1"], "numeric", ()),
        (["b", "a", "b"], "categorical", ("a", "b")),
        (["yes", "no", "N/A", "yes"], "categorical", ("no", "yes")),
        (["F", "f", "F", "f"], "categorical", ("F", "f")),
    ],
)
def test_kinds(cells: list[Cell], kind: str, levels: tuple[str, ...]) -> None:
    column = read_column({"x": cells}, "x")
    assert (column.kind, column.levels) == (kind, levels)
    missing = [cell is None or str(cell).lower() == "n/a" for cell in cells]
    np.testing.assert_array_equal(column.missing, missing)


@pytest.mark.parametrize(
    ("cells", "sentence"),
    [
        (["n/a", None, float("nan")], "n/a for all 3"),
        (["3", "3.0", "3"], "is 3 for all"),
        (["x", "x", "n/a"], "is x for all"),
        (["anna", "bert", "carl"], "text of its own for each of 3"),
        (["1,5", "2,5", "3,5"], "written with a point"),
        (["1", "2", "unknown", "4"], r"also unknown \(row 3\)"),
        (["1", "2", "1e999", "4"], "1e999"),
        (["1", "2", "inf", "4"], "inf"),
        (["1", "2", "3,5", "4"], "written with a point"),
    ],
)
def test_what_cannot_be_used(cells: list[Cell], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        read_column({"x": cells}, "x")


def test_numbers_as_groups_are_in_order() -> None:
    table: dict[str, list[Cell]] = {"site": ["10", "9", "10", "9", "100", "100"]}
    assert read_column(table, "site", categorical=True).levels == ("9", "10", "100")
    assert read_column(table, "site", reference="10").levels == ("10", "9", "100")
    with pytest.raises(InputError, match="no level '3'"):
        read_column(table, "site", reference="3")


def test_levels_that_may_be_one_are_told_and_kept_apart() -> None:
    table: dict[str, list[Cell]] = {"sex": ["F", "female", "M", "m", "f", "x1"] * 3}
    column = read_column(table, "sex")
    assert len(column.levels) == 6
    notes = " ".join(column_notes(column))
    assert "F and f and female" in notes
    assert "M and m are" in notes
    assert "x1" not in notes


def test_tiny_groups_and_coded_groups_are_told() -> None:
    (note,) = column_notes(read_column({"x": ["a"] * 5 + ["b", "b", "c"]}, "x"))
    assert "b (2), c (1)" in note
    (note,) = column_notes(read_column({"Site": ["1", "2", "3"]}, "Site"))
    assert "C(Site)" in note
    assert not column_notes(read_column({"bmi": ["1", "2", "3"]}, "bmi"))


def test_hostile_texts_are_shown_on_one_line() -> None:
    with pytest.raises(InputError) as caught:
        read_column({"x\x1b[2J": ["1", "2", "3", "a\nb\x1b[31m"]}, "x\x1b[2J")
    assert str(caught.value).isprintable()


def test_names_of_rows() -> None:
    table: dict[str, list[Cell]] = {"participant_id": ["sub-1", None], "session_id": ["ses-2", None]}
    assert row_names(table, [0, 1]) == ["sub-1 ses-2", "row 2"]


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_are_read_as_python_writes_them(value: float) -> None:
    assert number(repr(value)) == value


@given(st.text(max_size=12))
def test_no_other_text_is_a_number(text: str) -> None:
    value = number(text)
    if value is not None:
        assert float(text) == value
        assert text.isascii()
        assert not set(text) - set("0123456789.+-eE")
