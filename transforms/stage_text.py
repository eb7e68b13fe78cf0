"""Stage text: cleaned rows to Parquet shards on the output's file system. From here on only references travel."""

from __future__ import annotations

import dataclasses
import posixpath
import uuid
from collections.abc import Iterator
from typing import Any, BinaryIO

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.timestamp import MIN_TIMESTAMP
from apache_beam.utils.windowed_value import WindowedValue

from schemas.parquet import DATASETS, to_table
from schemas.records import Cleaned, Document, Fingerprint, Quarantined, Rejection
from transforms import progress
from transforms.files import create_file, open_file
from transforms.text.fingerprint import SIGNATURE_BYTES
from transforms.worker_pool import Result

BUFFERED_ROWS = 1000
BUFFERED_BYTES = 16 << 20  # of text; one row group of a staged shard

FINGERPRINTS = pa.schema(
    [
        pa.field("doc_id", pa.string(), False),
        pa.field("exact", pa.binary(16), False),
        pa.field("signature", pa.binary(SIGNATURE_BYTES)),
    ]
)
"""What deduplication reads of a staged document; the row's place is the document's place in its shard."""


@dataclasses.dataclass(frozen=True, slots=True)
class Provenance:
    """What every row of a run says of the run."""

    run_id: str
    pipeline_version: str
    config_sha256: str


@dataclasses.dataclass(frozen=True, slots=True)
class StagedShard:
    """Where the rows of one split are staged: one Parquet file for each kind that has rows."""

    split: int
    folder: str
    documents: int  # rows
    rejects: int  # rows
    quarantine: int  # rows
    text_bytes: int


class StageText(beam.PTransform):
    """(split, result) pairs to one `StagedShard` a split; the splits must come one after another."""

    def __init__(self, folder: str, provenance: Provenance) -> None:
        super().__init__()
        self._folder, self._provenance = folder, provenance

    def expand(self, results: beam.PCollection[tuple[int, Result]]) -> beam.PCollection[StagedShard]:
        """The shards, in no particular order."""
        return results | "Write shards" >> beam.ParDo(_WriteShards(self._folder, self._provenance))


class _WriteShards(beam.DoFn):
    def __init__(self, folder: str, provenance: Provenance) -> None:
        self._folder, self._provenance = folder, provenance

    def start_bundle(self) -> None:
        self._shard: _ShardWriter | None = None

    def process(self, element: tuple[int, Result]) -> Iterator[StagedShard]:
        split, result = element
        if self._shard and self._shard.split != split:
            yield self._shard.close()
            self._shard = None
        if self._shard is None:
            # A retried bundle writes beside what its first attempt left; only what is emitted is ever read.
            folder = posixpath.join(self._folder, f"{split:06d}-{uuid.uuid4().hex[:8]}")
            self._shard = _ShardWriter(split, folder, self._provenance)
        self._shard.add(result)

    def finish_bundle(self) -> Iterator[WindowedValue]:
        if self._shard:
            yield WindowedValue(self._shard.close(), MIN_TIMESTAMP, (GlobalWindow(),))
            self._shard = None


class _ShardWriter:
    """The open files of one shard, and the rows that wait for the next row group."""

    def __init__(self, split: int, folder: str, provenance: Provenance) -> None:
        self.split = split
        self._folder = folder
        self._constants = dataclasses.asdict(provenance)
        self._writers: dict[str, pq.ParquetWriter] = {}
        self._sinks: list[Any] = []
        self._rows: dict[str, list[Any]] = {name: [] for name in DATASETS}
        self._fingerprints: list[tuple[str, Fingerprint]] = []
        self._written = dict.fromkeys(DATASETS, 0)
        self._buffered_bytes = 0
        self._text_bytes = 0

    def add(self, result: Result) -> None:
        row: Document | Rejection | Quarantined
        if isinstance(result, Cleaned):
            name, row = "documents", result.document
            self._fingerprints.append((row.doc_id, result.fingerprint))
            size = len(row.text.encode()) + row.removed_chars
        elif isinstance(result, Rejection):
            name, row, size = "rejects", result, len((result.text or "").encode())
        else:
            name, row, size = "quarantine", result, 0
        progress.count(name)
        self._rows[name].append(row)
        self._buffered_bytes += size
        self._text_bytes += size
        if self._buffered_bytes >= BUFFERED_BYTES or len(self._rows[name]) >= BUFFERED_ROWS:
            self._flush()

    def close(self) -> StagedShard:
        self._flush()
        for writer in self._writers.values():
            writer.close()
        for sink in self._sinks:
            sink.close()
        return StagedShard(self.split, self._folder, **self._written, text_bytes=self._text_bytes)

    def _flush(self) -> None:
        for name, rows in self._rows.items():
            if rows:
                self._write(name, to_table(DATASETS[name], rows, **self._constants))
                self._written[name] += len(rows)
        if self._fingerprints:
            self._write("fingerprints", _fingerprint_table(self._fingerprints))
        self._rows = {name: [] for name in DATASETS}
        self._fingerprints = []
        self._buffered_bytes = 0

    def _write(self, name: str, table: pa.Table) -> None:
        if name not in self._writers:
            sink = create_file(staged_path(self._folder, name))
            self._sinks.append(sink)
            # Written once and read once, minutes later on the same machine: fast beats small.
            self._writers[name] = pq.ParquetWriter(sink, table.schema, compression="lz4")
        self._writers[name].write_table(table)


def _fingerprint_table(fingerprints: list[tuple[str, Fingerprint]]) -> pa.Table:
    columns = {
        "doc_id": [doc_id for doc_id, _ in fingerprints],
        "exact": [fingerprint.exact for _, fingerprint in fingerprints],
        "signature": [fingerprint.signature for _, fingerprint in fingerprints],
    }
    return pa.table(columns, FINGERPRINTS)


def staged_path(folder: str, name: str) -> str:
    """The path of one file of a staged shard."""
    return posixpath.join(folder, f"{name}.parquet")


def open_staged(folder: str, name: str) -> BinaryIO:
    """The bytes of one file of a staged shard."""
    return open_file(staged_path(folder, name))
