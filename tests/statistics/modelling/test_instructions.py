"""Transformations do what their names say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bids_brainage.errors import InputError
from bids_brainage.statistics.modelling.columns import Cell
from bids_brainage.statistics.modelling.instructions import transformed_table

TABLE: dict[str, list[Cell]] = {
    "x": ["1", "2", "n/a", "-3"],
    "y": [2.0, 2.0, 5.0, 7.0],
    "sex": ["F", "M", None, "F"],
    "one": ["4", "4", "4", "4"],
}


def done(**instruction: Any) -> dict[str, list[Cell]]:
    return {name: list(cells) for name, cells in transformed_table(TABLE, [instruction]).items()}


@pytest.mark.parametrize(
    ("instruction", "column", "expected"),
    [
        ({"Name": "Demean", "Input": ["x"]}, "x", [1, 2, None, -3]),
        ({"Name": "Scale", "Input": "y", "Output": "z"}, "z", list(np.array([-2, -2, 1, 3]) / np.sqrt(6))),
        ({"Name": "Scale", "Input": ["y"], "Demean": False}, "y", list(np.array([2, 2, 5, 7]) / np.sqrt(6))),
        ({"Name": "Scale", "Input": ["y"], "Rescale": False}, "y", [-2, -2, 1, 3]),
        ({"Name": "Threshold", "Input": ["x"], "Threshold": 2, "Signed": False}, "x", [0, 2, None, -3]),
        ({"Name": "Threshold", "Input": ["x"], "Threshold": 1, "Binarize": True}, "x", [1, 1, None, 0]),
        ({"Name": "Threshold", "Input": ["x"], "Above": False}, "x", [0, 0, None, -3]),
        ({"Name": "Power", "Input": ["x"], "Value": 2}, "x", [1, 4, None, 9]),
        ({"Name": "Power", "Input": ["x"], "Value": 0.5}, "x", [1, np.sqrt(2), None, None]),
        ({"Name": "Sum", "Input": ["x", "y"], "Output": "s"}, "s", [3, 4, None, 4]),
        ({"Name": "Sum", "Input": ["x", "y"], "Output": "s", "Weights": [2, -1]}, "s", [0, 2, None, -13]),
        ({"Name": "Product", "Input": ["x", "y"], "Output": "p"}, "p", [2, 4, None, -21]),
        ({"Name": "Factor", "Input": ["sex"]}, "sex.F", [1, 0, None, 1]),
        ({"Name": "Rename", "Input": ["x"], "Output": ["u"]}, "u", ["1", "2", "n/a", "-3"]),
        ({"Name": "Copy", "Input": ["sex"], "Output": ["u"]}, "u", ["F", "M", None, "F"]),
        ({"Name": "Replace", "Input": ["sex"], "Replace": {"F": "w", "n/a": ""}}, "sex", ["w", "M", "", "w"]),
        ({"Name": "Filter", "Input": ["x"], "Query": "sex == 'F' and y < 5"}, "x", ["1", None, None, None]),
        ({"Name": "Filter", "Input": ["y"], "Query": "x >= -3 & `sex` != \"M\""}, "y", [2, None, None, 7]),
    ],
)  # fmt: skip
def test_done(instruction: dict[str, Any], column: str, expected: list[Cell]) -> None:
    found = done(**instruction)[column]
    assert len(found) == len(expected)
    for cell, wanted in zip(found, expected, strict=True):
        assert cell == (pytest.approx(wanted) if isinstance(wanted, float) else wanted)


def test_a_renamed_column_is_gone_and_a_copied_one_is_not() -> None:
    assert "x" not in done(Name="Rename", Input=["x"], Output=["u"])
    assert "x" in done(Name="Copy", Input=["x"], Output=["u"])


def test_one_after_the_other() -> None:
    steps = [{"Name": "Copy", "Input": ["y"], "Output": ["z"]}, {"Name": "Power", "Input": ["z"], "Value": 2}]
    assert list(transformed_table(TABLE, steps)["z"]) == [4, 4, 25, 49]
    assert list(TABLE) == ["x", "y", "sex", "one"]


@pytest.mark.parametrize(
    ("instruction", "sentence"),
    [
        ({"Name": "Convolve", "Input": ["x"]}, "'Convolve' is not supported"),
        ({"Name": "Scal", "Input": ["x"]}, "did you mean Scale"),
        ({"Name": "Scale"}, "Input of Scale"),
        ({"Name": "Scale", "Input": [3]}, "Input of Scale"),
        ({"Name": "Scale", "Input": ["q"]}, "no column 'q'"),
        ({"Name": "Scale", "Input": ["sex"]}, "also F, M"),
        ({"Name": "Scale", "Input": ["one"]}, "the same for all"),
        ({"Name": "Scale", "Input": ["x"], "Mean": 3}, "no option 'Mean'"),
        ({"Name": "Scale", "Input": ["x"], "Demean": 1}, "type bool"),
        ({"Name": "Threshold", "Input": ["x"], "Threshold": True}, "type float"),
        ({"Name": "Scale", "Input": ["x", "y"], "Output": ["z"]}, "name 2 columns, not 1"),
        ({"Name": "Sum", "Input": ["x", "y"]}, "name 1 columns"),
        ({"Name": "Sum", "Input": ["x", "y"], "Output": "s", "Weights": [1]}, "2 numbers"),
        ({"Name": "Sum", "Input": ["x"], "Output": "s", "Weights": ["1"]}, "1 numbers"),
        ({"Name": "Rename", "Input": ["x"]}, "name 1 columns"),
        ({"Name": "Power", "Input": ["x"]}, "needs Value"),
        ({"Name": "Replace", "Input": ["x"], "Replace": {"1": []}}, "take their place"),
        ({}, "Name, Input"),
    ],
)
def test_refused(instruction: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=f"instruction 1 of Transformations: .*{sentence}"):
        done(**instruction)
