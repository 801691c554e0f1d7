"""Tables read back as they were written, whatever cells hold."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from bids_brainage.records.tables import table_text, write_table

COLUMNS = {"name": {"Description": "Who"}, "years": {"Description": "Age", "Units": "years"}}


def cells(text: str) -> list[list[str]]:
    return [line.split("\t") for line in text.removesuffix("\n").split("\n")]


def test_a_table_and_what_its_columns_mean(tmp_path: Path) -> None:
    rows = [{"name": "a", "years": 12.3456789}, {"years": math.nan}]
    table, meanings = write_table(tmp_path / "t.tsv", rows, COLUMNS)
    assert table.read_text() == "name\tyears\na\t12.3457\nn/a\tn/a\n"
    assert json.loads(meanings.read_text()) == COLUMNS
    assert pd.read_csv(table, sep="\t", na_values="n/a")["years"].iloc[0] == 12.3457


def test_a_column_may_have_a_form_of_its_own() -> None:
    assert table_text([{"years": 1.0}], {"years": {}}, {"years": ".3f"}) == "years\n1.000\n"


@given(st.lists(st.tuples(st.text(), st.text()), max_size=5))
def test_no_text_leaves_its_cell(rows: list[tuple[str, str]]) -> None:
    found = cells(table_text([{"a": a, "b": b} for a, b in rows], {"a": {}, "b": {}}))
    assert found[0] == ["a", "b"]
    assert [[a, b] for a, b in found[1:]] == [[" ".join(x.split()) or "n/a" for x in row] for row in rows]
