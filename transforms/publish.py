"""Publish: staged rows and the verdicts on them to the Parquet files of a snapshot, and a ledger that must balance."""

from __future__ import annotations

import collections
import dataclasses
import functools
import json
import posixpath
import uuid
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from schemas.parquet import COUNTED_BY, DATASETS, schema_of, to_table
from schemas.records import Rejection, Source, SourceFile
from transforms.count_shared import ROW_SHARED
from transforms.deduplicate import ROW_VERDICT, SURVIVOR
from transforms.files import create_file
from transforms.key_files import Array, joined
from transforms.parquet_sink import ParquetSink, PublishedFile
from transforms.read_files import FileTally
from transforms.stage_text import StagedShard
from transforms.text.duplicates import EXACT_DUPLICATE, KINDS, THRESHOLD, THRESHOLD_AT_ADDRESS, URL_DUPLICATE

GROUP_TEXT_BYTES = 512 << 20
"""Staged text that goes into one group of files: zstd leaves a quarter to a third, for files of 128 MiB or more."""

_SOURCE_COLUMNS = [field.name for field in dataclasses.fields(Source)]


@dataclasses.dataclass(frozen=True, slots=True)
class PublishedGroup:
    """What one group of splits became; also what all groups did, added up."""

    sources: int  # files read
    records: int  # read from them
    files: tuple[PublishedFile, ...]
    counts: dict[str, dict[str, int]]  # data set to language, reason or error class to rows
    unbalanced: tuple[str, ...]  # a sentence for every file whose rows are not what was read from it


class Publish(beam.PTransform):
    """Shards, verdicts and tallies to files, group by group of neighbouring splits, and a summary of them all."""

    def __init__(self, folder: str, run_id: str, summary: str) -> None:
        super().__init__()
        self._folder, self._run_id, self._summary = folder, run_id, summary

    def expand(self, inputs: dict[str, beam.PCollection[Any]]) -> beam.PCollection[PublishedGroup]:
        """The one summary, written as JSON too; `inputs` are `shards`, and by split `verdicts`, `shared`, `tallies`."""
        shards = inputs["shards"] | "Key by split" >> beam.Map(lambda shard: (shard.split, shard))
        groups = beam.pvalue.AsSingleton(
            inputs["shards"] | "Gather shards" >> beam.combiners.ToList() | "Plan groups" >> beam.Map(groups_of_splits)
        )
        return (
            {
                "shards": shards | "Shards by group" >> beam.Map(by_group, groups),
                "verdicts": inputs["verdicts"] | "Verdicts by group" >> beam.Map(by_group, groups),
                "shared": inputs["shared"] | "Shared by group" >> beam.Map(by_group, groups),
                "tallies": inputs["tallies"] | "Tallies by group" >> beam.Map(by_group, groups),
            }
            | "Join by group" >> beam.CoGroupByKey()
            | "Write groups" >> beam.MapTuple(functools.partial(publish_group, self._folder, self._run_id))
            | "Gather groups" >> beam.combiners.ToList()
            | "Write summary" >> beam.Map(write_summary, self._summary)
        )


def groups_of_splits(shards: Sequence[StagedShard]) -> dict[int, int]:
    """The number of the group of each split: neighbours together until their text fills a group of files."""
    groups: dict[int, int] = {}
    group, size = 0, 0
    for shard in sorted(shards, key=lambda shard: shard.split):
        if size and size + shard.text_bytes > GROUP_TEXT_BYTES:
            group, size = group + 1, 0
        groups[shard.split] = group
        size += shard.text_bytes
    return groups


def by_group(keyed: tuple[int, Any], groups: dict[int, int]) -> tuple[int, tuple[int, Any]]:
    """(group, (split, value)); a split that staged nothing goes to the first group, whose ledger will not balance."""
    return groups.get(keyed[0], 0), keyed


