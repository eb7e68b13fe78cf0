"""JSON Lines and JSON to items."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator

from schemas.records import InputError
from transforms.formats.items import Columns, Item, ReadLimits, too_large, unparsable
from transforms.formats.sniff import HEAD_BYTES
from transforms.formats.streams import ByteReader, read_to_end
from transforms.formats.tables import Fields, find_fields, no_text_column, row_item

# Numbers stay as written: no column needs their value, and an integer of 5,000 digits is an error to Python.
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str, strict=False)
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_SKIP_BYTES = 2**20


def read_json_lines(reader: ByteReader, limits: ReadLimits, columns: Columns) -> Iterator[Item]:
    """One item for each line that is not blank; a line that is bad or too large costs itself alone."""
    head = reader.peek(HEAD_BYTES)
    newline = b"\r" if b"\r" in head and b"\n" not in head else b"\n"
    objects = _Objects(limits, columns)
    offset = 0
    while line := reader.readline(limits.max_record_bytes + 2, newline):
        stored_offset = offset if reader.is_stored else None
        if len(line.rstrip(b"\r\n")) > limits.max_record_bytes:
            size = len(line) + (0 if line.endswith(newline) else _skip_line(reader, newline))
            failure = too_large(size, limits.max_record_bytes)
            yield Item(offset=stored_offset, length=size, prefix=line[:256], error=failure)
        elif row := (line.removeprefix(_BYTE_ORDER_MARK) if offset == 0 else line).strip():
            yield dataclasses.replace(_line_item(row, objects), offset=stored_offset)
        offset = reader.tell()


def read_json(reader: ByteReader, limits: ReadLimits, columns: Columns) -> Iterator[Item]:
    """The items of one JSON object, or of an array of them; it is read at once, so `max_record_bytes` bounds the whole.

    Raises InputError: parse, too_large.
    """
    content = read_to_end(reader, limits.max_record_bytes).removeprefix(_BYTE_ORDER_MARK)
    value, is_utf8 = _parse(content)
    objects = _Objects(limits, columns)
    for row in value if isinstance(value, list) else [value]:
        try:
            yield objects.item(row, is_utf8)
        except InputError as error:
            yield Item(prefix=repr(row)[:256].encode("utf-8", "replace")[:256], error=error)


class _Objects:
    """JSON objects to items; finds the columns again only when they change."""

    def __init__(self, limits: ReadLimits, columns: Columns) -> None:
        self._limits = limits
        self._columns = columns
        self._names: tuple[str, ...] = ()
        self._fields: Fields | None = None

    def item(self, value: object, is_utf8: bool) -> Item:
        if not isinstance(value, dict):
            raise unparsable(f"a {type(value).__name__} where an object was expected")
        names = tuple(value)
        if self._fields is None or names != self._names:
            self._names, self._fields = names, find_fields(names, self._columns)
        if self._fields.text is None:
            raise no_text_column(names, self._columns)
        return row_item(value, self._fields, self._limits.max_record_bytes, is_utf8=is_utf8)


def _line_item(line: bytes, objects: _Objects) -> Item:
    try:
        return objects.item(*_parse(line))
    except InputError as error:
        return Item(length=len(line), prefix=line[:256], error=error)


def _parse(data: bytes) -> tuple[object, bool]:
    """The value, and whether the bytes are UTF-8; bytes that are not are escaped in its strings (PEP 383)."""
    try:
        text, is_utf8 = data.decode("utf-8"), True
    except UnicodeDecodeError:
        text, is_utf8 = data.decode("utf-8", "surrogateescape"), False
    try:
        return _DECODER.decode(text), is_utf8
    except (ValueError, RecursionError) as error:
        raise unparsable(f"not JSON: {error}") from error


def _skip_line(reader: ByteReader, newline: bytes) -> int:
    """Moves to the next line, keeping nothing of this one; the bytes that were left of it."""
    size = 0
    while piece := reader.readline(_SKIP_BYTES, newline):
        size += len(piece)
        if piece.endswith(newline):
            break
    return size
