"""Rows as people and programs read them: a table for the terminal, Markdown, CSV, JSON."""

from __future__ import annotations

import base64
import collections
import datetime as dt
import itertools
import json
import math
import re
import sys
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, TextIO

from rich.cells import cell_len, set_cell_size
from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from pipeline.terminal import printable
from schemas.dictionary import Field

Rows = Iterable[Sequence[Any]]

SHOWN_ROWS = 40
"""A table has as many: it is for looking. The other formats have them all."""

CELL_WIDTH = 60
"""Cells of a table are cut to this, in columns of the terminal."""

COLUMN_WIDTH = 10
"""Where the columns of a table would get less than this, each row is shown as lines of name and value."""

UNSAFE_IN_JSON = re.compile(r"[\x7f-\x9f\u2028\u2029]")
"""Allowed in JSON, but a terminal obeys some, and some readers of lines end a line at others. Escaped, all are told."""


def write_json(stream: TextIO, columns: Sequence[str], rows: Rows) -> None:
    """One array with an object for each row."""
    separator = "[\n"
    for row in rows:
        stream.write(separator + json_text(dict(zip(columns, row, strict=True))))
        separator = ",\n"
    stream.write("[]\n" if separator == "[\n" else "\n]\n")


def write_json_lines(stream: TextIO, columns: Sequence[str], rows: Rows) -> None:
    """An object for each row, on a line of its own."""
    stream.writelines(json_text(dict(zip(columns, row, strict=True))) + "\n" for row in rows)


def json_text(value: Any) -> str:
    r"""JSON on one line, without a character that a terminal would obey.

    >>> json_text({"day": dt.date(2020, 1, 31), "raw": b"\x00", "text": "\x9b1m"})
    '{"day": "2020-01-31", "raw": "AA==", "text": "\\u009b1m"}'
    """
    text = json.dumps(_plain(value), ensure_ascii=False, allow_nan=False)
    return UNSAFE_IN_JSON.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _plain(value: Any) -> Any:
    """The value in the types of JSON: dates in ISO 8601, bytes in base64, what is no number null."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case dt.date() | dt.time():
            return value.isoformat()
        case bytes():
            return base64.b64encode(value).decode()
        case list() | tuple():
            return [_plain(item) for item in value]
        case dict():
            return {str(key): _plain(item) for key, item in value.items()}
    return str(value)  # of what SQL has beside: intervals, UUIDs


def write_csv(stream: TextIO, columns: Sequence[str], rows: Rows) -> None:
    """RFC 4180 with a header, lines ended by LF: a null is nothing, an empty text `""`, a list or a struct JSON."""
    stream.writelines(",".join(map(_csv_cell, row)) + "\n" for row in itertools.chain([columns], rows))


def _csv_cell(value: Any) -> str:
    # Python's own writer tells a null from an empty text from 3.12 on
    if value is None:
        return ""
    text = _text(value)
    return '"' + text.replace('"', '""') + '"' if not text or re.search(r'[",\r\n]|^\s|\s$', text) else text


def _text(value: Any) -> str:
    """A value by itself: as JSON has it, and texts, dates and bytes without its quotes."""
    plain = _plain(value)
    return plain if isinstance(plain, str) else json_text(plain)


def write_markdown(stream: TextIO, columns: Sequence[str], rows: Rows) -> None:
    """A table of GitHub's Markdown, in which no cell can end its row or bring markup of its own."""
    stream.writelines(f"| {' | '.join(line)} |\n" for line in (map(_markdown_cell, columns), ["---"] * len(columns)))
    stream.writelines(f"| {' | '.join(map(_markdown_cell, row))} |\n" for row in rows)


def _markdown_cell(value: Any) -> str:
    return "" if value is None else re.sub(r"([\\|*_`\[\]<>~&])", r"\\\1", one_line(_text(value)))


WRITERS = {"csv": write_csv, "json": write_json, "markdown": write_markdown}

console = Console(markup=False, highlight=False)  # cells come from hostile files: they are text, never markup


def show(columns: Sequence[str], rows: Rows, output_format: str) -> None:
    """Print the rows of a result; nothing for a statement that has none."""
    if not columns:
        return
    if output_format == "table":
        _print_table(columns, rows)
    else:
        exact = output_format != "csv" or not sys.stdout.isatty()
        WRITERS[output_format](sys.stdout, columns, rows if exact else map(_for_terminal, rows))


