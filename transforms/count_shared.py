"""Count shared paragraphs: how much of each document that is kept stands in others that are kept too.

A rejected duplicate counts as no other document: else each survivor would be shared, by its own copies. So the count
follows the verdicts. Paragraphs are known by their keys, which stand in files beside the shards, 20 bytes each.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
import numpy as np

from transforms.deduplicate import ROW_VERDICT, SURVIVOR
from transforms.key_files import KEYED_ROWS, Array, KeyRange, by_split, joined, read_ranges, write_key_file
from transforms.shards import NO_NUMBER, Shard, Tagged, fingerprint_batches, numbers_of, tagged_shard, untagged
from transforms.text.duplicates import KEYED_PARAGRAPH, shared_paragraphs
from transforms.text.fingerprint import PARAGRAPH

ROW_BITS = 40
ROW_MASK = np.uint64((1 << ROW_BITS) - 1)
"""A document's number here is that of its split and, in the low bits, its row: no order is asked for."""

ROW_SHARED = np.dtype([("row", "<u8"), ("chars", "<u4")])
"""A document's row in its shard, and the length of some of its shared paragraphs, in code points."""


class CountSharedParagraphs(beam.PTransform):
    """Shards and verdicts to (split, array of `ROW_SHARED` as bytes) pairs, several a split, to be added up."""

    def __init__(self, partitions: int) -> None:
        super().__init__()
        self._partitions = partitions

    def expand(self, inputs: dict[str, beam.PCollection[Any]]) -> beam.PCollection[tuple[int, bytes]]:
        """The counts, keyed by split; `inputs` are `shards`, and by split `verdicts`."""
        return (
            (
                inputs["shards"] | "Tag shards" >> beam.Map(tagged_shard),
                inputs["verdicts"] | "Tag losers" >> beam.MapTuple(losers_of_split),
            )
            | "Shards and losers" >> beam.Flatten()
            | "Join by split" >> beam.GroupByKey()
            | "Read paragraphs" >> beam.FlatMapTuple(functools.partial(paragraphs_of_split, self._partitions))
            | "Group by paragraph partition" >> beam.GroupByKey()
            | "Find shared" >> beam.FlatMapTuple(shared_of_partition)
        )


def losers_of_split(split: int, verdicts: bytes) -> tuple[int, Tagged]:
    """Rows of the documents that are rejected, 8 bytes each, by split and tagged as `losers`."""
    rows = np.frombuffer(verdicts, ROW_VERDICT)
    return split, ("losers", rows["row"][rows["kind"] != SURVIVOR].tobytes())


def paragraphs_of_split(partitions: int, _: int, of_split: Iterable[Tagged]) -> Iterator[tuple[int, KeyRange]]:
    """(partition, `KeyRange`) pairs: where the paragraphs of the kept documents of a split were written."""
    by_name = untagged(of_split)
    losers = joined(by_name["losers"], np.dtype("<u8"))
    for shard in by_name["shards"]:
        if shard.documents:
            yield from write_key_file(shard.folder, "paragraphs", _paragraphs(shard, losers), partitions)


def _paragraphs(shard: Shard, losers: Array) -> Iterator[Array]:
    row, is_counted = 0, numbers_of(shard) != NO_NUMBER
    is_counted[losers.astype(int)] = False
    for marks in fingerprint_batches(shard, ["paragraphs"], KEYED_ROWS):
        of_row = [np.frombuffer(paragraphs, PARAGRAPH) for paragraphs in marks["paragraphs"].to_pylist()]
        rows = np.repeat(np.arange(row, row + len(of_row)), [len(each) for each in of_row])
        read = np.concatenate(of_row)
        keyed = np.empty(len(read), KEYED_PARAGRAPH)
        keyed["key"], keyed["chars"] = read["key"], read["chars"]
        keyed["document"] = (shard.split << ROW_BITS) + rows
        yield keyed[is_counted[rows]]
        row += len(of_row)


def shared_of_partition(_: int, ranges: Iterable[KeyRange]) -> Iterator[tuple[int, bytes]]:
    """(split, array of `ROW_SHARED` as bytes) pairs for the paragraphs of one partition that are shared."""
    shared = shared_paragraphs(read_ranges(ranges, KEYED_PARAGRAPH))
    rows = np.empty(len(shared), ROW_SHARED)
    rows["row"], rows["chars"] = shared["document"] & ROW_MASK, shared["chars"]
    for split, of_split in by_split(shared["document"] >> np.uint64(ROW_BITS), rows):
        yield split, of_split.tobytes()
