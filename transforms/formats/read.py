"""One file to its records: the whole file, or what is in it, through compression and archives."""

from __future__ import annotations

import codecs
import dataclasses
import hashlib
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

from schemas.records import InputError, Quarantined, RawRecord, Rejection, doc_id, error_text
from transforms.formats import sniff
from transforms.formats.archives import Member, tar_members, zip_media_type, zip_members
from transforms.formats.delimited import read_delimited
from transforms.formats.items import STAGE, Columns, InputFile, Item, ReadLimits, too_large, unsupported
from transforms.formats.json_lines import read_json, read_json_lines
from transforms.formats.parquet import read_parquet
from transforms.formats.streams import ByteReader, open_reader, read_to_end, seekable, unpack
from transforms.formats.warc import read_warc

__all__ = ["Columns", "InputFile", "ReadLimits", "read_records"]

WHOLE_TYPES = frozenset({sniff.HTML, sniff.XHTML, sniff.PLAIN, sniff.MARKDOWN, sniff.EMAIL, sniff.PDF, sniff.DOCX})
"""A file of one of these is one record."""
TABLE_TYPES = frozenset({sniff.JSON, sniff.JSON_LINES, sniff.CSV, sniff.TSV})
COMPRESSED_TYPES = frozenset({"application/gzip", "application/x-bzip2", "application/x-xz", "application/zstd"})
CONTAINER_TYPES = COMPRESSED_TYPES | {sniff.ZIP, sniff.TAR}
_COMPRESSED_SUFFIX = re.compile(r"\.(?:gz|bz2|xz|zst|zstd)\Z", re.IGNORECASE)


def read_records(
    stream: BinaryIO, file: InputFile, limits: ReadLimits, columns: Columns
) -> Iterator[RawRecord | Rejection | Quarantined]:
    """The items of a file in its order, at least one: records, and what is rejected or fails while it is read.

    `stream` is the file as stored, opened at its start; it need not seek. `number` counts the items from 1. `member` is
    None when the file, compressed or not, is the record; in an archive the member's path, with "/" after the path of an
    archive inside; for a record among others its id, else its number; for one in an archive's member both, with "#"
    between. Errors of the file system that `stream` reads from are raised as they are.
    """
    opened = _Opened(open_reader(stream), file.uri, None, 0, file.size)
    for number, (path, item) in enumerate(_items(opened, limits, columns), 1):
        yield _numbered(file, number, path, item)


@dataclasses.dataclass(frozen=True, slots=True)
class _Opened:
    """A file, or a file inside it, that is to be read."""

    reader: ByteReader
    name: str  # for its type
    path: str | None  # in the archives of the file; None for the file itself
    depth: int  # layers of compression and archive around it
    size: int | None = None  # bytes, where known


def _items(opened: _Opened, limits: ReadLimits, columns: Columns) -> Iterator[tuple[str | None, Item]]:
    """The items of a file or of a file inside it, each with its path, at least one."""
    head = b""
    is_empty = True
    try:
        head = opened.reader.peek(sniff.HEAD_BYTES)
        for found in _typed_items(opened, head, limits, columns):
            is_empty = False
            yield found
    except InputError as error:
        is_empty = False
        yield opened.path, Item(is_whole=True, length=opened.size, prefix=head[:256], error=error)
    if is_empty:
        yield opened.path, Item(is_whole=True, length=opened.size, reason="empty", detail="there is no record in it")


def _typed_items(
    opened: _Opened, head: bytes, limits: ReadLimits, columns: Columns
) -> Iterator[tuple[str | None, Item]]:
    media_type = sniff.sniff(head, opened.name)
    if media_type == sniff.EMPTY:
        opened.reader.read(1)  # raises what kept the first byte from coming
        return
    if media_type in CONTAINER_TYPES and opened.depth >= limits.max_depth:
        message = (
            f"{media_type} inside {opened.depth} layers of compression and archives; max_depth is {limits.max_depth}"
        )
        raise InputError("decompression_limit", message, stage=STAGE)
    if media_type in COMPRESSED_TYPES:
        yield from _items(_inside_compressed(opened, media_type, limits), limits, columns)
    elif media_type == sniff.ZIP:
        yield from _zip_items(opened, limits, columns)
    elif media_type == sniff.TAR:
        yield from _archive_items(opened, tar_members(opened.reader), limits, columns)
    elif media_type in WHOLE_TYPES:
        yield opened.path, _whole_item(opened, media_type, limits)
    else:
        for item in _record_items(opened.reader, media_type, head, limits, columns):
            yield opened.path, item


