"""TSV files, as BIDS has them and as spreadsheets and R write them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bids_brainage import messages
from bids_brainage.bids.content import check_here
from bids_brainage.errors import InputError
from bids_brainage.quoting import one_line
from bids_brainage.reading import MB, read_text

#: Bytes of the largest table that is read: a hundred thousand people with more than a hundred columns.
LARGEST_TABLE = 128 * MB


@dataclass(frozen=True)
class Table:
    """A TSV file as it is, cells unchanged.

    Attributes
    ----------
    path : Path
    columns : tuple of str
        The header. Behind the last name it may hold empty ones.
    rows : list of list of str
        Each as long as the header.
    lines : list of int
        Each row's line in the file.
    """

    path: Path
    columns: tuple[str, ...]
    rows: list[list[str]]
    lines: list[int]

    def position(self, name: str) -> int | None:
        """Return the position of the column of that name or, if there is none, of that name in other case.

        Raises
        ------
        InputError
            If several differ from `name` only in case.
        """
        if name in self.columns:
            return self.columns.index(name)
        alike = [column for column in self.columns if column.lower() == name.lower()]
        if len(alike) > 1:
            raise InputError(messages.TABLE_COLUMN_TWICE.format(path=self.path, column=one_line(alike[1])))
        return self.columns.index(alike[0]) if alike else None


def read_table(path: Path, id_column: str) -> Table:
    """Read a TSV file as BIDS has it: UTF-8, one tab between cells, and no quoting.

    Lines end in LF, CRLF or CR; a byte order mark, empty lines and empty cells behind the last column are
    skipped. Where all names of the header stand in quotes, R wrote the table: quotes around cells and a
    column of row names are left out.

    Raises
    ------
    InputError
        If the file cannot be read, is larger than `LARGEST_TABLE` or not UTF-8, has no `id_column` or two
        columns of one name, or a row has more or fewer cells than the header.
    """
    lines, rows = _cells(path)
    names = [name.strip() for name in rows[0]]
    of_r = any(names) and all(_is_quoted(name) for name in names if name)
    if of_r:
        rows = [[_unquoted(cell) for cell in row] for row in rows]
        names = [name.strip() for name in rows[0]]
    table = Table(path, tuple(names), [], lines[1:])
    place = _check_header(table, id_column)
    skipped = 1 if _has_row_names(rows[1:], len(names), place, of_r) else 0
    named = max((number for number, name in enumerate(names, start=1) if name), default=0)
    for line, row in zip(table.lines, rows[1:], strict=True):
        cells = _fitted(row[skipped:], named, len(names))
        if len(cells) != len(names):
            facts = {"found": len(row), "expected": len(names)}
            raise InputError(messages.TABLE_RAGGED.format(path=path, line=line, **facts))
        table.rows.append(cells)
    return table


def _cells(path: Path) -> tuple[list[int], list[list[str]]]:
    """Return all lines that are not empty, each by its number and divided into cells; at least one."""
    check_here(path)
    try:
        text = read_text(path, LARGEST_TABLE)
    except UnicodeDecodeError as error:
        raise InputError(messages.TABLE_NOT_UTF8.format(path=path, position=error.start)) from error
    except OSError as error:
        raise InputError(messages.TABLE_NOT_READABLE.format(path=path, reason=error.strerror)) from error
    # str.splitlines() would also split lines at unusual characters inside a cell.
    contents = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    numbers = [number for number, content in enumerate(contents, start=1) if content.strip()] or [1]
    return numbers, [contents[number - 1].split("\t") for number in numbers]


def _check_header(table: Table, id_column: str) -> int:
    """Return the position of `id_column`, if the header can be used."""
    place = table.position(id_column)
    if place is None:
        columns = one_line(", ".join(table.columns))[:100] or "none"
        raise InputError(messages.TABLE_NO_ID.format(path=table.path, column=id_column, columns=columns))
    twice = [name for name, count in Counter(table.columns).items() if name and count > 1]
    if twice:
        raise InputError(messages.TABLE_COLUMN_TWICE.format(path=table.path, column=one_line(twice[0])))
    return place


def _has_row_names(rows: Sequence[Sequence[str]], columns: int, place: int, of_r: bool) -> bool:
    """Whether every row has its name (1, 2, 3 unless R was told otherwise) before what the header names."""
    if not rows or any(len(row) != columns + 1 for row in rows) or not any(row[-1].strip() for row in rows):
        return False
    numbered = all(row[0].strip() == str(number) for number, row in enumerate(rows, start=1))
    return of_r or (numbered and all(row[place + 1].strip().startswith("sub-") for row in rows))


def _fitted(row: list[str], named: int, columns: int) -> list[str]:
    """Return a row without empty cells behind the last column, and with those that nameless columns lack."""
    end = len(row)
    while end > columns and not row[end - 1].strip():
        end -= 1
    return row[:end] + [""] * (columns - end if end >= named else 0)


def _is_quoted(text: str) -> bool:
    return len(text) > 1 and text[0] == text[-1] == '"'


def _unquoted(cell: str) -> str:
    text = cell.strip()
    return text[1:-1].replace('\\"', '"').replace('""', '"') if _is_quoted(text) else cell