def publish_group(
    folder: str, run_id: str, number: int, gathered: dict[str, Iterable[tuple[int, Any]]]
) -> PublishedGroup:
    """Write the files of one group, and count what went into them.

    A second attempt at the same group writes beside the first: only what is returned is ever published.
    """
    sink = ParquetSink(posixpath.join(folder, f"{number:05d}-{uuid.uuid4().hex[:8]}"), f"{run_id}-{number:05d}")
    verdicts = {split: np.frombuffer(data, ROW_VERDICT) for split, data in gathered["verdicts"]}
    shared = _shared_by_split(gathered["shared"])
    ledger = _Ledger()
    for split, shard in sorted(gathered["shards"], key=lambda pair: pair[0]):
        of_split = verdicts.get(split, np.empty(0, ROW_VERDICT)), shared.get(split, np.empty(0, ROW_SHARED))
        for dataset, partition, table in rows_of_shard(shard, *of_split):
            sink.write(partition, table)
            ledger.add(dataset, table)
    tallies = [tally for _, tally in sorted(gathered["tallies"], key=lambda pair: pair[0])]
    sources = ledger.source_files(tallies)
    sink.write("state/sources", to_table(SourceFile, sources))
    records = sum(source.records for source in sources)
    return PublishedGroup(len(sources), records, tuple(sink.close()), ledger.counts, tuple(ledger.unbalanced(sources)))


def _shared_by_split(pairs: Iterable[tuple[int, bytes]]) -> dict[int, Array]:
    """An array of `ROW_SHARED` for each split, sorted by row; a row may come several times, for it has several keys."""
    arrays: collections.defaultdict[int, list[bytes]] = collections.defaultdict(list)
    for split, data in pairs:
        arrays[split].append(data)
    shared = {split: joined(data, ROW_SHARED) for split, data in arrays.items()}
    return {split: rows[np.argsort(rows["row"])] for split, rows in shared.items()}


def write_summary(groups: Sequence[PublishedGroup], path: str) -> PublishedGroup:
    """All groups added up, written to `path` as JSON."""
    counts: dict[str, collections.Counter[str]] = {name: collections.Counter() for name in DATASETS}
    for group in groups:
        for dataset, by_reason in group.counts.items():
            counts[dataset].update(by_reason)
    summary = PublishedGroup(
        sources=sum(group.sources for group in groups),
        records=sum(group.records for group in groups),
        files=tuple(sorted((file for group in groups for file in group.files), key=lambda file: file.path)),
        counts={name: dict(sorted(counter.items())) for name, counter in counts.items()},
        unbalanced=tuple(sentence for group in groups for sentence in group.unbalanced),
    )
    with create_file(path) as stream:
        stream.write(json.dumps(dataclasses.asdict(summary)).encode())
    return summary


def rows_of_shard(shard: StagedShard, verdicts: Array, shared: Array) -> Iterator[tuple[str, str, pa.Table]]:
    """(data set, partition, table) of all rows of a shard, the duplicates among its documents as rejects."""
    for table in _read(shard, "rejects", shard.rejects):
        yield "rejects", "rejects", table
    for table in _read(shard, "quarantine", shard.quarantine):
        yield "quarantine", "quarantine", table
    row = 0
    for table in _read(shard, "documents", shard.documents):
        first, last = np.searchsorted(verdicts["row"], [row, row + len(table)])
        begin, end = np.searchsorted(shared["row"], [row, row + len(table)])
        counted = with_shared_ratio(table, shared[begin:end], row)
        kept, duplicates = split_duplicates(counted, verdicts[first:last], first_row=row)
        row += len(table)
        for language in pc.unique(kept["language"]).to_pylist():
            yield "documents", f"documents/lang={language}", kept.filter(pc.equal(kept["language"], language))
        yield "rejects", "rejects", duplicates


def with_shared_ratio(documents: pa.Table, shared: Array, first_row: int) -> pa.Table:
    """The documents with the share of their characters, line ends apart, that stand in shared paragraphs."""
    shared_chars = np.zeros(len(documents))
    np.add.at(shared_chars, (shared["row"] - np.uint64(first_row)).astype(int), shared["chars"])
    text = documents["text"]
    chars = pc.subtract(pc.utf8_length(text), pc.count_substring(text, "\n")).to_numpy()
    ratio = (shared_chars / np.maximum(chars, 1)).astype("f4")
    position = documents.schema.get_field_index("shared_paragraph_ratio")
    return documents.set_column(position, documents.schema.field(position), pa.array(ratio))


