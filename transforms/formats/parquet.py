"""Parquet to items."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.records import InputError
from transforms.formats.items import Columns, Item, ReadLimits, unreadable
from transforms.formats.streams import ByteReader, check_expansion, seekable
from transforms.formats.tables import Fields, find_fields, no_text_column, row_item

BATCH_ROWS = 64
"""Rows in memory at once: of the largest records, 1 GiB."""


def read_parquet(reader: ByteReader, limits: ReadLimits, columns: Columns) -> Iterator[Item]:
    """One item for each row, read in batches, of the columns that are needed.

    Raises InputError: unreadable for a damaged file, after the rows before the damage; parse without a text column;
    decompression_limit for columns that expand too far.
    """
    with seekable(reader) as file:
        with _arrow_failures():
            table = pq.ParquetFile(file, pre_buffer=False, page_checksum_verification=True)
            names = tuple(table.schema_arrow.names)
        fields = find_fields(names, columns)
        if fields.text is None:
            raise no_text_column(names, columns)
        for group in _groups(table, file, reader.expansion(), limits):
            for rows in _batches(table, group, fields):
                for row in rows:
                    yield _row_item(row, fields, limits)


def _groups(table: pq.ParquetFile, file: BinaryIO, expansion: float, limits: ReadLimits) -> range:
    """The numbers of the row groups, when what they say they unpack to is within the limit.

    Arrow unpacks a page, of up to 2 GiB, in one step. The sizes of single columns would be closer, but to ask for them
    ends the process (`std::terminate`) on some damaged files (pyarrow 25.0).
    """
    stored = file.seek(0, os.SEEK_END)
    with _arrow_failures():
        groups = range(table.num_row_groups)
        unpacked = sum(table.metadata.row_group(group).total_byte_size for group in groups)
    check_expansion(unpacked, unpacked / max(stored, 1) * expansion, limits)
    return groups


def _batches(table: pq.ParquetFile, group: int, fields: Fields) -> Iterator[list[dict[str, object]]]:
    """The rows of a group, a batch at a time, with the columns that `fields` names."""
    wanted = [name for name in fields if name is not None]
    with _arrow_failures():
        batches = table.iter_batches(BATCH_ROWS, [group], wanted, use_threads=False)
    while True:
        with _arrow_failures():
            batch = next(batches, None)
            if batch is None:
                return
            values = {name: _values(batch.column(name)) for name in wanted}
        yield [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]


def _values(column: pa.Array) -> list[object]:
    """Strings as str, or as bytes where they are not UTF-8; dates and numbers as str; lists as lists."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return [_decoded(value) for value in column.cast(pa.large_binary()).to_pylist()]
    if pa.types.is_primitive(kind) or pa.types.is_decimal(kind):
        return list(column.cast(pa.string()).to_pylist())
    return list(column.to_pylist())


def _decoded(value: bytes | None) -> str | bytes | None:
    try:
        return value.decode("utf-8") if value is not None else None
    except UnicodeDecodeError:
        return value


def _row_item(row: dict[str, object], fields: Fields, limits: ReadLimits) -> Item:
    try:
        return row_item(row, fields, limits.max_record_bytes, is_utf8=True)
    except InputError as error:
        text = row.get(fields.text or "")
        content = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
        known = content if isinstance(content, bytes) else b""
        return Item(length=len(known) or None, prefix=known[:256], error=error)


@contextlib.contextmanager
def _arrow_failures() -> Iterator[None]:
    """Turns what Arrow raises for a damaged file into InputError, and leaves a failure of the file system as it is."""
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise unreadable(f"damaged Parquet: {error}") from error
