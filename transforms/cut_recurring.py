"""Cut recurring lines: what stands in many documents of a host or source is template, and goes before comparison.

Where the keys of lines stand is shuffled, and comes back as the counts that a split needs. A document whose counts are
new, or no longer what they were in the run before, is judged again; those that change stand in a patch of their shard.
"""

from __future__ import annotations

import dataclasses
import functools
import posixpath
import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa

from schemas.parquet import schema_of, to_table
from schemas.records import Cleaned, Document
from transforms.files import open_file
from transforms.key_files import KEYED_ROWS, Array, KeyRange, by_split, joined, read_ranges, write_key_file
from transforms.shards import (
    FINGERPRINTS,
    MARKS,
    NO_NUMBER,
    Shard,
    Tagged,
    documents_with_fingerprints,
    fingerprint_batches,
    numbers_of,
    open_checked,
    replaced,
    tagged,
    tagged_shard,
    untagged,
)
from transforms.stage_text import StagedFile, fingerprint_table
from transforms.text.cleaning_options import CleaningOptions
from transforms.text.recurrence import ENOUGH_DOCUMENTS, MIN_DOCUMENTS
from transforms.worker_pool import CleaningPool, WorkerLimits, borrow_pool, give_back

LINE = np.dtype([("key", "<u8"), ("text", "<u4"), ("address", "<u4"), ("split", "<u4")])
"""A key of a line, four bytes of the hashes of the text and the address that it stands in, and their split.

Without an address the text stands for it. A line must occur in many texts and at many addresses: neither copies nor new
versions of one page are more evidence than the page itself."""

COUNT = np.dtype([("key", "<u8"), ("documents", "<u4")])
"""A key, and in how many documents it occurs that are unlike in text and in address: `MIN_DOCUMENTS` for that many or
more, `ENOUGH_DOCUMENTS` likewise, as nothing in between makes a difference."""

EVIDENCE = "state/recurring"
"""The partition of the counts that the documents of a published group were judged by."""

ROWS_OF_TASK = 20
"""Documents that a worker judges again at a time."""

_PATCH = schema_of(Document).append(pa.field("row", pa.uint64(), False))


class CutRecurringLines(beam.PTransform):
    """Shards to the same shards without the lines that recur over the documents of a host or source, and the counts."""

    def __init__(self, partitions: int, options: CleaningOptions, limits: WorkerLimits) -> None:
        super().__init__()
        self._partitions, self._options, self._limits = partitions, options, limits

    def expand(self, shards: beam.PCollection[Shard]) -> dict[str, beam.PCollection[Any]]:
        """`shards`; and `counts`: (split, array of `COUNT` as bytes) pairs, several a split."""
        counts = (
            shards
            | "Read line keys" >> beam.FlatMap(line_keys_of_shard, partitions=self._partitions)
            | "Group by line partition" >> beam.GroupByKey()
            | "Count documents" >> beam.FlatMapTuple(counts_of_partition)
        )
        revised = (
            (shards | "Tag shards" >> beam.Map(tagged_shard), counts | "Tag counts" >> beam.Map(tagged, "counts"))
            | "Shards and counts" >> beam.Flatten()
            | "Join by split" >> beam.GroupByKey()
            | "Judge again" >> beam.ParDo(_JudgeAgain(self._options, self._limits))
        )
        return {"shards": revised, "counts": counts}


def line_keys_of_shard(shard: Shard, partitions: int) -> Iterator[tuple[int, KeyRange]]:
    """(partition, `KeyRange`) pairs: where the `LINE` entries of the shard's documents were written."""
    if shard.documents:
        yield from write_key_file(shard.folder, "lines", _lines(shard), partitions)


def _lines(shard: Shard) -> Iterator[Array]:
    is_live, first = numbers_of(shard) != NO_NUMBER, 0
    for marks in fingerprint_batches(shard, ["text_key", "address", "line_keys"], KEYED_ROWS):
        live = marks.filter(pa.array(is_live[first : first + len(marks)]))
        first += len(marks)
        keys = _keys_of_lines(live)
        texts = live["text_key"].to_numpy()
        addresses = (live["address"].to_numpy() % 2**32).astype("<u4")
        lines_of_row = [len(each) for each in keys]
        lines = np.empty(sum(lines_of_row), LINE)
        lines["key"] = np.concatenate([*keys, np.empty(0, "<u8")])
        lines["text"] = np.repeat(texts, lines_of_row)
        lines["address"] = np.repeat(np.where(addresses == 0, texts, addresses), lines_of_row)
        lines["split"] = shard.split
        yield lines


def _keys_of_lines(marks: pa.Table) -> list[Array]:
    return [np.frombuffer(of_row, "<u8") for of_row in marks["line_keys"].to_pylist()]


def counts_of_partition(_: int, ranges: Iterable[KeyRange]) -> Iterator[tuple[int, bytes]]:
    """(split, array of `COUNT` as bytes) pairs for the keys that recur, in each split that has them."""
    lines = read_ranges(ranges, LINE)
    lines = lines[np.argsort(lines["key"], kind="stable")]
    documents = np.minimum(_distinct(lines, "text"), _distinct(lines, "address"))
    recurs = documents >= MIN_DOCUMENTS
    splits, counted = lines["split"][recurs], np.empty(recurs.sum(), COUNT)
    counted["key"] = lines["key"][recurs]
    counted["documents"] = np.where(documents[recurs] < ENOUGH_DOCUMENTS, MIN_DOCUMENTS, ENOUGH_DOCUMENTS)
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


