"""Files of every format for the tests, built from bytes."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Sequence

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from schemas.records import Quarantined, RawRecord, Rejection
from transforms.formats.read import Columns, InputFile, ReadLimits, read_records

Item = RawRecord | Rejection | Quarantined
COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstandard.compress,
}


class Pipe(io.RawIOBase):
    """A stream that can't seek, and gives little at a time."""

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        return self._file.readinto(memoryview(buffer)[:1000])


def read(
    data: bytes, name: str = "file", *, limits: ReadLimits | None = None, columns: Columns | None = None, **file: object
) -> list[Item]:
    stream = io.BytesIO(data)
    known = InputFile(name, len(data), **file)  # type: ignore[arg-type]
    return list(read_records(stream, known, limits or ReadLimits(), columns or Columns()))


def outline(items: Iterable[Item]) -> list[tuple[str | None, str]]:
    """Each item's member, and its text or why there is none."""
    return [(item.member, _outcome(item)) for item in items]


def _outcome(item: Item) -> str:
    if isinstance(item, RawRecord):
        return item.content.decode("utf-8", "replace")
    return f"! {item.reason if isinstance(item, Rejection) else item.error_class}"


def json_lines(*rows: object) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def zip_file(*members: tuple[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


def tar_file(*members: tuple[str, bytes], extra: Sequence[tarfile.TarInfo] = ()) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for info in extra:
            archive.addfile(info)
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def parquet_file(columns: dict[str, object], *, row_group_rows: int | None = None) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer, row_group_size=row_group_rows)
    return buffer.getvalue()


def warc_record(kind: str, block: bytes, *headers: str, id_: str = "<urn:x:1>") -> bytes:
    lines = ["WARC/1.0", f"WARC-Type: {kind}", f"WARC-Record-ID: {id_}", *headers, f"Content-Length: {len(block)}"]
    return "\r\n".join([*lines, "", ""]).encode() + block + b"\r\n\r\n"


def response(body: bytes, *headers: str, status: str = "200 OK", id_: str = "<urn:x:1>") -> bytes:
    http = "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode() + body
    return warc_record("response", http, "WARC-Target-URI: http://a.example/", id_=id_)
