"""Shards: where rows stand that were cleaned once, in this run or an earlier one, and how they are read back.

A shard of this run was staged; one of an earlier run is a group of files in its snapshot. What is done with the two is
the same, so that a run over what is new ends as a run over everything would.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import itertools
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.parquet import schema_of
from schemas.records import Document
from transforms.files import create_file, open_file
from transforms.key_files import KEYED_ROWS, Array, by_split
from transforms.text.fingerprint import HASH_SPEC, SIGNATURE_BYTES

STAGED = "documents"
"""The partition in which documents wait for their verdict."""

LEDGER = "state/sources"
"""The partition of the ledger: a row for each file of a shard, in the order of their rows."""

MARKS = "state/fingerprints"
"""The partition of what is compared of the documents of a shard."""

DUPLICATES = "state/duplicates"
"""The partition of the documents that were rejected as duplicates: they come back when their survivor goes."""

FINGERPRINTS = pa.schema(
    [
        pa.field("doc_id", pa.string(), False),
        pa.field("partition", pa.string(), False),  # where the document itself stands
        pa.field("exact", pa.binary(16), False),
        pa.field("signature", pa.binary(SIGNATURE_BYTES)),
        pa.field("address", pa.uint64(), False),
        pa.field("paragraphs", pa.binary(), False),
        pa.field("tokens", pa.uint32(), False),
        pa.field("chars", pa.uint32(), False),
        pa.field("published", pa.date32()),
        # Of the text as it was before recurring lines were cut: what recurs is counted anew in every run.
        pa.field("text_key", pa.uint32(), False),
        pa.field("line_keys", pa.binary(), False),
        pa.field("line_numbers", pa.list_(pa.uint32()), False),
        pa.field("kept_line_numbers", pa.list_(pa.uint32())),  # null where no recurring line was cut
    ],
    metadata={"hash_spec": HASH_SPEC},
)
"""What is compared of a document; the row's place is the document's place in its shard."""

SOURCE = np.dtype([("ordinal", "<u4"), ("documents", "<u4"), ("modified", "<M8[us]")])
"""A file of a shard, in the order of its rows: its place among all files of the snapshot, how many documents of it are
there, and, for a published one, when it was modified as far as is known now."""

DROPPED = 2**32 - 1
"""The ordinal of a file whose rows go: it was changed, or deleted."""

NUMBER_BITS = 32
"""A document's number is the ordinal of its file and, in the low bits, its place among the documents of the file.

