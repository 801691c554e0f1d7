"""The tables of docs/outputs.md, made of the records, flags and names of files themselves.

``python -m bids_brainage.records.documentation docs/outputs.md`` renews them. A table stands between
``<!-- EstimateRecord -->`` and ``<!-- / -->``.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path

from bids_brainage.bids.naming import outputs
from bids_brainage.flags import FLAGS
from bids_brainage.records.estimate import EstimateRecord
from bids_brainage.records.page import PageRecord
from bids_brainage.records.relevance_map import MapRecord, ReferenceMapRecord, ZMapRecord
from bids_brainage.records.schema import Record, described
from bids_brainage.records.session import SessionRecord

RECORDS: dict[str, type[Record]] = {
    record.__name__: record
    for record in (EstimateRecord, MapRecord, ReferenceMapRecord, ZMapRecord, SessionRecord, PageRecord)
}
FLAG_TABLE = "Flags"
FILE_TABLE = "Files"
_TABLE = re.compile(r"(<!-- (\w+) -->\n).*?(<!-- / -->)", re.DOTALL)


def table(record: type[Record]) -> str:
    """A Markdown table of a record's keys and what they mean."""
    return _table(["key", "meaning"], ([f"`{key}`", meaning] for key, meaning in described(record).items()))


def flag_table() -> str:
    """A Markdown table of all flags."""
    rows = ([f"`{code}`", kind.severity, kind.meaning] for code, kind in FLAGS.items())
    return _table(["code", "severity", "meaning"], rows)


def file_table() -> str:
    """A Markdown table of the files of a session."""
    rows = ([f"`{_open(output.name)}`", output.holds] for output in outputs().values())
    return _table(["name, after `sub-<label>_[ses-<label>_]`", "what it holds"], rows)


def _open(pattern: str) -> str:
    """A pattern as people write it: ``desc-<ensemble>_regions.tsv``."""
    return pattern.replace("{", "<").replace("}", ">")


def _table(columns: list[str], rows: Iterable[list[str]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in (columns, *rows)]
    return "\n".join(["", lines[0], "|---" * len(columns) + "|", *lines[1:], "", ""])


def renewed(text: str) -> str:
    """A page with its tables as the records have them now."""
    tables = {name: table(record) for name, record in RECORDS.items()} | {
        FLAG_TABLE: flag_table(),
        FILE_TABLE: file_table(),
    }
    return _TABLE.sub(lambda found: found[1] + tables[found[2]] + found[3], text)


if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.write_text(renewed(page.read_text(encoding="utf-8")), encoding="utf-8")
