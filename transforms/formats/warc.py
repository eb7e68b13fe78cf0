"""WARC and WET to items."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator

from warcio.bufferedreaders import ChunkedDataReader
from warcio.exceptions import ArchiveLoadFailed
from warcio.recordloader import ArcWarcRecord, ArcWarcRecordLoader
from warcio.statusandheaders import StatusAndHeaders, StatusAndHeadersParser

from schemas.records import InputError
from transforms.formats import sniff
from transforms.formats.items import Item, ReadLimits, too_large, unreadable
from transforms.formats.streams import CHUNK_BYTES, ByteReader, read_to_end, unpack

RECORD_TYPES = ("response", "resource", "conversion")
"""The WARC record types that hold a document; the others describe one or point to one (revisit): no records."""
TEXT_TYPES = frozenset({sniff.HTML, sniff.XHTML, sniff.PLAIN, sniff.MARKDOWN})
DOCUMENT_TYPES = TEXT_TYPES | {sniff.EMAIL, sniff.PDF, sniff.DOCX}
UNTOLD_TYPES = frozenset({"", sniff.UNKNOWN, "application/http", "text/xml", "application/xml"})
"""Declared types that do not say whether the payload is a document."""
MAX_HEADER_BYTES = 2**20
MAX_HEADER_LINE_BYTES = 64 * 1024
_CODINGS = {
    "gzip": "application/gzip",
    "x-gzip": "application/gzip",
    "deflate": "deflate",
    "br": "br",
    "zstd": "application/zstd",
}
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]+)", re.IGNORECASE)
_HTTP_PARSER = StatusAndHeadersParser(["HTTP/"], verify=False)


def read_warc(reader: ByteReader, limits: ReadLimits) -> Iterator[Item]:
    """One item for each response, resource and conversion record.

    Rejected are responses with a status other than 200 (http_error), those that are no document, as images and style
    sheets are (not_a_document), and those without a payload (empty). Raises InputError unreadable where the file does
    not go on with a WARC record.
    """
    loader = ArcWarcRecordLoader(verify_http=False, arc2warc=False)
    while True:
        offset, line = _next_record(reader)
        if not line:
            return
        record = _parse_headers(loader, reader, line)
        is_wanted = record.rec_type in RECORD_TYPES
        key = (record.rec_headers.get_header("WARC-Record-ID") or "").strip().strip("<>") or None
        try:
            block = _take_block(record, is_kept=is_wanted and record.length <= limits.max_record_bytes)
        except InputError as error:
            yield Item(key=key, offset=offset, length=record.length, error=error)
            return
        if is_wanted:
            yield dataclasses.replace(_record_item(record, block, limits), key=key, offset=offset)


def _next_record(reader: ByteReader) -> tuple[int | None, bytes]:
    """Where the next record starts in the file as stored, and its first line; no line at the end."""
    while True:
        offset = _stored_offset(reader)
        line = reader.readline(MAX_HEADER_LINE_BYTES)
        if not line or line.strip():
            return offset, line


def _stored_offset(reader: ByteReader) -> int | None:
    if reader.is_stored:
        return reader.tell()
    starts = reader.stored_starts
    while starts and starts[0][0] < reader.tell():
        starts.popleft()
    return starts[0][1] if starts and starts[0][0] == reader.tell() else None


def _parse_headers(loader: ArcWarcRecordLoader, reader: ByteReader, line: bytes) -> ArcWarcRecord:
    try:
        record = loader.parse_record_stream(_HeaderLines(reader), line, "warc", no_record_parse=True)
    except ArchiveLoadFailed as error:
        raise unreadable(f"not a WARC record: {line[:80]!r}") from error
    length = record.rec_headers.get_header("Content-Length") or ""
    if not re.fullmatch(r"\d{1,15}", length, re.ASCII):
        raise unreadable(f"a WARC record with Content-Length {length[:80]!r}")
    return record


def _take_block(record: ArcWarcRecord, *, is_kept: bool) -> bytes:
    """Moves past the record; its bytes, or none when they are not kept."""
    parts = []
    while piece := record.raw_stream.read(CHUNK_BYTES):
        if is_kept:
            parts.append(piece)
    if record.raw_stream.limit:
        raise unreadable(f"the last WARC record ends {record.raw_stream.limit:,} bytes early")
    return b"".join(parts)


def _record_item(record: ArcWarcRecord, block: bytes, limits: ReadLimits) -> Item:
    if record.length > limits.max_record_bytes:
        return Item(length=record.length, error=too_large(record.length, limits.max_record_bytes))
    declared = record.rec_headers.get_header("Content-Type") or ""
    try:
        if record.rec_type == "response" and block.startswith(b"HTTP/"):
            item = _response_item(block, limits)
        else:
            item = _payload_item(block, declared, is_text=record.rec_type == "conversion")
    except InputError as error:
        return Item(length=len(block), prefix=block[:256], error=error)
    return dataclasses.replace(item, url=record.rec_headers.get_header("WARC-Target-URI"))


def _response_item(block: bytes, limits: ReadLimits) -> Item:
    reader = ByteReader(iter([block]))
    headers = _HTTP_PARSER.parse(_HeaderLines(reader))
    if headers.get_statuscode() != "200":
        return Item(reason="http_error", detail=f"HTTP status {headers.statusline[:80] or 'missing'}")
    return _payload_item(
        _http_payload(headers, reader, limits), headers.get_header("Content-Type") or "", is_text=False
    )


def _http_payload(headers: StatusAndHeaders, reader: ByteReader, limits: ReadLimits) -> bytes:
    """The body, its chunks joined and its content coding undone, unless the crawler has undone it."""
    if (headers.get_header("Transfer-Encoding") or "").strip().lower() == "chunked":
        chunked = ChunkedDataReader(reader)
        reader = ByteReader(iter(lambda: chunked.read(CHUNK_BYTES), b""))
    coding = _CODINGS.get((headers.get_header("Content-Encoding") or "").strip().lower())
    head = reader.peek(sniff.HEAD_BYTES)
    is_packed = coding in ("br", "deflate") or coding == sniff.sniff(head, "")
    if coding is not None and is_packed and head:
        reader = unpack(reader, coding, limits)
    return read_to_end(reader, limits.max_record_bytes)


def _payload_item(content: bytes, declared: str, *, is_text: bool) -> Item:
    if not content.strip():
        return Item(reason="empty", detail="the record has no payload")
    declared_type = declared.partition(";")[0].strip().lower()
    media_type = declared_type or sniff.PLAIN if is_text else sniff.sniff(content[: sniff.HEAD_BYTES], "")
    if media_type == sniff.PLAIN and declared_type not in UNTOLD_TYPES:
        media_type = declared_type  # by content first: plain text is what has no mark of its own
    if media_type not in DOCUMENT_TYPES:
        return Item(reason="not_a_document", detail=f"the payload is {media_type[:80]}")
    charset = _CHARSET.search(declared) if media_type in TEXT_TYPES else None
    return Item(content=content, media_type=media_type, charset=charset[1].lower() if charset else None)


class _HeaderLines:
    """A reader as warcio wants it for headers, with a limit on them; what follows them is read through it too."""

    def __init__(self, reader: ByteReader) -> None:
        self._reader = reader
        self._left = MAX_HEADER_BYTES

    def readline(self, length: int | None = None) -> bytes:
        limit = MAX_HEADER_LINE_BYTES if length is None else min(length, MAX_HEADER_LINE_BYTES)
        line = self._reader.readline(limit)
        self._left -= len(line)
        if self._left < 0 or len(line) == MAX_HEADER_LINE_BYTES:
            raise unreadable(f"headers above {MAX_HEADER_BYTES:,} bytes, or {MAX_HEADER_LINE_BYTES:,} in a line")
        return line

    def read(self, size: int) -> bytes:
        return self._reader.read(size)