That is its place in the input, whichever run read it: of documents that are wanted equally the first survives."""

NO_NUMBER = np.uint64(2**64 - 1)

BATCH_ROWS, BATCH_CHARS = 1000, 16 << 20


@dataclasses.dataclass(frozen=True, slots=True)
class Shard:
    """Where the rows of one split, or of one published group, stand."""

    split: int  # its number in this run
    folder: str  # for what this run writes beside it
    documents: int  # rows, those of dropped files included
    text_bytes: int
    files: tuple[tuple[str, str], ...]  # (partition, path) pairs, in the order of the rows of each partition
    sources: str  # path of an array of `SOURCE`
    patch: str = ""  # path of those documents that this run cut otherwise than they stand, with their rows
    group: str = ""  # name of the published group, empty for a staged shard
    decisions: str = ""  # what the group was published with, see `transforms.publish`

    def paths(self, partition: str) -> list[str]:
        """The files of one partition."""
        return [path for name, path in self.files if name == partition]


Tagged = tuple[str, Any]
"""A value with the name of what it is. Values of several kinds that belong to one split are grouped as these: Beam's
`CoGroupByKey` does the same in more steps, and each step of a graph costs some milliseconds before the first record."""


def tagged(of_split: tuple[int, Any], name: str) -> tuple[int, Tagged]:
    """What belongs to a split, tagged."""
    split, value = of_split
    return split, (name, value)


def tagged_shard(shard: Shard) -> tuple[int, Tagged]:
    """A shard by its split, tagged as one of the `shards`."""
    return shard.split, ("shards", shard)


def untagged(values: Iterable[Tagged]) -> dict[str, list[Any]]:
    """The values by name; there are none of a name that none has.

    >>> untagged([("counts", 1), ("shards", 2), ("counts", 3)])["counts"]
    [1, 3]
    """
    by_name = collections.defaultdict(list)
    for name, value in values:
        by_name[name].append(value)
    return by_name


def numbers_of(shard: Shard) -> Array:
    """The number of each document of a shard, `NO_NUMBER` where its file is dropped."""
    sources = sources_of(shard)
    count = sources["documents"].astype(np.int64)
    place = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    ordinal = np.repeat(sources["ordinal"].astype(np.uint64), count)
    numbers: Array = np.where(
        ordinal == DROPPED, NO_NUMBER, ordinal << np.uint64(NUMBER_BITS) | place.astype(np.uint64)
    )
    return numbers


def sources_of(shard: Shard) -> Array:
    """The files of a shard, an array of `SOURCE`."""
    with open_file(shard.sources) as stream:
        return np.frombuffer(stream.read(), SOURCE)


class Places:
    """Where documents stand, by their numbers: 12 bytes a file."""

    def __init__(self, shards: Sequence[Shard]) -> None:
        sources = [sources_of(shard) for shard in shards]
        ordinals = [of_shard["ordinal"][of_shard["ordinal"] != DROPPED] for of_shard in sources]
        count = max((int(of_shard.max()) + 1 for of_shard in ordinals if len(of_shard)), default=0)
        self._split, self._first = np.zeros(count, "<u4"), np.zeros(count, "<u8")
        for shard, of_shard in zip(shards, sources, strict=True):
            live = of_shard["ordinal"] != DROPPED
            first = np.cumsum(of_shard["documents"], dtype="<u8") - of_shard["documents"]
            self._split[of_shard["ordinal"][live]] = shard.split
            self._first[of_shard["ordinal"][live]] = first[live]

    def of(self, numbers: Array) -> tuple[Array, Array]:
        """The split and the row in it of each document."""
        ordinal = numbers >> np.uint64(NUMBER_BITS)
        return self._split[ordinal], self._first[ordinal] + (numbers & np.uint64(2**NUMBER_BITS - 1))


def open_checked(stream: BinaryIO) -> pq.ParquetFile:
    """A Parquet file, its pages checked by their checksums: damage must not go on into a snapshot that looks whole."""
    return pq.ParquetFile(stream, page_checksum_verification=True)


def batches_of(path: str, rows: int, columns: list[str] | None = None) -> Generator[pa.Table]:
    """The rows of a Parquet file, so many at a time, with one row group of it in memory."""
    with open_file(path) as stream:
        file = open_checked(stream)
        for group in range(file.num_row_groups):  # asked for all, pyarrow fetches ahead and keeps all until the last
            for batch in file.iter_batches(rows, [group], columns):
                yield pa.Table.from_batches([batch])


def fingerprint_batches(shard: Shard, columns: list[str], rows: int) -> Generator[pa.Table]:
    """Some columns of the fingerprints of a shard, so many rows at a time; of small row groups several together."""
    waiting: list[pa.Table] = []
    for path in shard.paths(MARKS):
        for table in batches_of(path, rows, columns):
            if waiting and sum(map(len, waiting)) + len(table) > rows:
                yield pa.concat_tables(waiting)
                waiting = []
            waiting.append(table)
    if waiting:
        yield pa.concat_tables(waiting)


def documents_of(shard: Shard) -> Iterator[pa.Table]:
    """The documents of a shard as this run has them, in the order of their fingerprints; bounded in rows and bytes."""
    patch = _Patch(shard.patch)
    streams: dict[str, _Rows] = {}
    first = 0
    try:
        for marks in fingerprint_batches(shard, ["partition", "chars"], BATCH_ROWS):
            for of_batch in _cut_by_size(marks):
                partition = of_batch["partition"].combine_chunks().dictionary_encode()
                which = partition.indices.to_numpy()
                tables = []
                for name, count in zip(partition.dictionary.to_pylist(), np.bincount(which).tolist(), strict=True):
                    if name not in streams:
                        streams[name] = _Rows(_tables(shard.paths(name)), schema_of(Document))
                    tables.append(streams[name].take(count))
                place = np.empty(len(which), np.int64)  # the tables stand one behind the other
                place[np.argsort(which, kind="stable")] = np.arange(len(which))
                table = tables[0] if len(tables) == 1 else pa.concat_tables(tables).take(place)
                yield patch.over(table, first)
                first += len(table)
    finally:
        patch.close()
        for stream in streams.values():
            stream.close()


def documents_with_fingerprints(shard: Shard) -> Iterator[tuple[pa.Table, pa.Table]]:
    """(documents, their fingerprints) pairs, a part of a shard at a time."""
    marks = _Rows(fingerprint_batches(shard, FINGERPRINTS.names, BATCH_ROWS), FINGERPRINTS)
    with contextlib.closing(marks):
        for documents in documents_of(shard):
            yield documents, marks.take(len(documents))


def _cut_by_size(marks: pa.Table) -> Iterator[pa.Table]:
    ends = np.cumsum(marks["chars"].to_numpy().astype(np.int64)) // BATCH_CHARS
    start = 0
    for _, of_part in itertools.groupby(ends.tolist()):
        rows = len(list(of_part))
        yield marks.slice(start, rows)
        start += rows


class _Rows:
    """The rows of some tables of one schema, taken from the first to the last."""

    def __init__(self, tables: Generator[pa.Table], schema: pa.Schema) -> None:
        self._tables, self._waiting = tables, schema.empty_table()

    def take(self, count: int) -> pa.Table:
        while len(self._waiting) < count:
            self._waiting = pa.concat_tables([self._waiting, next(self._tables)])
        taken, self._waiting = self._waiting.slice(0, count), self._waiting.slice(count)
        return taken

    def close(self) -> None:
        self._tables.close()  # and the file that it has open


def _tables(paths: list[str], columns: list[str] | None = None) -> Generator[pa.Table]:
    for path in paths:
        yield from batches_of(path, 256, columns)


class _Patch:
    """The documents that stand in place of some of a shard's, by their rows; asked for from the first to the last."""

    def __init__(self, path: str) -> None:
        columns = schema_of(Document)
        paths = [path] if path else []
        rows = [table["row"].to_numpy() for each in paths for table in batches_of(each, KEYED_ROWS, ["row"])]
        self._rows = np.concatenate([*rows, np.empty(0, "<u8")])
        self._documents = _Rows(_tables(paths, columns.names), columns)

    def over(self, table: pa.Table, first: int) -> pa.Table:
        """The table, which begins with the document of this row, patched."""
        begin, end = np.searchsorted(self._rows, [first, first + len(table)])
        if begin == end:
            return table
        return replaced(table, self._rows[begin:end].astype(int) - first, self._documents.take(end - begin))

    def close(self) -> None:
        self._documents.close()


def replaced(table: pa.Table, rows: Array, by: pa.Table) -> pa.Table:
    """The table with these rows replaced by those of the other, in its order."""
    place = np.arange(len(table))
    place[rows] = np.arange(len(table), len(table) + len(rows))
    return pa.concat_tables([table, by]).take(place)


def look_up(
    shards: dict[int, Shard], places: Places, numbers: Array, columns: list[str]
) -> Iterator[tuple[Array, pa.Table]]:
    """(which of the documents, their fingerprint columns) pairs; a shard's rows are read in parts."""
    split, row = places.of(numbers)
    order = np.argsort(row, kind="stable")
    for number, of_split in by_split(split[order], order):
        first = begin = 0
        for marks in fingerprint_batches(shards[number], columns, KEYED_ROWS):
            end = begin + int(np.searchsorted(row[of_split[begin:]], first + len(marks)))
            if end > begin:
                yield of_split[begin:end], marks.take(row[of_split[begin:end]] - np.uint64(first))
            first, begin = first + len(marks), end


def write_sources(path: str, sources: Array) -> str:
    """Write an array of `SOURCE`, and give its path."""
    with create_file(path) as stream:
        stream.write(sources.tobytes())
    return path