class _JudgeAgain(beam.DoFn):
    def __init__(self, options: CleaningOptions, limits: WorkerLimits) -> None:
        self._options, self._limits = options, limits

    def setup(self) -> None:
        self._pool = borrow_pool(self._options, self._limits)

    def teardown(self) -> None:
        give_back(self._pool)

    def process(self, element: tuple[int, Iterable[Tagged]]) -> Iterator[Shard]:
        yield revised_shard(self._pool, *element)


def revised_shard(pool: CleaningPool, _: int, of_split: Iterable[Tagged]) -> Shard:
    """The shard of a split, with a patch when a count that changed changes any of its documents."""
    by_name = untagged(of_split)
    shard: Shard
    (shard,) = by_name["shards"]
    counts = sorted_counts(by_name["counts"])
    changed = np.setxor1d(_evidence(shard), counts)["key"]
    rows = _rows_with(shard, changed)
    if not len(rows):
        return shard
    return _revised(shard, rows, functools.partial(_judged, pool, counts))


def sorted_counts(arrays: Iterable[bytes]) -> Array:
    """An array of `COUNT` by key, from those of the partitions."""
    return np.sort(joined(arrays, COUNT), order="key")


def _evidence(shard: Shard) -> Array:
    """The counts that the documents of a shard were judged by as they stand."""
    found = [np.empty(0, COUNT)]
    for path in shard.paths(EVIDENCE):
        with open_file(path) as stream:
            table = open_checked(stream).read()
        counts = np.empty(len(table), COUNT)
        counts["key"], counts["documents"] = table["key"], table["documents"]
        found.append(counts)
    return np.concatenate(found)


def evidence_table(counts: Array) -> pa.Table:
    """An array of `COUNT` as it is published."""
    return pa.table({"key": counts["key"], "documents": counts["documents"]})


def _rows_with(shard: Shard, keys: Array) -> Array:
    """The rows of the documents with any of these keys, without those of dropped files."""
    if not (len(keys) and shard.documents):
        return np.empty(0, np.int64)
    has_key = [
        np.isin(of_row, keys).any()
        for marks in fingerprint_batches(shard, ["line_keys"], KEYED_ROWS)
        for of_row in _keys_of_lines(marks)
    ]
    return np.flatnonzero(np.array(has_key) & (numbers_of(shard) != NO_NUMBER))


def _revised(shard: Shard, rows: Array, judge: Callable[[pa.Table, pa.Table], dict[int, Cleaned]]) -> Shard:
    name, first, changes = uuid.uuid4().hex[:8], 0, False
    patch = StagedFile(posixpath.join(shard.folder, f"patch-{name}.parquet"), _PATCH)
    marks = StagedFile(posixpath.join(shard.folder, f"marks-{name}.parquet"), FINGERPRINTS)
    for documents, of_documents in documents_with_fingerprints(shard):
        here = rows[np.searchsorted(rows, first) : np.searchsorted(rows, first + len(documents))] - first
        judged = judge(documents.take(here), of_documents.take(here))
        if judged:
            changed, cleaned = here[list(judged)], list(judged.values())
            table = to_table(Document, [each.document for each in cleaned])
            patch.write(table.append_column(_PATCH.field("row"), pa.array((first + changed).astype("<u8"))))
            of_documents = replaced(of_documents, changed, _marked_anew(of_documents.take(changed), cleaned))  # noqa: PLW2901
            changes = True
        marks.write(of_documents)
        first += len(documents)
    patch.close()
    marks.close()
    files = (*(file for file in shard.files if file[0] != MARKS), (MARKS, marks.path))
    return dataclasses.replace(shard, files=files, patch=patch.path) if changes else shard


def _judged(pool: CleaningPool, counts: Array, documents: pa.Table, marks: pa.Table) -> dict[int, Cleaned]:
    """The documents that are other ones under these counts, by their rows in the table."""
    keys = _keys_of_lines(marks)
    numbers = list(zip(marks["line_numbers"].to_pylist(), marks["kept_line_numbers"].to_pylist(), strict=True))
    futures = {}
    for first in range(0, len(documents), ROWS_OF_TASK):
        task = slice(first, first + ROWS_OF_TASK)
        counted = counts[np.isin(counts["key"], np.concatenate(keys[task]))]
        of_task = documents.take(np.arange(len(documents))[task])  # a slice would travel with the whole of its table
        futures[first] = of_task, pool.submit_recut(of_task, numbers[task], dict(counted.tolist()))
    return {
        first + row: cleaned
        for first, (of_task, future) in futures.items()
        for row, cleaned in pool.recut_outcome(of_task, future).items()
    }


def _marked_anew(marks: pa.Table, cleaned: list[Cleaned]) -> pa.Table:
    """The fingerprints of documents that were judged again; what stands for the text before stays."""
    anew = fingerprint_table(cleaned)
    kept = [
        None if list(each.line_numbers) == before else each.line_numbers
        for each, before in zip(cleaned, marks["line_numbers"].to_pylist(), strict=True)
    ]
    columns = {name: anew[name] for name in anew.column_names}
    columns |= {name: marks[name] for name in ("partition", "text_key", "line_keys", "line_numbers")}
    return pa.table(columns | {"kept_line_numbers": kept}, anew.schema)
