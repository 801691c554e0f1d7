"""BIDS Stats Models: what they ask is what is made, and what is not done here is refused."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bids_brainage.errors import InputError
from bids_brainage.statistics.modelling.columns import Cell
from bids_brainage.statistics.modelling.model import GroupModel, Settings
from bids_brainage.statistics.modelling.stats_design import stats_models

Table = dict[str, list[Cell]]
N = 36


@pytest.fixture
def table() -> Table:
    generator = np.random.default_rng(4)
    return {
        "participant_id": [f"sub-{row:02d}" for row in range(N)],
        "session_id": ["ses-1"] * N,
        "age": list(generator.uniform(20, 80, N)),
        "dba": list(generator.normal(0, 5, N)),
        "sex": [["F", "M"][row % 2] for row in range(N)],
        "site": [["A", "B", "C"][row // 12] for row in range(N)],
        "hand used": list(generator.normal(0, 1, N)),
    }


def stats_model(**node: Any) -> dict[str, Any]:
    """A file with one node, parts of which are given; parts of Model in small letters."""
    model = {"Type": "glm", "X": [1, "age"]} | {
        key: node.pop(key) for key in ("X", "Formula", "Type") if key in node
    }
    options = node.pop("options", None)
    if options is not None:
        model["Software"] = {"bids_brainage": options}
    whole = {"Level": "Dataset", "Name": "group", "GroupBy": [], "Model": model, **node}
    if "Contrasts" not in node and "DummyContrasts" not in node:
        whole["DummyContrasts"] = {"Contrasts": ["age"], "Test": "t"}
    return {"Name": "mine", "BIDSModelVersion": "1.0.0", "Nodes": [whole]}


def only(content: Any, table: Table) -> GroupModel:
    ((model,), skipped) = stats_models(content, table)
    assert not skipped
    return model


def contrast(conditions: list[Any], weights: list[Any], test: str = "t", name: str = "c") -> dict[str, Any]:
    return {"Name": name, "ConditionList": conditions, "Weights": weights, "Test": test}


def test_x_alone(table: Table) -> None:
    model = only(stats_model(X=[1, "age", "hand*"]), table)
    assert model.design.columns == ("intercept", "age", "hand used")
    np.testing.assert_array_equal(model.design.matrix[:, 1], table["age"])
    assert model.design.contrasts[0].weights.tolist() == [[0, 1, 0]]
    assert model.name == "mine"


def test_formula_and_contrasts_of_levels(table: Table) -> None:
    weights = [
        contrast(["site.B", "site.A"], [1, -1]),
        contrast(["site[T.C]", "site[B]"], ["1/2", "-1/2"], name="d"),
    ]
    both = contrast(["site.B", "site.C"], [[1, 0], [0, 1]], "F", "e")
    content = stats_model(X=["site", "age"], Formula="1 + site + center(age)", Contrasts=[*weights, both])
    design = only(content, table).design
    assert design.columns == ("intercept", "site[T.B]", "site[T.C]", "center(age)")
    assert [each.weights.tolist() for each in design.contrasts] == [
        [[0, 1, 0, 0]], [[0, -0.5, 0.5, 0]], [[0, 1, 0, 0], [0, 0, 1, 0]],
    ]  # fmt: skip
    assert [each.statistic for each in design.contrasts] == ["t", "t", "F"]
    # Differences are the same where each group has its own column.
    free = stats_model(X=["site", "age"], Formula="0 + site + center(age)", Contrasts=[*weights, both][:2])
    values = np.random.default_rng(0).normal(size=N)
    other = only(free, table).design
    for first, second in zip(design.contrasts, other.contrasts, strict=False):
        found = [
            each.weights @ np.linalg.lstsq(matrix, values, rcond=None)[0]
            for each, matrix in ((first, design.matrix), (second, other.matrix))
        ]
        np.testing.assert_allclose(*found)


def test_factor_as_fitlins_has_it(table: Table) -> None:
    content = stats_model(
        X=["sex.F", "sex.M", "age"],
        Transformations={
            "Transformer": "pybids-transforms-v1",
            "Instructions": [{"Name": "Factor", "Input": ["sex"]}, {"Name": "Demean", "Input": ["age"]}],
        },
        Contrasts=[contrast(["sex.M", "sex.F"], [1, -1])],
    )
    model = only(content, table)
    assert model.design.columns == ("sex.F", "sex.M", "age")
    np.testing.assert_array_equal(model.design.matrix[:, 0], [sex == "F" for sex in table["sex"]])
    assert model.design.matrix[:, 2].mean() == pytest.approx(0)
    assert model.design.contrasts[0].weights.tolist() == [[-1, 1, 0]]
    assert model.design.exchangeability.permute


def test_dummies(table: Table) -> None:
    content = stats_model(X=[1, "site", "dba"], DummyContrasts={"Test": "t"})
    models, _ = stats_models(content, table)
    assert {model.name: [each.name for each in model.design.contrasts] for model in models} == {
        "mine": ["site: B - A", "site: C - A", "site: C - B", "dba"],
        "mine means": ["intercept"],
    }
    flips = {model.name: model.design.exchangeability.flip for model in models}
    assert flips == {"mine": False, "mine means": True}
    (tested,) = only(
        stats_model(X=[1, "site"], DummyContrasts={"Contrasts": ["site"], "Test": "F"}), table
    ).design.contrasts
    assert (tested.statistic, tested.weights.tolist()) == ("F", [[0, 1, 0], [0, 0, 1]])


def test_an_analysis_for_each_group(table: Table) -> None:
    content = stats_model(GroupBy=["contrast", "site"])
    table["age"][:10] = [None] * 10
    models, skipped = stats_models(content, table)
    assert [(model.name, dict(model.levels), len(model.rows)) for model in models] == [
        ("mine B", {"site": "B"}, 12), ("mine C", {"site": "C"}, 12),
    ]  # fmt: skip
    assert [(each.name, "too few" in each.reason) for each in skipped] == [("mine A", True)]


def test_options(table: Table) -> None:
    options = {"n_permutations": 99, "two_sided": False, "correct_over": ["contrasts"], "values": "absolute"}
    content = stats_model(options={**options, "blocks": "site"})
    ((model,), _) = stats_models(content, table, Settings(5, True))
    assert model.settings == Settings(99, False, ("contrasts",), "absolute")
    exchange = model.design.exchangeability
    assert exchange.blocks is not None
    np.testing.assert_array_equal(exchange.blocks, np.repeat([0, 1, 2], 12))
    assert exchange.within
    assert not exchange.whole
    ((usual,), _) = stats_models(stats_model(), table, Settings(5, False))
    assert usual.settings == Settings(5, False)


def test_input_names_people(table: Table) -> None:
    content = stats_model() | {"Input": {"subject": [f"{row:02d}" for row in range(20)], "session": ["1"]}}
    np.testing.assert_array_equal(only(content, table).rows, range(20))


def test_who_is_named_and_not_there_is_told(table: Table) -> None:
    content = stats_model() | {"Input": {"subject": [*(f"{row:02d}" for row in range(20)), "sub-0"]}}
    assert "Input names who has no finished session here: sub-0." in only(content, table).notes


NODE = stats_model()["Nodes"][0]
HRF = {"Variables": ["age"], "Model": "spm"}
BAD = {
    "Run": stats_model() | {"Nodes": [NODE | {"Level": "Run"}]},
    "Subject": stats_model() | {"Nodes": [NODE | {"Level": "Subject"}, NODE]},
    r"group \(Dataset\), group \(Dataset\)": stats_model() | {"Nodes": [NODE, NODE]},
    "it has none": stats_model() | {"Nodes": []},
    "meta": stats_model(Type="meta"),
    "HRF": stats_model() | {"Nodes": [NODE | {"Model": NODE["Model"] | {"HRF": HRF}}]},
    "know no Nodes.0.Contrast": stats_model(Contrast=[]),
    "at Nodes": {"Name": "x", "BIDSModelVersion": "1"},
    "at the file": [1, 2],
    "asks for nothing": stats_model(Contrasts=[]),
    "weighs 'aeg'.*did you mean age": stats_model(Contrasts=[contrast(["aeg"], [1])]),
    "as many weights": stats_model(Contrasts=[contrast(["age"], [1, 2])]),
    "zero or redundant": stats_model(Contrasts=[contrast(["age"], [0])]),
    "or redundant": stats_model(Contrasts=[contrast(["age"], [[1], [2]], "F")]),
    "make it F": stats_model(Contrasts=[contrast(["age", 1], [[1, 0], [0, 1]])]),
    "weight __import__": stats_model(Contrasts=[contrast(["age"], ["__import__('os')"])]),
    "weight 1/0": stats_model(Contrasts=[contrast(["age"], ["1/0"])]),
    "called c": stats_model(Contrasts=[contrast(["age"], [1]), contrast(["age"], [2])]),
    "reference level of 'sex'": stats_model(X=[1, "sex"], Contrasts=[contrast(["sex.F"], [1])]),
    "Test pass": stats_model(Contrasts=[contrast(["age"], [1], "pass")]),
    "GroupBy subject": stats_model(GroupBy=["subject"]),
    "'age' is .* for all people": stats_model(GroupBy=["age"]),
    "X does not name": stats_model(X=["age"], Formula="1 + age + sex"),
    "never run as code": stats_model(X=["age"], Formula="{age}"),
    "no option 'permutations'.*n_permutations": stats_model(options={"permutations": 3}),
    "'n_permutations' cannot": stats_model(options={"n_permutations": "many"}),
    "'n_permutations'": stats_model(options={"n_permutations": 0}),
    "'exchange' cannot": stats_model(options={"exchange": "none"}),
    "no column 'clinic'": stats_model(options={"blocks": "clinic"}),
    "does not divide": stats_model(options={"blocks": "session_id"}),
    "one row": stats_model(options={"blocks": "participant_id"}),
    "filters by 'task'": stats_model() | {"Input": {"task": ["rest"]}},
    "no finished session": stats_model() | {"Input": {"subject": ["99"]}},
    "no column 'nothing'": stats_model(X=["nothing"]),
}  # fmt: skip


@pytest.mark.parametrize("sentence", BAD)
def test_refused(table: Table, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence) as caught:
        stats_models(BAD[sentence], table, file="my\nmodel.json")
    assert "my model.json cannot be used" in str(caught.value)
    assert "\n" not in str(caught.value)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_whatever_stands_somewhere_in_a_file_is_used_or_refused(data: st.DataObject) -> None:
    json_values = st.recursive(
        st.none() | st.booleans() | st.integers(-3, 3) | st.floats() | st.text(max_size=5)
        | st.sampled_from(["age", "sex", "*"]),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
        max_leaves=4,
    )  # fmt: skip
    content = stats_model(
        X=[1, "age", "sex"],
        Formula="1 + age",
        Contrasts=[contrast(["age", 1], [1, "1/2"])],
        Transformations={
            "Transformer": "pybids-transforms-v1",
            "Instructions": [{"Name": "Threshold", "Input": ["age"], "Threshold": 3}],
        },
        options={"blocks": "sex"},
    )
    place: Any = content
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(place[key], dict | list) or not place[key] or data.draw(st.booleans()):
            break
        place = place[key]
    place[key] = data.draw(json_values)
    table: Table = {"age": [1.0, 5.0, 2.0, 8.0, 3.0, 4.0, 2.5, 7.0], "sex": list("FMFMFMFM")}
    before = copy.deepcopy(content)
    try:
        models, _ = stats_models(content, table)
    except InputError:
        return
    assert models
    assert json.dumps(content) == json.dumps(before)


def test_queries_of_filter_are_never_run(table: Table, tmp_path: Path) -> None:
    file = tmp_path / "touched"
    for query in (
        f"@__import__('pathlib').Path('{file}').touch()",
        f"age > open('{file}', 'w')",
        f"age.map(lambda x: open('{file}', 'w'))",
        "age > 3 or sex == 'F'",
        "",
        "age",
    ):
        instruction = {"Name": "Filter", "Input": ["age"], "Query": query}
        transformations = {"Transformer": "pybids-transforms-v1", "Instructions": [instruction]}
        with pytest.raises(InputError, match="never run"):
            stats_models(stats_model(Transformations=transformations), table)
        assert not file.exists()
