"""Cut recurring lines: what stands in many documents of a host or source is template, and goes before comparison.

Where the keys of lines stand is shuffled, and comes back as the counts that a split needs. Only shards that hold such
lines are staged again.
"""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.parquet import from_table, to_table
from schemas.records import Cleaned, Document
from transforms.key_files import Array, KeyRange, joined, read_ranges, write_key_file
from transforms.stage_text import StagedFiles, StagedShard, fingerprint_table
from transforms.text.clean import cut_recurring
from transforms.text.recurring import MIN_DOCUMENTS

LINE = np.dtype([("key", "<u8"), ("text", "<u4"), ("split", "<u4")])
"""A key of a line, four bytes of the exact hash of a text that it stands in, and the split of that text."""

COUNT = np.dtype([("key", "<u8"), ("documents", "<u4")])
"""A key, and in how many documents of unlike text it occurs."""

KEYED_ROWS = 10_000
"""Documents whose keys are in memory while they are sorted into partitions."""


class CutRecurringLines(beam.PTransform):
    """Staged shards to the same shards, without the lines that recur over the documents of a host or source."""

    def __init__(self, partitions: int) -> None:
        super().__init__()
        self._partitions = partitions

    def expand(self, shards: beam.PCollection[StagedShard]) -> beam.PCollection[StagedShard]:
        """The shards, in no particular order."""
        counts = (
            shards
            | "Read line keys" >> beam.FlatMap(line_keys_of_shard, partitions=self._partitions)
            | "Group by line partition" >> beam.GroupByKey()
            | "Count documents" >> beam.FlatMapTuple(counts_of_partition)
        )
        keyed = shards | "Key by split" >> beam.Map(lambda shard: (shard.split, shard))
        return (
            {"shards": keyed, "counts": counts}
            | "Join by split" >> beam.CoGroupByKey()
            | "Stage again" >> beam.FlatMapTuple(revised_shards)
        )


def line_keys_of_shard(shard: StagedShard, partitions: int) -> Iterator[tuple[int, KeyRange]]:
    """(partition, `KeyRange`) pairs: where the `LINE` entries of the shard's documents were written."""
    if shard.documents:
        yield from write_key_file(shard.folder, "lines", _lines(shard), partitions)


def _lines(shard: StagedShard) -> Iterator[Array]:
    with shard.open("fingerprints") as stream:
        for batch in pq.ParquetFile(stream).iter_batches(columns=["exact", "line_keys"], batch_size=KEYED_ROWS):
            keys = [np.frombuffer(keys, "<u8") for keys in batch["line_keys"].to_pylist()]
            texts = np.array([int.from_bytes(exact[:4], "little") for exact in batch["exact"].to_pylist()], "<u4")
            lines = np.empty(sum(map(len, keys)), LINE)
            lines["key"] = np.concatenate(keys)
            lines["text"] = np.repeat(texts, [len(each) for each in keys])
            lines["split"] = shard.split
            yield lines


def counts_of_partition(_: int, ranges: Iterable[KeyRange]) -> Iterator[tuple[int, bytes]]:
    """(split, array of `COUNT` as bytes) pairs for the keys that recur, in each split that has them."""
    lines = read_ranges(ranges, LINE)
    lines = lines[np.lexsort((lines["split"], lines["text"], lines["key"]))]
    new_key = np.append(True, lines["key"][1:] != lines["key"][:-1])
    new_text = new_key | np.append(True, lines["text"][1:] != lines["text"][:-1])
    of_key = new_key.cumsum() - 1
    documents = np.bincount(of_key, weights=new_text).astype("<u4")[of_key]
    recurs = documents >= MIN_DOCUMENTS
    splits, counted = lines["split"][recurs], np.empty(recurs.sum(), COUNT)
    counted["key"], counted["documents"] = lines["key"][recurs], documents[recurs]
    for split in np.unique(splits):
        yield int(split), np.unique(counted[splits == split]).tobytes()


def revised_shards(_: int, joined_by_split: dict[str, Iterable[Any]]) -> Iterator[StagedShard]:
    """The shard of a split, staged again when any of its documents has recurring lines."""
    (shard,) = joined_by_split["shards"]
    counts = joined(joined_by_split["counts"], COUNT)
    yield _revised(shard, dict(counts.tolist())) if len(counts) else shard


def _revised(shard: StagedShard, documents_with: dict[int, int]) -> StagedShard:
    revised = dataclasses.replace(shard, revision=f"-{uuid.uuid4().hex[:8]}")
    files = StagedFiles(revised)
    with shard.open("documents") as documents, shard.open("fingerprints") as fingerprints:
        rows, marks = pq.ParquetFile(documents), pq.ParquetFile(fingerprints)
        for number in range(rows.num_row_groups):
            group, of_group = rows.read_row_group(number), marks.read_row_group(number)
            cut = _cut(group, of_group, documents_with)
            files.write(
                "documents", _replaced(group, list(cut), to_table(Document, [c.document for c in cut.values()]))
            )
            files.write("fingerprints", _replaced(of_group, list(cut), fingerprint_table(list(cut.values()))))
    files.close()
    return revised


def _cut(documents: pa.Table, fingerprints: pa.Table, documents_with: dict[int, int]) -> dict[int, Cleaned]:
    """The documents of one row group that lose lines, by their rows."""
    recurring = np.fromiter(documents_with, np.uint64, len(documents_with))
    keys = [np.frombuffer(keys, "<u8") for keys in fingerprints["line_keys"].to_pylist()]
    rows = [row for row, of_row in enumerate(keys) if np.isin(of_row, recurring).any()]
    found = from_table(Document, documents.take(rows))
    numbers = fingerprints["line_numbers"].take(rows).to_pylist()
    cut = (cut_recurring(each, of_lines, documents_with) for each, of_lines in zip(found, numbers, strict=True))
    return {row: cleaned for row, cleaned in zip(rows, cut, strict=True) if cleaned}


def _replaced(table: pa.Table, rows: list[int], by: pa.Table) -> pa.Table:
    """The table with these rows replaced by those of the other, in its order."""
    place = np.arange(len(table))
    place[rows] = np.arange(len(table), len(table) + len(rows))
    return pa.concat_tables([table, by]).take(place)
