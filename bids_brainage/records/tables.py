"""The one writer of tables: tab-separated, as in BIDS, each with a JSON file that describes its columns."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bids_brainage.atomic import write_text
from bids_brainage.bids.naming import sidecar
from bids_brainage.records.files import write_json

#: What a column means: Description, and Units or Levels where there are any.
Columns = Mapping[str, Mapping[str, Any]]
Row = Mapping[str, Any]

MISSING = "n/a"
_DIGITS = ".6g"


def write_table(
    path: Path, rows: Iterable[Row], columns: Columns, forms: Mapping[str, str] | None = None
) -> tuple[Path, Path]:
    """Write a table, then the JSON file that says what its columns mean.

    Parameters
    ----------
    path : Path
        ``*.tsv``.
    rows : iterable of mapping
        Values by column; a column that a row lacks is n/a.
    columns : mapping of str to mapping
        All columns in their order, with their entries in the JSON file.
    forms : mapping of str to str, optional
        How the numbers of a column are written (``.3f``); six digits by default.

    Returns
    -------
    tuple of Path
        The table and its JSON file.
    """
    write_text(path, table_text(rows, columns, forms))
    return path, write_json(sidecar(path), {name: dict(meaning) for name, meaning in columns.items()})


def table_text(rows: Iterable[Row], columns: Columns, forms: Mapping[str, str] | None = None) -> str:
    """The table's text; see `write_table`."""
    forms = forms or {}
    lines = ["\t".join(_cell(name) for name in columns)]
    for row in rows:
        lines.append("\t".join(_cell(row.get(name), forms.get(name, _DIGITS)) for name in columns))
    return "\n".join(lines) + "\n"


def _cell(value: Any, form: str = _DIGITS) -> str:
    """One value; BIDS tables have no quotes, so what would end a cell becomes a blank."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return MISSING
    if isinstance(value, float):
        return format(value, form)
    text = " ".join(str(value).split())
    return text or MISSING
