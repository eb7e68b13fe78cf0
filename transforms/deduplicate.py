"""Deduplicate: which staged documents are duplicates of which.

Keys stand in files beside the shards, and signatures are read for candidates alone: what is shuffled are references.
Documents of earlier runs are compared as those of this one, so it does not matter which run read what.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Iterable, Iterator, Sequence

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from transforms.files import open_file
from transforms.key_files import KEYED_ROWS, Array, KeyRange, by_split, joined, read_ranges, write_key_file
from transforms.shards import MARKS, NO_NUMBER, Places, Shard, fingerprint_batches, look_up, numbers_of
from transforms.text.duplicates import KEYED, PAIR, Fingerprints, candidate_pairs, ranks, resolve
from transforms.text.fingerprint import SIGNATURE_BYTES, candidate_keys, require_hash_spec

ROW_VERDICT = np.dtype(
    [("row", "<u8"), ("kind", "u1"), ("survivor", "S64"), ("similarity", "<f4"), ("duplicates", "<u4")]
)
"""A verdict as publishing wants it: the row in its shard; for a loser its kind, survivor's doc_id and similarity; for a
survivor (kind `SURVIVOR`) the number of its duplicates."""

SURVIVOR = 0

RANKED_BY = ("chars", "published")
"""The columns that say which of its duplicates a cluster keeps."""


class Deduplicate(beam.PTransform):
    """Shards to (split, array of `ROW_VERDICT` as bytes) pairs, for the splits that hold a cluster's members."""

    def __init__(self, partitions: int, keep: str = "first") -> None:
        super().__init__()
        self._partitions, self._keep = partitions, keep

    def expand(self, shards: beam.PCollection[Shard]) -> beam.PCollection[tuple[int, bytes]]:
        """The verdicts, keyed by split."""
        return (
            shards
            | "Read keys" >> beam.FlatMap(keys_of_shard, self._partitions, self._keep)
            | "Group by key partition" >> beam.GroupByKey()
            | "Find candidates" >> beam.MapTuple(candidates_of_partition)
            | "Gather candidates" >> beam.GroupByKey()
            | "Resolve clusters" >> beam.FlatMap(verdicts_of_candidates, beam.pvalue.AsList(shards), self._keep)
        )


def keys_of_shard(shard: Shard, partitions: int, keep: str) -> Iterator[tuple[int, KeyRange]]:
    """(partition, `KeyRange`) pairs: where the keys of the shard's documents were written, 20 bytes each."""
    if shard.documents:
        for path in shard.paths(MARKS):
            with open_file(path) as stream:
                require_hash_spec(pq.read_schema(stream).metadata, path)
        yield from write_key_file(shard.folder, "keys", _keys(shard, keep), partitions)


def _keys(shard: Shard, keep: str) -> Iterator[Array]:
    numbers, first = numbers_of(shard), 0
    for marks in fingerprint_batches(shard, ["exact", "signature", "address", *RANKED_BY], KEYED_ROWS):
        keyed = _keyed(marks, numbers[first : first + len(marks)], keep)
        yield keyed[keyed["document"] != NO_NUMBER]
        first += len(marks)


def _keyed(fingerprints: pa.Table, numbers: Array, keep: str) -> Array:
    columns = (fingerprints[name].to_pylist() for name in ("exact", "signature", "address"))
    keys = [candidate_keys(*of_row) for of_row in zip(*columns, strict=True)]
    row = np.repeat(np.arange(len(keys)), [len(of_row) for of_row in keys])
    keyed = np.empty(len(row), KEYED)
    keyed["key"] = np.concatenate(keys)
    keyed["document"] = numbers[row]
    keyed["rank"] = _ranks(fingerprints, keep)[row]
    return keyed


def candidates_of_partition(_: int, ranges: Iterable[KeyRange]) -> tuple[None, bytes]:
    """The candidate pairs of one partition, an array of `PAIR` as bytes, under the one key that gathers them."""
    return None, candidate_pairs(read_ranges(ranges, KEYED)).tobytes()


def verdicts_of_candidates(
    gathered: tuple[None, Iterable[bytes]], shards: Sequence[Shard], keep: str
) -> Iterator[tuple[int, bytes]]:
    """(split, array of `ROW_VERDICT` as bytes) pairs for the verdicts on all candidates."""
    places, shard_of = Places(shards), {shard.split: shard for shard in shards}
    verdicts = resolve(joined(gathered[1], PAIR), functools.partial(_fingerprints, shard_of, places, keep))
    survivors, duplicates = np.unique(verdicts["survivor"], return_counts=True)
    survivor_ids = np.empty(len(survivors), "S64")
    for which, table in look_up(shard_of, places, survivors, ["doc_id"]):
        survivor_ids[which] = table["doc_id"].to_pylist()
    rows = np.zeros(len(verdicts) + len(survivors), ROW_VERDICT)
    losers, kept = rows[: len(verdicts)], rows[len(verdicts) :]
    losers["kind"] = verdicts["kind"]
    losers["similarity"] = verdicts["similarity"]
    losers["survivor"] = survivor_ids[np.searchsorted(survivors, verdicts["survivor"])]
    kept["kind"], kept["survivor"], kept["duplicates"] = SURVIVOR, survivor_ids, duplicates
    split, rows["row"] = places.of(np.concatenate([verdicts["document"], survivors]))
    for number, of_split in by_split(split, rows):
        yield number, np.sort(of_split, order="row").tobytes()


def _fingerprints(shards: dict[int, Shard], places: Places, keep: str, documents: Array) -> Fingerprints:
    # Filled shard by shard: signatures are most of what deduplication holds at its peak, and tables joined are copies.
    count = len(documents)
    found = Fingerprints(
        exact=np.empty((count, 16), "u1"),
        signature=np.empty((count, SIGNATURE_BYTES), "u1"),
        has_signature=np.empty(count, np.bool_),
        tokens=np.empty(count, np.uint32),
        address=np.empty(count, np.uint64),
        rank=np.empty(count, np.uint32),
    )
    for which, table in look_up(shards, places, documents, ["exact", "signature", "tokens", "address", *RANKED_BY]):
        found.exact[which] = _fixed_bytes(table["exact"])
        found.signature[which] = _fixed_bytes(table["signature"])
        found.has_signature[which] = table["signature"].is_valid()
        found.tokens[which] = table["tokens"]
        found.address[which] = table["address"]
        found.rank[which] = _ranks(table, keep)
    return found


def _ranks(fingerprints: pa.Table, keep: str) -> Array:
    days = fingerprints["published"].cast(pa.int32()).to_numpy(zero_copy_only=False)
    ordinals = np.nan_to_num(days + dt.date(1970, 1, 1).toordinal(), nan=0)
    return ranks(keep, fingerprints["chars"].to_numpy(), ordinals)


def _fixed_bytes(column: pa.ChunkedArray) -> Array:
    """A column of fixed-size binary as an array of bytes, one row a value, nulls too."""
    values, width = column.combine_chunks(), column.type.byte_width
    return np.frombuffer(values.buffers()[1], "u1").reshape(-1, width)[values.offset : values.offset + len(values)]