def _record_items(
    reader: ByteReader, media_type: str, head: bytes, limits: ReadLimits, columns: Columns
) -> Iterator[Item]:
    """The items of a file of records. Raises InputError unsupported for any other."""
    if media_type in TABLE_TYPES and (encoding := sniff.wide_encoding(head)):
        reader = _as_utf8(reader, encoding)
    if media_type == sniff.JSON_LINES:
        return read_json_lines(reader, limits, columns)
    if media_type == sniff.JSON:
        return read_json(reader, limits, columns)
    if media_type in (sniff.CSV, sniff.TSV):
        return read_delimited(reader, limits, columns, is_tsv=media_type == sniff.TSV)
    if media_type == sniff.PARQUET:
        return read_parquet(reader, limits, columns)
    if media_type == sniff.WARC:
        return read_warc(reader, limits)
    raise unsupported(f"{media_type} is not read")


def _whole_item(opened: _Opened, media_type: str, limits: ReadLimits) -> Item:
    if opened.size is not None and opened.size > limits.max_record_bytes:
        raise too_large(opened.size, limits.max_record_bytes)
    content = read_to_end(opened.reader, limits.max_record_bytes)
    if not content.strip():
        return Item(is_whole=True, content=content, media_type=media_type, reason="empty", detail="nothing but blanks")
    return Item(is_whole=True, content=content, media_type=media_type)


def _inside_compressed(opened: _Opened, media_type: str, limits: ReadLimits) -> _Opened:
    name = re.sub(r"\.t(?:gz|bz2|xz|zst)\Z", ".tar", _COMPRESSED_SUFFIX.sub("", opened.name))
    return _Opened(unpack(opened.reader, media_type, limits), name, opened.path, opened.depth + 1)


def _zip_items(opened: _Opened, limits: ReadLimits, columns: Columns) -> Iterator[tuple[str | None, Item]]:
    with seekable(opened.reader) as file:
        media_type = zip_media_type(file)
        if media_type == sniff.ZIP:
            yield from _archive_items(opened, zip_members(file, opened.reader.expansion(), limits), limits, columns)
        elif media_type in WHOLE_TYPES:
            file.seek(0)
            yield opened.path, _whole_item(dataclasses.replace(opened, reader=open_reader(file)), media_type, limits)
        else:
            raise unsupported(f"{media_type} is not read")


def _archive_items(
    opened: _Opened, members: Iterator[Member], limits: ReadLimits, columns: Columns
) -> Iterator[tuple[str | None, Item]]:
    for member in members:
        path = member.name if opened.path is None else f"{opened.path}/{member.name}"
        if member.reader is None:
            yield path, Item(is_whole=True, length=member.size, error=member.error)
        else:
            inside = _Opened(member.reader, member.name, path, opened.depth + 1, member.size)
            yield from _items(inside, limits, columns)


def _as_utf8(reader: ByteReader, encoding: str) -> ByteReader:
    """A reader of the same text in UTF-8; bytes that are none in their encoding become U+FFFD."""
    pieces = codecs.iterdecode(iter(reader.read, b""), encoding, "replace")
    return ByteReader((piece.encode("utf-8", "surrogatepass") for piece in pieces), expansion=reader.expansion)


def _numbered(file: InputFile, number: int, path: str | None, item: Item) -> RawRecord | Rejection | Quarantined:
    member = _member(path, item, number)
    if item.content is not None and item.error is None and item.reason is None:
        return _raw_record(file, number, member, item.content, item)
    source: dict[str, Any] = {
        "doc_id": doc_id(file.uri, member, number),
        "source_uri": file.uri,
        "member": member,
        "source_offset": item.offset,
        "source_length": item.length if item.content is None else len(item.content),
        "source_sha256": None if item.content is None else hashlib.sha256(item.content).hexdigest(),
        "media_type": item.media_type,
        "charset": item.charset,
        "source_modified_at": file.modified_at,
    }
    if item.error is None:
        return Rejection(**source, reason=item.reason or "empty", stage=STAGE, detail=item.detail)
    return Quarantined(
        **source,
        error_class=item.error.error_class,
        error_type=type(item.error.__cause__ or item.error).__name__,
        error_message=error_text(str(item.error)),
        stage=item.error.stage,
        attempts=file.attempt,
        retryable=item.error.retryable,
        raw_prefix=item.prefix[:256] or None,
    )


def _raw_record(file: InputFile, number: int, member: str | None, content: bytes, item: Item) -> RawRecord:
    return RawRecord(
        source_uri=file.uri,
        number=number,
        content=content,
        media_type=item.media_type or sniff.UNKNOWN,
        member=member,
        charset=item.charset,
        source_offset=item.offset,
        source_modified_at=file.modified_at,
        url=_storable(item.url),
        title=_storable(item.title),
        authors=tuple(filter(None, map(_storable, item.authors))),
        published=_storable(item.published),
        attempt=file.attempt,
    )


def _member(path: str | None, item: Item, number: int) -> str | None:
    if item.is_whole:
        return _storable(path)
    key = item.key or str(number)
    return _storable(key if path is None else f"{path}#{key}")


def _storable(text: str | None) -> str | None:
    """The text with U+FFFD in the place of lone surrogates, which no encoder of Unicode takes."""
    return None if text is None else text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
