"""Stage text: cleaned rows to Parquet shards on the output's file system. From here on only references travel."""

from __future__ import annotations

import dataclasses
import posixpath
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.timestamp import MIN_TIMESTAMP
from apache_beam.utils.windowed_value import WindowedValue

from schemas.parquet import DATASETS, to_table
from schemas.records import Cleaned, Document, Quarantined, Rejection
from transforms import progress
from transforms.files import create_file
from transforms.read_files import Key
from transforms.shards import FINGERPRINTS, MARKS, SOURCE, STAGED, Shard, write_sources
from transforms.worker_pool import Result

BUFFERED_ROWS = 1000
BUFFERED_BYTES = 16 << 20  # of text; one row group of a staged shard


@dataclasses.dataclass(frozen=True, slots=True)
class Provenance:
    """What every row of a run says of the run."""

    run_id: str
    pipeline_version: str
    config_sha256: str


class StageText(beam.PTransform):
    """(`Key`, result) pairs to one `Shard` a split; the splits must come one after another."""

    def __init__(self, folder: str, provenance: Provenance) -> None:
        super().__init__()
        self._folder, self._provenance = folder, provenance

    def expand(self, results: beam.PCollection[tuple[Key, Result]]) -> beam.PCollection[Shard]:
        """The shards, in no particular order."""
        return results | "Write shards" >> beam.ParDo(_WriteShards(self._folder, self._provenance))


class _WriteShards(beam.DoFn):
    def __init__(self, folder: str, provenance: Provenance) -> None:
        self._folder, self._provenance = folder, provenance

    def start_bundle(self) -> None:
        self._shard: _ShardWriter | None = None

    def process(self, element: tuple[Key, Result]) -> Iterator[Shard]:
        (split, ordinal), result = element
        if self._shard and self._shard.split != split:
            yield self._shard.close()
            self._shard = None
        if self._shard is None:
            # A retried bundle writes beside what its first attempt left; only what is emitted is ever read.
            folder = posixpath.join(self._folder, f"{split:06d}-{uuid.uuid4().hex[:8]}")
            self._shard = _ShardWriter(split, folder, self._provenance)
        self._shard.add(ordinal, result)

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
        self._files: dict[str, StagedFile] = {}
        self._rows: dict[str, list[Any]] = {name: [] for name in DATASETS}
        self._cleaned: list[Cleaned] = []
        self._documents_of: dict[int, int] = {}  # by the ordinal of the file
        self._buffered_bytes = 0
        self._text_bytes = 0

    def add(self, ordinal: int, result: Result) -> None:
        row: Document | Rejection | Quarantined
        self._documents_of.setdefault(ordinal, 0)
        if isinstance(result, Cleaned):
            name, row = "documents", result.document
            self._cleaned.append(result)
            self._documents_of[ordinal] += 1
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

    def close(self) -> Shard:
        self._flush()
        for file in self._files.values():
            file.close()
        sources = np.array([(*each, "NaT") for each in self._documents_of.items()], SOURCE)
        return Shard(
            split=self.split,
            folder=self._folder,
            documents=int(sources["documents"].sum()),
            text_bytes=self._text_bytes,
            files=tuple((name, file.path) for name, file in self._files.items()),
            sources=write_sources(posixpath.join(self._folder, "sources.bin"), sources),
        )

    def _flush(self) -> None:
        for name, rows in self._rows.items():
            if rows:
                self._write(name, to_table(DATASETS[name], rows, **self._constants))
        if self._cleaned:
            self._write(MARKS, fingerprint_table(self._cleaned))
        self._rows = {name: [] for name in DATASETS}
        self._cleaned = []
        self._buffered_bytes = 0

    def _write(self, name: str, table: pa.Table) -> None:
        if name not in self._files:
            self._files[name] = StagedFile(posixpath.join(self._folder, f"{name}.parquet"), table.schema)
        self._files[name].write(table)


class StagedFile:
    """A Parquet file that is read once, minutes after it was written."""

    def __init__(self, path: str, schema: pa.Schema) -> None:
        self.path = path
        self._sink = create_file(path)
        self._writer = pq.ParquetWriter(self._sink, schema, compression="lz4")  # fast beats small here

    def write(self, table: pa.Table) -> None:
        """Append a table, as one row group."""
        self._writer.write_table(table)

    def close(self) -> None:
        """Finish the file."""
        self._writer.close()
        self._sink.close()


def fingerprint_table(cleaned: Sequence[Cleaned]) -> pa.Table:
    """The rows of `FINGERPRINTS` for some documents that were just cleaned."""
    exact = [each.fingerprint.exact for each in cleaned]
    columns = {
        "doc_id": [each.document.doc_id for each in cleaned],
        "partition": [STAGED] * len(cleaned),
        "exact": exact,
        "signature": [each.fingerprint.signature for each in cleaned],
        "address": [each.fingerprint.address for each in cleaned],
        "paragraphs": [each.fingerprint.paragraphs for each in cleaned],
        "tokens": [each.fingerprint.token_count for each in cleaned],
        "chars": [each.document.char_count for each in cleaned],
        "published": [each.document.published_date for each in cleaned],
        "text_key": [int.from_bytes(of_row[:4], "little") for of_row in exact],
        "line_keys": [each.line_keys for each in cleaned],
        "line_numbers": [each.line_numbers for each in cleaned],
        "kept_line_numbers": [None] * len(cleaned),
    }
    return pa.table(columns, FINGERPRINTS)