def split_duplicates(documents: pa.Table, verdicts: Array, first_row: int) -> tuple[pa.Table, pa.Table]:
    """The documents that stay, with their number of duplicates, and the rejects that the others become."""
    rows = (verdicts["row"] - np.uint64(first_row)).astype(int)
    survives = verdicts["kind"] == SURVIVOR
    duplicate_count = np.zeros(len(documents), "i8")
    duplicate_count[rows[survives]] = verdicts["duplicates"][survives]
    stays = np.ones(len(documents), bool)
    stays[rows[~survives]] = False
    position = documents.schema.get_field_index("duplicate_count")
    counted = documents.set_column(position, documents.schema.field(position), pa.array(duplicate_count))
    return counted.filter(pa.array(stays)), _duplicates(documents.take(rows[~survives]), verdicts[~survives])


def _duplicates(documents: pa.Table, verdicts: Array) -> pa.Table:
    columns = {name: documents[name] for name in [*_SOURCE_COLUMNS, "language", "text", "run_id"]}
    columns["reason"] = [KINDS[kind] for kind in verdicts["kind"]]
    columns["stage"] = ["deduplicate"] * len(verdicts)
    columns["detail"] = [_detail(kind, similarity) for kind, similarity in verdicts[["kind", "similarity"]].tolist()]
    columns["kept_doc_id"] = [survivor.decode() for survivor in verdicts["survivor"]]
    columns["similarity"] = verdicts["similarity"]
    schema = schema_of(Rejection)
    return pa.table([columns[name] for name in schema.names], schema=schema)


def _detail(kind: int, similarity: float) -> str:
    if kind == EXACT_DUPLICATE:
        return "the same words as the document that was kept"
    if kind == URL_DUPLICATE:
        return (
            f"the address of the document that was kept, estimated similarity {similarity:.2f} with it; "
            f"{THRESHOLD_AT_ADDRESS} makes a duplicate where the address is the same"
        )
    return f"estimated similarity {similarity:.2f} with the document that was kept; {THRESHOLD} makes a near-duplicate"


def _read(shard: StagedShard, name: str, rows: int) -> Iterator[pa.Table]:
    if rows:
        with shard.open(name) as stream:
            file = pq.ParquetFile(stream)
            for number in range(file.num_row_groups):  # bounded in bytes when they were staged, which batches are not
                yield file.read_row_group(number)


class _Ledger:
    """Rows as they are written, by file and by reason."""

    def __init__(self) -> None:
        self.counts: dict[str, dict[str, int]] = {}
        self._by_file: collections.defaultdict[str, collections.Counter[str]] = collections.defaultdict(
            collections.Counter
        )

    def add(self, dataset: str, table: pa.Table) -> None:
        for entry in pc.value_counts(table["source_uri"]).to_pylist():
            self._by_file[entry["values"]][dataset] += entry["counts"]
        by_reason = self.counts.setdefault(dataset, {})
        for entry in pc.value_counts(table[COUNTED_BY[dataset]]).to_pylist():
            by_reason[entry["values"]] = by_reason.get(entry["values"], 0) + entry["counts"]

    def source_files(self, tallies: list[FileTally]) -> list[SourceFile]:
        """A row for every file that was read or has rows."""
        read = {tally.file.uri: tally for tally in tallies}
        return [
            SourceFile(
                source_uri=uri,
                size=read[uri].file.size if uri in read else None,
                modified_at=read[uri].file.modified_at if uri in read else None,
                records=read[uri].items if uri in read else 0,
                **self._by_file[uri],
            )
            for uri in sorted(read.keys() | self._by_file.keys())
        ]

    @staticmethod
    def unbalanced(sources: list[SourceFile]) -> Iterator[str]:
        for source in sources:
            rows = source.documents + source.rejects + source.quarantine
            if source.records != rows or not rows:
                yield f"{source.source_uri}: {source.records} records were read, {rows} rows written"
