"""The Parquet files of a snapshot: compressed, indexed, checksummed, hashed and digested while they are written."""

from __future__ import annotations

import dataclasses
import hashlib
import posixpath
import re
from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.digest import TableDigest
from transforms.files import create_file

BUFFERED_BYTES = 32 << 20
"""Rows that wait for their row group, over all open files of a sink; a row group is this large at most."""

FILE_BYTES = 512 << 20
"""A file that has grown to this is closed and the next one begun."""

SORTED = ("documents", "quarantine", "state/sources")
"""The folders whose rows come in the order of `source_uri`: files are planned, read and written in this order.

Of the rejects, those that cleaning decided stand before those that deduplication did."""


_RUN_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{6}")


@dataclasses.dataclass(frozen=True, slots=True)
class PublishedFile:
    """One finished file, and where it belongs in the snapshot."""

    staged: str  # where it was written
    path: str  # where it belongs, relative to the snapshot
    rows: int
    bytes: int
    sha256: str  # of the file
    digest: str  # of its rows, see `TableDigest`


def digest_of(files: Iterable[PublishedFile]) -> str:
    """One digest of all published rows in their order, 64 hexadecimal digits.

    Another first run over the same input, with the same configuration and version, has the same.
    """
    lines = [f"{_RUN_ID.sub('', file.path)} {file.rows} {file.digest}" for file in files]
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


class ParquetSink:
    """Files below one folder, one series of them a partition; how many are open costs no memory, buffered rows do.

    `is_sorted` says whether all rows come by `source_uri`.
    """

    def __init__(self, folder: str, name: str, *, is_sorted: bool) -> None:
        self._folder, self._name, self._is_sorted = folder, name, is_sorted
        self._open: dict[str, _OpenFile] = {}
        self._parts: dict[str, int] = {}
        self._buffers: dict[str, list[pa.Table]] = {}
        self._sizes: dict[str, int] = {}
        self._finished: list[PublishedFile] = []

    def write(self, partition: str, table: pa.Table) -> None:
        """Add rows to a partition, a relative folder such as `documents/lang=en`."""
        if not table.num_rows:
            return
        self._buffers.setdefault(partition, []).append(table)
        self._sizes[partition] = self._sizes.get(partition, 0) + table.nbytes
        while sum(self._sizes.values()) > BUFFERED_BYTES:
            self._flush(max(self._sizes, key=self._sizes.__getitem__))

    def close(self) -> list[PublishedFile]:
        """Finish every file; all of them, in the order of their paths."""
        for partition in list(self._buffers):
            self._flush(partition)
        for file in self._open.values():
            self._finished.append(file.close())
        return sorted(self._finished, key=lambda file: file.path)

    def _flush(self, partition: str) -> None:
        table = pa.concat_tables(self._buffers.pop(partition))
        del self._sizes[partition]
        file = self._open.get(partition)
        if file is None:
            part = self._parts[partition] = self._parts.get(partition, -1) + 1
            path = posixpath.join(partition, f"{self._name}-{part:03d}.parquet")
            is_sorted = self._is_sorted and partition.startswith(SORTED)
            file = self._open[partition] = _OpenFile(self._folder, path, table.schema, is_sorted=is_sorted)
        file.write(table)
        if file.bytes >= FILE_BYTES:
            self._finished.append(self._open.pop(partition).close())


def empty_file(folder: str, path: str, schema: pa.Schema) -> PublishedFile:
    """A file with the schema and no row group: readers of an empty data set need something to take the columns from."""
    return _OpenFile(folder, path, schema, is_sorted=False).close()


class _OpenFile:
    def __init__(self, folder: str, path: str, schema: pa.Schema, *, is_sorted: bool) -> None:
        self._staged, self._path = posixpath.join(folder, path), path
        self._stream = _HashingStream(create_file(self._staged))
        self._digest = TableDigest()
        self._rows = 0
        self._writer = pq.ParquetWriter(
            pa.PythonFile(self._stream, mode="w"),
            schema,
            compression="zstd",
            compression_level=6,
            write_page_index=True,
            write_page_checksum=True,
            sorting_columns=pq.SortingColumn.from_ordering(schema, [("source_uri", "ascending")] if is_sorted else []),
        )

    @property
    def bytes(self) -> int:
        return self._stream.size

    def write(self, table: pa.Table) -> None:
        self._writer.write_table(table, row_group_size=table.num_rows)
        self._digest.update(table)
        self._rows += table.num_rows

    def close(self) -> PublishedFile:
        self._writer.close()
        self._stream.close()
        return PublishedFile(
            self._staged, self._path, self._rows, self.bytes, self._stream.sha256.hexdigest(), self._digest.hexdigest()
        )


class _HashingStream:
    """A writable stream that counts and hashes what goes through it."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.sha256 = hashlib.sha256()
        self.size = 0
        self.closed = False

    def write(self, data: Any) -> int:
        self._stream.write(data)
        self.sha256.update(data)
        self.size += len(data)
        return len(data)

    def tell(self) -> int:
        return self.size

    def flush(self) -> None:
        """Nothing to do: the stream is flushed when it is closed."""

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
            self.closed = True
