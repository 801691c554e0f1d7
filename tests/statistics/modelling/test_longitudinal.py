"""Effects within people and change a year are those that were put in, and those of statsmodels."""

from __future__ import annotations

import numpy as np
import pandas
import pytest
import statsmodels.formula.api as smf

from bids_brainage.errors import InputError
from bids_brainage.statistics.modelling.columns import Cell
from bids_brainage.statistics.modelling.longitudinal import change_model, within_model
from bids_brainage.statistics.modelling.model import GroupModel

Table = dict[str, list[Cell]]


def seen(times: list[int], seed: int = 2) -> tuple[Table, np.ndarray]:
    """People who are seen so many times, and values that rise by 2 a year, by 3 if ill."""
    generator = np.random.default_rng(seed)
    rows = [(person, session) for person, n in enumerate(times) for session in range(n)]
    start = generator.uniform(50, 70, len(times))
    gaps = generator.uniform(1, 3, len(times))
    own = generator.normal(0, 100, len(times))
    ages = np.array([start[person] + session * gaps[person] for person, session in rows])
    ill = np.array([person % 2 for person, _ in rows])
    values = np.array([own[person] for person, _ in rows]) + (2 + ill) * ages
    table: Table = {
        "participant_id": [f"sub-{person}" for person, _ in rows],
        "session_id": [f"ses-{session}" for _, session in rows],
        "age": list(ages),
        "ill": [["no", "yes"][each] for each in ill],
        "bmi": list(generator.normal(25, 3, len(rows))),
    }
    return table, values + generator.normal(0, 0.01, len(rows))


def effect(model: GroupModel, values: np.ndarray) -> float:
    observed = values[model.rows]
    if model.minus is not None and model.years is not None:
        observed = (observed - values[model.minus]) / model.years
    coefficients = np.linalg.lstsq(model.design.matrix, observed, rcond=None)[0]
    return float(model.design.contrasts[0].weights[0] @ coefficients)


def test_within_is_the_model_with_a_column_for_each_person() -> None:
    table, values = seen([2, 3, 1, 2, 4, 2, 1])
    model = within_model(table, "age", ["bmi"])
    assert {table["participant_id"][row] for row in model.rows} == {f"sub-{n}" for n in (0, 1, 3, 4, 5)}
    assert "2 sessions of people who were seen once" in " ".join(model.notes)
    frame = pandas.DataFrame(table).assign(value=values).iloc[model.rows]
    expected = smf.ols("value ~ 0 + C(participant_id) + age + bmi", frame).fit().params["age"]
    assert effect(model, values) == pytest.approx(expected)
    assert model.design.columns[:2] == ("sub-0 ses-0", "sub-1 ses-0")
    blocks = model.design.exchangeability.blocks
    assert blocks is not None
    assert [table["participant_id"][row] for row in model.rows] == [
        f"sub-{[0, 1, 3, 4, 5][block]}" for block in blocks
    ]


def test_within_finds_that_the_ill_change_faster() -> None:
    table, values = seen([2] * 10)
    model = within_model(table, "age:ill")
    assert effect(model, values) == pytest.approx(1, abs=0.05)
    assert "ill[T.yes]" not in model.design.columns
    assert "ill[T.yes]" in " ".join(model.notes)


def test_sessions_are_compared_within_people() -> None:
    table, values = seen([3] * 6)
    model = within_model(table, "session_id")
    assert [each.name for each in model.design.contrasts] == [
        "session_id", "session_id: ses-1 - ses-0", "session_id: ses-2 - ses-0", "session_id: ses-2 - ses-1",
    ]  # fmt: skip
    coefficients = np.linalg.lstsq(model.design.matrix, values[model.rows], rcond=None)[0]
    by_session = values.reshape(6, 3)
    (found,) = model.design.contrasts[2].weights @ coefficients
    assert found == pytest.approx((by_session[:, 2] - by_session[:, 0]).mean())


@pytest.mark.parametrize("contrast", ["ill", "intercept"])
def test_what_is_the_same_in_all_sessions_is_refused(contrast: str) -> None:
    table, _ = seen([2] * 8)
    with pytest.raises(InputError, match="say nothing about change"):
        within_model(table, contrast)


def test_change_a_year() -> None:
    table, values = seen([2, 3, 1, 2, 4, 2, 1, 2, 2])
    model = change_model(table)
    assert model.minus is not None
    assert model.years is not None
    assert len(model.rows) == 7
    for last, first, years in zip(model.rows, model.minus, model.years, strict=True):
        assert table["participant_id"][last] == table["participant_id"][first]
        assert table["session_id"][first] == "ses-0"
        assert years == pytest.approx(float(table["age"][last]) - float(table["age"][first]))  # type: ignore[arg-type]
    assert model.design.exchangeability.flip
    ill = [table["ill"][row] == "yes" for row in model.rows]
    assert effect(model, values) == pytest.approx(2 + np.mean(ill), abs=0.02)


def test_change_that_depends_on_a_group() -> None:
    table, values = seen([2] * 12)
    model = change_model(table, "ill", ["age"])
    assert effect(model, values) == pytest.approx(1, abs=0.05)
    assert model.design.exchangeability.permute
    assert len(model.rows) == 12


def test_uneven_times_are_told_and_order_of_rows_does_not_matter() -> None:
    table, values = seen([2] * 7 + [6])
    model = change_model(table)
    assert "years" in " ".join(model.notes)
    order = np.random.default_rng(0).permutation(len(values))
    other = change_model({name: [cells[row] for row in order] for name, cells in table.items()})
    assert effect(other, values[order]) == pytest.approx(effect(model, values))


def test_nobody_seen_twice() -> None:
    table, _ = seen([1] * 8)
    for make in (lambda: within_model(table, "age"), lambda: change_model(table)):
        with pytest.raises(InputError, match="two finished sessions"):
            make()
    table["participant_id"] = ["sub-1"] * 8
    table["age"] = [50.0] * 4 + [50.001] * 4
    with pytest.raises(InputError, match="two finished sessions"):
        change_model(table)