def show_overview(tables: Iterable[tuple[str, Sequence[str], Rows]], output_format: str) -> None:
    """Print several results, each below its title; as JSON, one object of arrays."""
    if output_format == "json":
        told = {title: [dict(zip(columns, row, strict=True)) for row in rows] for title, columns, rows in tables}
        sys.stdout.write(json_text(told) + "\n")
        return
    for title, columns, rows in tables:
        if output_format == "table":
            console.print(f"\n{title}", style="bold")
        else:
            sys.stdout.write(f"\n## {title}\n\n")
        show(columns, rows, output_format)


def print_dictionary(dataset: str, meaning: str, fields: Iterable[Field]) -> None:
    """The fields of a data set as a table in which nothing is cut."""
    console.print(f"\n{dataset}", style="bold", end="")
    console.print(f": {meaning}")
    table = Table("field", "type", "null", "meaning")
    for field in fields:
        table.add_row(field.name, field.type, "yes" if field.nullable else "", field.description)
    console.print(table)


def _print_table(columns: Sequence[str], rows: Rows) -> None:
    """The first rows as a table, or as lines where it has too many columns for the terminal; says when there are more.

    Cells are cut and on one line, and no character in them moves the cursor.
    """
    values = list(itertools.islice(rows, SHOWN_ROWS + 1))
    more, values = len(values) > SHOWN_ROWS, values[:SHOWN_ROWS]
    cells = [["null" if value is None else _cell(value) for value in row] for row in values]
    names = [one_line(column) for column in columns]
    if not values:
        console.print("no rows")
    elif len(columns) * COLUMN_WIDTH > console.width:
        _print_lines(names, cells)
    else:
        table = Table()
        for name, width, column in zip(names, _widths([names, *cells]), zip(*values, strict=True), strict=True):
            justify: JustifyMethod = "right" if all(map(_is_number, column)) else "left"
            table.add_column(Text(name), width=width, no_wrap=True, overflow="ellipsis", justify=justify)
        for row in cells:
            table.add_row(*map(Text, row))
        console.print(table)
    if more:
        console.print(f"the first {SHOWN_ROWS} rows: --format csv, json or markdown has them all")


def _widths(cells: Sequence[Sequence[str]]) -> list[int]:
    """The widths of the columns of a table, the widest of them narrowed until it fits; rich would drop some."""
    widths = [max(map(cell_len, column)) for column in zip(*cells, strict=True)]
    room = console.width - 3 * len(widths) - 1  # the lines between them
    while sum(widths) > room:
        widths[widths.index(max(widths))] -= 1
    return widths


def _print_lines(names: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    width = max(map(cell_len, names))
    for number, row in enumerate(cells, start=1):
        console.print(f"row {number}", style="bold")
        for name, value in zip(names, row, strict=True):
            console.print(Text(f"  {set_cell_size(name, width)}  {value}"), no_wrap=True, overflow="ellipsis")


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float | Decimal) and not isinstance(value, bool))


def _cell(value: Any) -> str:
    text = one_line(_text(value)[: 4 * CELL_WIDTH])
    return text if cell_len(text) <= CELL_WIDTH else set_cell_size(text, CELL_WIDTH - 1).rstrip() + "…"


def one_line(text: str) -> str:
    r"""The text with its white space closed up, without control characters.

    >>> one_line("two\n lines \x1b[2J")
    'two lines \ufffd[2J'
    """
    return printable(" ".join(text.split()))


def _for_terminal(row: Sequence[Any]) -> list[Any]:
    """The row with the control characters of its texts replaced, but for ends of lines."""
    return ["\n".join(map(printable, cell.split("\n"))) if isinstance(cell, str) else cell for cell in row]


def unique(names: Iterable[str]) -> list[str]:
    """The names, each told from the ones before it: no column of a result gets lost as a key of an object.

    >>> unique(["a", "b", "a"])
    ['a', 'b', 'a_2']
    """
    seen: collections.Counter[str] = collections.Counter()
    found: list[str] = []
    for name in names:
        seen[name] += 1
        found.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return found
