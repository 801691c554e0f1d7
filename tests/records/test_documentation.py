"""The tables of docs/outputs.md are those of the records, flags and names of files."""

from __future__ import annotations

from pathlib import Path

from bids_brainage.records.documentation import FILE_TABLE, FLAG_TABLE, RECORDS, renewed
from bids_brainage.records.schema import Record, described

PAGE = Path(__file__).parents[2] / "docs" / "outputs.md"


def test_the_page_has_the_tables_of_the_records() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert all(f"<!-- {name} -->" in text for name in (*RECORDS, FLAG_TABLE, FILE_TABLE))
    assert renewed(text) == text, "python -m bids_brainage.records.documentation docs/outputs.md renews them"


def test_every_key_has_a_meaning() -> None:
    def keys(record: type[Record]) -> set[str]:
        return {field.alias or name for name, field in record.model_fields.items()}

    for record in RECORDS.values():
        assert keys(record) <= set(described(record)), record
