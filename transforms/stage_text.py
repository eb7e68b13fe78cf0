"""Stage text: cleaned rows to Parquet shards on the output's file system. From here on only references travel."""

from __future__ import annotations

import collections
import dataclasses
import posixpath
import uuid
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.timestamp import MIN_TIMESTAMP
from apache_beam.utils.windowed_value import WindowedValue

from schemas.parquet import DATASETS, to_table
from schemas.records import Cleaned, Document, Quarantined, Rejection
from transforms import progress
from transforms.files import create_file, open_file
from transforms.text.fingerprint import HASH_SPEC, SIGNATURE_BYTES
from transforms.worker_pool import Result

BUFFERED_ROWS = 1000
BUFFERED_BYTES = 16 << 20  # of text; one row group of a staged shard

FINGERPRINTS = pa.schema(
    [
        pa.field("doc_id", pa.string(), False),
        pa.field("exact", pa.binary(16), False),
        pa.field("signature", pa.binary(SIGNATURE_BYTES)),
        pa.field("address", pa.uint64(), False),
        pa.field("paragraphs", pa.binary(), False),
        pa.field("tokens", pa.uint32(), False),
        pa.field("chars", pa.uint32(), False),
        pa.field("published", pa.date32()),
        pa.field("line_keys", pa.binary(), False),
        pa.field("line_numbers", pa.list_(pa.uint32()), False),
    ],
    metadata={"hash_spec": HASH_SPEC},
)
"""What is compared of a staged document; the row's place is the document's place in its shard."""


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
    revision: str = ""  # of its documents and their fingerprints, where they were staged again

    def path(self, name: str) -> str:
        """The path of one of its files: a data set's name, or "fingerprints"."""
        revised = self.revision if name in ("documents", "fingerprints") else ""
        return posixpath.join(self.folder, f"{name}{revised}.parquet")

    def open(self, name: str) -> BinaryIO:
        """The bytes of one of its files."""
        return open_file(self.path(name))


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
        self._files = StagedFiles(StagedShard(split, folder, 0, 0, 0, 0))
        self._rows: dict[str, list[Any]] = {name: [] for name in DATASETS}
        self._cleaned: list[Cleaned] = []
        self._written = collections.Counter[str]()
        self._buffered_bytes = 0
        self._text_bytes = 0

    def add(self, result: Result) -> None:
        row: Document | Rejection | Quarantined
        if isinstance(result, Cleaned):
            name, row = "documents", result.document
            self._cleaned.append(result)
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
        self._files.close()
        return StagedShard(
            split=self.split,
            folder=self._folder,
            documents=self._written["documents"],
            rejects=self._written["rejects"],
            quarantine=self._written["quarantine"],
            text_bytes=self._text_bytes,
        )

    def _flush(self) -> None:
        for name, rows in self._rows.items():
            if rows:
                self._files.write(name, to_table(DATASETS[name], rows, **self._constants))
                self._written[name] += len(rows)
        if self._cleaned:
            self._files.write("fingerprints", fingerprint_table(self._cleaned))
        self._rows = {name: [] for name in DATASETS}
        self._cleaned = []
        self._buffered_bytes = 0


class StagedFiles:
    """The Parquet files of a shard that are being written, opened with their first table; one table a row group."""

    def __init__(self, shard: StagedShard) -> None:
        self._shard = shard
        self._writers: dict[str, pq.ParquetWriter] = {}
        self._sinks: list[BinaryIO] = []

    def write(self, name: str, table: pa.Table) -> None:
        """Append a table to the file of this name."""
        if name not in self._writers:
            sink = create_file(self._shard.path(name))
            self._sinks.append(sink)
            # Written once and read once, minutes later on the same machine: fast beats small.
            self._writers[name] = pq.ParquetWriter(sink, table.schema, compression="lz4")
        self._writers[name].write_table(table)

    def close(self) -> None:
        """Finish the files."""
        for writer in self._writers.values():
            writer.close()
        for sink in self._sinks:
            sink.close()


def fingerprint_table(cleaned: Sequence[Cleaned]) -> pa.Table:
    """The rows of `FINGERPRINTS` for some documents."""
    columns = {
        "doc_id": [each.document.doc_id for each in cleaned],
        "exact": [each.fingerprint.exact for each in cleaned],
        "signature": [each.fingerprint.signature for each in cleaned],
        "address": [each.fingerprint.address for each in cleaned],
        "paragraphs": [each.fingerprint.paragraphs for each in cleaned],
        "tokens": [each.fingerprint.token_count for each in cleaned],
        "chars": [each.document.char_count for each in cleaned],
        "published": [each.document.published_date for each in cleaned],
        "line_keys": [each.line_keys for each in cleaned],
        "line_numbers": [each.line_numbers for each in cleaned],
    }
    return pa.table(columns, FINGERPRINTS)
