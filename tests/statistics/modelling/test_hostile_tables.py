"""Whatever a table holds, a question of it has a design or a sentence."""

from __future__ import annotations

import contextlib

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bids_brainage.errors import InputError
from bids_brainage.statistics.modelling.longitudinal import change_model, within_model
from bids_brainage.statistics.modelling.model import GroupModel
from bids_brainage.statistics.modelling.paper import paper_models
from bids_brainage.statistics.modelling.quick import quick_model

CELLS = (
    st.none()
    | st.floats()
    | st.text(max_size=3)
    | st.sampled_from(["n/a", "1", "0", "yes", "no", "55", "60.5", "F", "f", "1e308", "-1e308", "{x}", "`"])
)
NUMBERS = st.floats(-1e6, 1e6) | st.integers(20, 80).map(float) | st.just(0.0)


@st.composite
def tables(draw: st.DrawFn) -> dict[str, list[object]]:
    n = draw(st.integers(0, 14))
    kinds = {
        "participant_id": st.sampled_from(["sub-1", "sub-2", None]) | st.integers(0, 99).map(str),
        "age": NUMBERS,
        "dba": NUMBERS,
        "diabetes": st.sampled_from(["yes", "no", None]),
        "x": CELLS,
    }
    return {name: draw(st.lists(cells, min_size=n, max_size=n)) for name, cells in kinds.items()}


def check(model: GroupModel) -> None:
    matrix = model.design.matrix
    assert np.isfinite(matrix).all()
    scaled = matrix / np.linalg.norm(matrix, axis=0)
    assert np.linalg.matrix_rank(scaled) == matrix.shape[1] == len(model.design.columns)
    assert len(matrix) == len(model.rows)
    for contrast in model.design.contrasts:
        assert contrast.weights.shape[1] == matrix.shape[1]
        assert np.any(contrast.weights != 0)
    assert all(note.isprintable() for note in model.notes)


@settings(max_examples=200, deadline=None)
@given(tables(), st.sampled_from(["dba", "x", "C(x)", "diabetes", "intercept", "dba:x", "age**2"]))
def test_a_design_or_a_sentence(table: dict[str, list[object]], contrast: str) -> None:
    for make in (quick_model, within_model, change_model):
        with contextlib.suppress(InputError):
            check(make(table, contrast, ["x", "diabetes"][: len(table["age"]) % 3]))  # type: ignore[arg-type]


@settings(max_examples=100, deadline=None)
@given(tables())
def test_the_papers_analyses_or_why_not(table: dict[str, list[object]]) -> None:
    models, skipped = paper_models(table)  # type: ignore[arg-type]
    assert len(models) + len(skipped) == 4
    for model in models:
        check(model)
    assert all(each.reason.isprintable() for each in skipped)
