"""CSV and TSV to items."""

from __future__ import annotations

import csv
import dataclasses
import re
from collections.abc import Iterator

from schemas.records import InputError
from transforms.formats.items import Columns, Item, ReadLimits, too_large, unparsable
from transforms.formats.sniff import HEAD_BYTES
from transforms.formats.streams import ByteReader
from transforms.formats.tables import Fields, find_fields, no_text_column, row_item

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_DELIMITERS = ",;\t|"
_PLAIN_RUN = re.compile(rb'[^",;\t|\r\n]+')


def read_delimited(reader: ByteReader, limits: ReadLimits, columns: Columns, *, is_tsv: bool) -> Iterator[Item]:
    """One item for each row below the header; a row that is bad or too large costs itself alone.

    The delimiter of CSV is the one of comma, semicolon, tab and bar that the header has most of; quotes are those of
    RFC 4180. Raises InputError parse when the header has no column of text.
    """
    lines = _Lines(reader, limits.max_record_bytes)
    csv.field_size_limit(
        3 * limits.max_record_bytes
    )  # of the process, and far below a page by default; _Lines is the limit
    rows = csv.reader(lines, delimiter="\t" if is_tsv else _delimiter(reader.peek(HEAD_BYTES)))
    names = next(_rows(rows, lines), None)
    if names is None:
        return
    if isinstance(names, csv.Error):
        raise unparsable(f"no header: {names}") from names
    fields = find_fields(tuple(names), columns)
    if fields.text is None:
        raise no_text_column(tuple(names), columns)
    for row in _rows(rows, lines):
        try:
            item = _row_item(row, names, fields, lines, limits)
        except InputError as error:
            item = Item(length=lines.size, prefix=lines.prefix, error=error)
        yield dataclasses.replace(item, offset=lines.offset if reader.is_stored else None)


def _delimiter(head: bytes) -> str:
    header = re.split(rb"[\r\n]", head.lstrip(_BYTE_ORDER_MARK + b"\r\n"), maxsplit=1)[0]
    return max(_DELIMITERS, key=lambda delimiter: header.count(delimiter.encode()))


def _rows(rows: Iterator[list[str]], lines: _Lines) -> Iterator[list[str] | csv.Error]:
    """The rows, with an error in the place of one that has none; blank lines are left out."""
    while True:
        lines.start_row()
        try:
            if row := next(rows):
                yield row
        except StopIteration:
            return
        except csv.Error as error:
            yield error


def _row_item(row: list[str] | csv.Error, names: list[str], fields: Fields, lines: _Lines, limits: ReadLimits) -> Item:
    if lines.size > limits.max_record_bytes:
        raise too_large(lines.size, limits.max_record_bytes)
    if isinstance(row, csv.Error):
        raise unparsable(f"not a row: {row}") from row
    if lines.has_ended:  # the parser asked for one more line to close the row
        raise unparsable(f"a quote in the row that starts here, of {lines.size:,} bytes, is never closed")
    values = dict(zip(names, row, strict=False))
    if fields.text not in values or any(row[len(names) :]):
        raise unparsable(f"a row of {len(row)} fields, where the header has {len(names)}")
    return row_item(values, fields, limits.max_record_bytes, is_utf8=lines.is_utf8)


class _Lines:
    """The lines of a file as the csv module wants them, with what is to be known of the row they make."""

    def __init__(self, reader: ByteReader, max_row_bytes: int) -> None:
        head = reader.peek(HEAD_BYTES)
        self._newline = b"\r" if b"\r" in head and b"\n" not in head else b"\n"
        self._reader = reader
        self._max_row_bytes = max_row_bytes
        self.has_ended = False
        self.start_row()

    def start_row(self) -> None:
        self.offset = self._reader.tell()
        self.size = 0
        self.prefix = b""
        self.is_utf8 = True

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._next_piece()
        if not line:
            self.has_ended = True
            raise StopIteration
        while not line.endswith(self._newline) and (piece := self._next_piece()):
            line = _PLAIN_RUN.sub(b"x", line + piece)
            if len(line) > 2 * self._max_row_bytes:
                raise too_large(None, self._max_row_bytes)
        try:
            return line.decode("utf-8")
        except UnicodeDecodeError:
            self.is_utf8 = False
            return line.decode("utf-8", "surrogateescape")

    def _next_piece(self) -> bytes:
        """The next line or a part of it; of a row that is too large only what the parser needs to find its end."""
        offset = self._reader.tell()
        piece = self._reader.readline(self._max_row_bytes + 2, self._newline)
        self.prefix = self.prefix or piece[:256]
        self.size += len(piece)
        if offset == 0:
            piece = piece.removeprefix(_BYTE_ORDER_MARK)
        return piece if self.size <= self._max_row_bytes else _PLAIN_RUN.sub(b"x", piece)
