"""Designs of a few words."""

from __future__ import annotations

import numpy as np
import pytest

from bids_brainage.errors import InputError
from bids_brainage.statistics.modelling.columns import Cell
from bids_brainage.statistics.modelling.quick import quick_model

TABLE: dict[str, list[Cell]] = {
    "age": [20, 30, 40, 50, 60, 70, 80, 90],
    "dba": [1, -1, 2, -2, 3, 0, 1, 4],
    "diabetes": ["no", "yes", "no", "yes", "no", "no", "yes", "yes"],
    "site": ["a", "a", "a", "b", "b", "c", "c", "c"],
}


def test_a_slope_with_age_and_its_square() -> None:
    model = quick_model(TABLE, "dba", ["age", "age**2"])
    centred = np.arange(-35, 36, 10)
    columns = [np.ones(8), centred, centred**2, np.array(TABLE["dba"], float) - 1]
    np.testing.assert_allclose(model.design.matrix, np.transpose(columns))
    (contrast,) = model.design.contrasts
    assert (contrast.name, contrast.statistic, contrast.weights.tolist()) == ("dba", "t", [[0, 0, 0, 1]])
    assert model.design.exchangeability.permute
    assert not model.design.exchangeability.flip


def test_the_mean_is_tested_by_flipping_signs() -> None:
    model = quick_model(TABLE, "intercept", ["age"])
    assert model.design.contrasts[0].weights.tolist() == [[1, 0]]
    assert model.design.exchangeability.flip
    assert not model.design.exchangeability.permute


def test_two_groups() -> None:
    (contrast,) = quick_model(TABLE, "diabetes", ["age"]).design.contrasts
    assert contrast.name == "diabetes: yes - no"
    assert contrast.weights.tolist() == [[0, 0, 1]]
    (other,) = quick_model(TABLE, "C(diabetes, 'yes')").design.contrasts
    assert other.name == "diabetes: no - yes"


def test_three_groups_have_an_f_test_and_pairs() -> None:
    table = {name: cells * 2 for name, cells in TABLE.items()}
    contrasts = quick_model(table, "site").design.contrasts
    assert [(contrast.name, contrast.statistic) for contrast in contrasts] == [
        ("site", "F"), ("site: b - a", "t"), ("site: c - a", "t"), ("site: c - b", "t"),
    ]  # fmt: skip
    assert contrasts[0].weights.tolist() == [[0, 1, 0], [0, 0, 1]]
    assert contrasts[3].weights.tolist() == [[0, -1, 1]]


def test_differences_of_groups_are_those_of_their_means() -> None:
    table = {name: cells * 2 for name, cells in TABLE.items()}
    design = quick_model(table, "site").design
    values = np.random.default_rng(1).normal(size=16)
    coefficients = np.linalg.lstsq(design.matrix, values, rcond=None)[0]
    means = {site: values[np.array(table["site"]) == site].mean() for site in "abc"}
    for contrast in design.contrasts[1:]:
        later, earlier = contrast.name.removeprefix("site: ").split(" - ")
        assert contrast.weights @ coefficients == pytest.approx(means[later] - means[earlier])


def test_an_interaction_has_its_parts_beside_it() -> None:
    model = quick_model(TABLE, "dba:diabetes")
    assert model.design.columns == (
        "intercept", "center(dba)", "diabetes[T.yes]", "center(dba):diabetes[T.yes]",
    )  # fmt: skip
    assert model.design.contrasts[0].weights.tolist() == [[0, 0, 0, 1]]
    assert quick_model(TABLE, "dba", ["age**2"]).design.columns[1:3] == ("center(age)", "I(center(age)**2)")


def test_contrast_and_covariate_at_once() -> None:
    with pytest.raises(InputError, match="contrast and as covariate"):
        quick_model(TABLE, "age", ["age"])


def test_unknown_column_is_named_with_what_was_perhaps_meant() -> None:
    with pytest.raises(InputError, match=r"'diabtes'.*did you mean diabetes"):
        quick_model(TABLE, "diabtes")
