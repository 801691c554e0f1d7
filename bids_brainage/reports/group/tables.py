"""Tables of a group's page: chosen columns of the group level's tables, with readable numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import yaml

from bids_brainage.reports.group.reading import Row, number
from bids_brainage.reports.mosaics import scientific
from bids_brainage.reports.templates import TEMPLATES
from bids_brainage.reports.words import MINUS, Words, spoken
from bids_brainage.terms import MISSING

NOT_KNOWN = "n/a"
#: Forms of cells that are no numbers.
_TEXTS: Mapping[str, Callable[[str], str]] = {
    "text": str,
    "spoken": spoken,
    "measure": lambda name: {"brain_age": "estimate", "dba": "DBA"}.get(name, name),
}


@dataclass(frozen=True)
class Column:
    """A column of a table that is shown.

    Attributes
    ----------
    title : str
    form : str
        How its values are written.
    value, low, high : str
        Names of columns: the value, and both ends of its interval; empty where there is none.
    """

    title: str
    form: str
    value: str = ""
    low: str = ""
    high: str = ""

    @property
    def is_number(self) -> bool:
        """Whether it is set to the right."""
        return self.form not in _TEXTS

    def cell(self, row: Row, words: Words) -> str:
        """What a row says."""
        if not self.is_number:
            text = row.get(self.value, "")
            return NOT_KNOWN if text in MISSING else _TEXTS[self.form](text)
        ends = [written(number(row, name), self.form, words) for name in (self.low, self.high) if name]
        known = NOT_KNOWN not in ends
        if not self.value:
            return f"{ends[0]} to {ends[1]}" if known else NOT_KNOWN
        value = written(number(row, self.value), self.form, words)
        return f"{value} ({ends[0]} to {ends[1]})" if ends and known else value


@cache
def columns(table: str) -> tuple[Column, ...]:
    """The columns of a table that pages show, as data/reports/group/tables.yaml has them."""
    text = (TEMPLATES / "group" / "tables.yaml").read_text(encoding="utf-8")
    return tuple(Column(**own) for own in yaml.safe_load(text)[table])


def shown_table(
    table: str, rows: Iterable[Row], words: Words, *, without: Iterable[str] = ()
) -> dict[str, Any]:
    """A table for the templates: its columns, those left out that nothing is known of, and cells as text."""
    rows, gone = list(rows), set(without)
    names = {"age": "age", "ages": "Ages"} if words.of_age else {"age": "measured value", "ages": "Range"}
    chosen = [
        replace(column, title=column.title.format(**names))
        for column in columns(table)
        if column.value not in gone and any(column.cell(row, words) != NOT_KNOWN for row in rows)
    ]
    return {"columns": chosen, "rows": [[column.cell(row, words) for column in chosen] for row in rows]}


def written(value: float | None, form: str, words: Words) -> str:
    """A number as text; see data/reports/group/tables.yaml for the forms."""
    if value is None:
        return NOT_KNOWN
    of_words = {"years": words.error, "signed": _signed(words), "age": _plain(".0f")}
    own: Mapping[str, Callable[[float], str]] = {
        "count": _plain(".0f"),
        "r": _plain(".2f"),
        "fine": _plain(".3f"),
        "share": lambda share: f"{100 * share:.0f} %",
        "p": p_text,
        "mm": _plain(".0f"),
        "size": lambda size: f"{size:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}"),
        "tiny": _tiny,
        **of_words,
    }
    return own[form](value)


def p_text(p: float | None) -> str:
    """A p value: three digits at most, and never zero."""
    if p is None:
        return NOT_KNOWN
    if p < 0.0001:
        return scientific(p)
    return f"{p:.4f}" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def _signed(words: Words) -> Callable[[float], str]:
    form = "+.2f" if words.of_age else "+.3g"
    return lambda value: format(value, form).replace("-", MINUS)


def _tiny(value: float) -> str:
    return f"{MINUS if value < 0 else '+' if value > 0 else ''}{scientific(abs(value))}"


def _plain(form: str) -> Callable[[float], str]:
    def text(value: float) -> str:
        # Rounded to zero, a number has no sign: z of format(), from Python 3.11 on.
        return format(value, f"z{form}").replace("-", MINUS)

    return text
