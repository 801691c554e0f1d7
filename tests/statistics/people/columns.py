"""What the columns of tables of people mean, as the package ships it."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import yaml


def described(table: str) -> list[str]:
    """The columns of a table that have a description."""
    path = files("bids_brainage") / "data" / "group" / "people.yaml"
    columns = yaml.safe_load(path.read_text(encoding="utf-8"))[table]
    assert all(meaning["Description"] for meaning in columns.values())
    return list(columns)


def check_row(row: Mapping[str, Any], table: str) -> None:
    """Every cell has a described column, and the other way round."""
    assert sorted(row) == sorted(described(table))
