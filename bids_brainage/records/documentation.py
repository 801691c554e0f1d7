"""The tables of docs/outputs.md, made of the records themselves.

``python -m bids_brainage.records.documentation docs/outputs.md`` renews them. A table stands between
``<!-- EstimateRecord -->`` and ``<!-- / -->``.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from bids_brainage.records.estimate import EstimateRecord
from bids_brainage.records.page import PageRecord
from bids_brainage.records.relevance_map import MapRecord
from bids_brainage.records.schema import Record, described
from bids_brainage.records.session import SessionRecord

RECORDS: dict[str, type[Record]] = {
    record.__name__: record for record in (EstimateRecord, MapRecord, SessionRecord, PageRecord)
}
_TABLE = re.compile(r"(<!-- (\w+) -->\n).*?(<!-- / -->)", re.DOTALL)


def table(record: type[Record]) -> str:
    """A Markdown table of a record's keys and what they mean."""
    rows = [f"| `{key}` | {meaning} |" for key, meaning in described(record).items()]
    return "\n".join(["", "| key | meaning |", "|---|---|", *rows, "", ""])


def renewed(text: str) -> str:
    """A page with its tables as the records have them now."""
    return _TABLE.sub(lambda found: found[1] + table(RECORDS[found[2]]) + found[3], text)


if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.write_text(renewed(page.read_text(encoding="utf-8")), encoding="utf-8")
