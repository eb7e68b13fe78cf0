"""Cut recurring lines: what stands in many documents of a host or source is template, and goes before comparison.

Where the keys of lines stand is shuffled, and comes back as the counts that a split needs. Only shards that hold such
lines are staged again.
"""

from __future__ import annotations

import dataclasses
import functools
import uuid
from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.parquet import from_table, to_table
from schemas.records import Cleaned, Document
from transforms.key_files import KEYED_ROWS, Array, KeyRange, by_split, joined, read_ranges, write_key_file
from transforms.stage_text import StagedFiles, StagedShard, fingerprint_table
from transforms.text.clean import cut_recurring
from transforms.text.recurring import MIN_DOCUMENTS

LINE = np.dtype([("key", "<u8"), ("text", "<u4"), ("address", "<u4"), ("split", "<u4")])
"""A key of a line, four bytes of the hashes of the text and the address that it stands in, and their split.

Without an address the text stands for it. A line must occur in many texts and at many addresses: neither copies nor new
versions of one page are more evidence than the page itself."""

COUNT = np.dtype([("key", "<u8"), ("documents", "<u4")])
"""A key, and in how many documents it occurs that are unlike in text and in address."""


class CutRecurringLines(beam.PTransform):
    """Staged shards to the same shards, without the lines that recur over the documents of a host or source."""

    def __init__(self, partitions: int, min_letters: int) -> None:
        super().__init__()
        self._partitions, self._min_letters = partitions, min_letters

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
            | "Stage again" >> beam.MapTuple(functools.partial(revised_shard, self._min_letters))
        )


def line_keys_of_shard(shard: StagedShard, partitions: int) -> Iterator[tuple[int, KeyRange]]:
    """(partition, `KeyRange`) pairs: where the `LINE` entries of the shard's documents were written."""
    if shard.documents:
        yield from write_key_file(shard.folder, "lines", _lines(shard), partitions)


def _lines(shard: StagedShard) -> Iterator[Array]:
    columns = ["exact", "address", "line_keys"]
    with shard.open("fingerprints") as stream:
        for batch in pq.ParquetFile(stream).iter_batches(columns=columns, batch_size=KEYED_ROWS):
            exact, address, line_keys = (column.to_pylist() for column in batch.columns)
            keys = [np.frombuffer(of_row, "<u8") for of_row in line_keys]
            texts = [int.from_bytes(of_row[:4], "little") for of_row in exact]
            addresses = [at % 2**32 or text for at, text in zip(address, texts, strict=True)]
            lines_of_row = [len(each) for each in keys]
            lines = np.empty(sum(lines_of_row), LINE)
            lines["key"] = np.concatenate(keys)
            lines["text"] = np.repeat(np.array(texts, "<u4"), lines_of_row)
            lines["address"] = np.repeat(np.array(addresses, "<u4"), lines_of_row)
            lines["split"] = shard.split
            yield lines


def counts_of_partition(_: int, ranges: Iterable[KeyRange]) -> Iterator[tuple[int, bytes]]:
    """(split, array of `COUNT` as bytes) pairs for the keys that recur, in each split that has them."""
    lines = read_ranges(ranges, LINE)
    lines = lines[np.argsort(lines["key"], kind="stable")]
    documents = np.minimum(_distinct(lines, "text"), _distinct(lines, "address"))
    recurs = documents >= MIN_DOCUMENTS
    splits, counted = lines["split"][recurs], np.empty(recurs.sum(), COUNT)
    counted["key"], counted["documents"] = lines["key"][recurs], documents[recurs]
    for split, of_split in by_split(splits, counted):
        yield split, np.unique(of_split).tobytes()


def _distinct(lines: Array, field: str) -> Array:
    """For each of the lines, which are sorted by key, how many values of a field those with its key have."""
    values = lines[field][np.lexsort((lines[field], lines["key"]))]
    new_key = np.append(True, lines["key"][1:] != lines["key"][:-1])
    new_value = new_key | np.append(True, values[1:] != values[:-1])
    of_key = new_key.cumsum() - 1
    distinct: Array = np.bincount(of_key, weights=new_value).astype("<u4")[of_key]
    return distinct


def revised_shard(min_letters: int, _: int, joined_by_split: dict[str, Iterable[Any]]) -> StagedShard:
    """The shard of a split, staged again when any of its documents loses a line."""
    shard: StagedShard
    (shard,) = joined_by_split["shards"]
    counts = joined(joined_by_split["counts"], COUNT)
    return _revised(shard, dict(counts.tolist()), min_letters) if len(counts) else shard


def _revised(shard: StagedShard, documents_with: dict[int, int], min_letters: int) -> StagedShard:
    revised, documents_cut = dataclasses.replace(shard, revision=f"-{uuid.uuid4().hex[:8]}"), 0
    files = StagedFiles(revised)
    with shard.open("documents") as documents, shard.open("fingerprints") as fingerprints:
        rows, marks = pq.ParquetFile(documents), pq.ParquetFile(fingerprints)
        for number in range(rows.num_row_groups):
            group, of_group = rows.read_row_group(number), marks.read_row_group(number)
            cut = _cut(group, of_group, documents_with, min_letters)
            files.write(
                "documents", _replaced(group, list(cut), to_table(Document, [c.document for c in cut.values()]))
            )
            files.write("fingerprints", _replaced(of_group, list(cut), fingerprint_table(list(cut.values()))))
            documents_cut += len(cut)
    files.close()
    return revised if documents_cut else shard


def _cut(
    documents: pa.Table, fingerprints: pa.Table, documents_with: dict[int, int], min_letters: int
) -> dict[int, Cleaned]:
    """The documents of one row group that lose lines, by their rows."""
    recurring = np.fromiter(documents_with, np.uint64, len(documents_with))
    keys = [np.frombuffer(of_row, "<u8") for of_row in fingerprints["line_keys"].to_pylist()]
    rows = np.flatnonzero([np.isin(of_row, recurring).any() for of_row in keys])
    numbers = fingerprints["line_numbers"].take(rows).to_pylist()
    cut = {}
    for row, document, of_lines in zip(rows.tolist(), from_table(Document, documents.take(rows)), numbers, strict=True):
        if cleaned := cut_recurring(document, of_lines, documents_with, min_letters):
            cut[row] = cleaned
    return cut


def _replaced(table: pa.Table, rows: list[int], by: pa.Table) -> pa.Table:
    """The table with these rows replaced by those of the other, in its order."""
    place = np.arange(len(table))
    place[rows] = np.arange(len(table), len(table) + len(rows))
    return pa.concat_tables([table, by]).take(place)
