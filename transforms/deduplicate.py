"""Deduplicate: which staged documents are duplicates of which.

Keys stand in files beside the shards, and signatures are read for candidates alone: what is shuffled are references.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from transforms.key_files import Array, KeyRange, joined, read_ranges, write_key_file
from transforms.stage_text import FINGERPRINTS, StagedShard
from transforms.text.duplicates import KEYED, PAIR, Fingerprints, candidate_pairs, resolve
from transforms.text.fingerprint import SIGNATURE_BYTES, band_keys, exact_key

ROW_BITS = 40
"""A document's number is its split's number and, in the low bits, its row in the shard.

That is its place in the input, and the order of preference: the first of a cluster survives."""

_ROW_MASK = np.uint64((1 << ROW_BITS) - 1)

ROW_VERDICT = np.dtype(
    [("row", "<u8"), ("kind", "u1"), ("survivor", "S64"), ("similarity", "<f4"), ("duplicates", "<u4")]
)
"""A verdict as publishing wants it: the row in its shard; for a loser its kind, survivor's doc_id and similarity; for a
survivor (kind `SURVIVOR`) the number of its duplicates."""

SURVIVOR = 0

KEYED_ROWS = 10_000
"""Documents whose keys are in memory while they are sorted into partitions."""


class Deduplicate(beam.PTransform):
    """Staged shards to (split, array of `ROW_VERDICT` as bytes) pairs, for the splits that hold a cluster's members."""

    def __init__(self, partitions: int) -> None:
        super().__init__()
        self._partitions = partitions

    def expand(self, shards: beam.PCollection[StagedShard]) -> beam.PCollection[tuple[int, bytes]]:
        """The verdicts, keyed by split."""
        return (
            shards
            | "Read keys" >> beam.FlatMap(keys_of_shard, partitions=self._partitions)
            | "Group by key partition" >> beam.GroupByKey()
            | "Find candidates" >> beam.MapTuple(candidates_of_partition)
            | "Gather candidates" >> beam.GroupByKey()
            | "Resolve clusters" >> beam.FlatMap(verdicts_of_candidates, beam.pvalue.AsList(shards))
        )


def keys_of_shard(shard: StagedShard, partitions: int) -> Iterator[tuple[int, KeyRange]]:
    """(partition, `KeyRange`) pairs: where the keys of the shard's documents were written, 16 bytes each."""
    if shard.documents:
        yield from write_key_file(shard.folder, "keys", _keys(shard), partitions)


def _keys(shard: StagedShard) -> Iterator[Array]:
    document = shard.split << ROW_BITS
    with shard.open("fingerprints") as stream:
        for batch in pq.ParquetFile(stream).iter_batches(columns=["exact", "signature"], batch_size=KEYED_ROWS):
            yield _keyed(batch, document)
            document += batch.num_rows


def _keyed(batch: pa.RecordBatch, first_document: int) -> Array:
    keys: list[Array] = []
    documents: list[int] = []
    for row, (exact, signature) in enumerate(zip(*(column.to_pylist() for column in batch.columns), strict=True)):
        of_row = [np.array([exact_key(exact)], "<u8")]
        if signature is not None:
            of_row.append(band_keys(signature))
        for array in of_row:
            keys.append(array)
            documents.extend([first_document + row] * len(array))
    keyed = np.empty(len(documents), KEYED)
    keyed["key"] = np.concatenate(keys)
    keyed["document"] = documents
    return keyed


def candidates_of_partition(_: int, ranges: Iterable[KeyRange]) -> tuple[None, bytes]:
    """The candidate pairs of one partition, an array of `PAIR` as bytes, under the one key that gathers them."""
    return None, candidate_pairs(read_ranges(ranges, KEYED)).tobytes()


def verdicts_of_candidates(
    gathered: tuple[None, Iterable[bytes]], shards: Sequence[StagedShard]
) -> Iterator[tuple[int, bytes]]:
    """(split, array of `ROW_VERDICT` as bytes) pairs for the verdicts on all candidates."""
    by_split = {shard.split: shard for shard in shards}
    verdicts = resolve(joined(gathered[1], PAIR), functools.partial(_fingerprints, by_split))
    survivors, duplicates = np.unique(verdicts["survivor"], return_counts=True)
    survivor_ids = np.array(_look_up(by_split, survivors, ["doc_id"])["doc_id"].to_pylist(), "S64")
    rows = np.zeros(len(verdicts) + len(survivors), ROW_VERDICT)
    losers, kept = rows[: len(verdicts)], rows[len(verdicts) :]
    losers["kind"] = verdicts["kind"]
    losers["similarity"] = verdicts["similarity"]
    losers["survivor"] = survivor_ids[np.searchsorted(survivors, verdicts["survivor"])]
    kept["kind"], kept["survivor"], kept["duplicates"] = SURVIVOR, survivor_ids, duplicates
    documents = np.concatenate([verdicts["document"], survivors])
    rows["row"] = documents & _ROW_MASK
    splits = documents >> np.uint64(ROW_BITS)
    for split in np.unique(splits):
        yield int(split), np.sort(rows[splits == split], order="row").tobytes()


def _fingerprints(shards: dict[int, StagedShard], documents: Array) -> Fingerprints:
    table = _look_up(shards, documents, ["exact", "signature"]).combine_chunks()
    has_signature = table["signature"].is_valid().to_numpy()
    signature = table["signature"].fill_null(bytes(SIGNATURE_BYTES))
    return Fingerprints(
        exact=_fixed_bytes(table["exact"]),
        signature=_fixed_bytes(signature),
        has_signature=has_signature,
    )


def _look_up(shards: dict[int, StagedShard], documents: Array, columns: list[str]) -> pa.Table:
    """The fingerprint columns of the documents, in their order, which is ascending; one shard in memory at a time."""
    found = [pa.table([[]] * len(columns), schema=pa.schema([FINGERPRINTS.field(name) for name in columns]))]
    splits = documents >> np.uint64(ROW_BITS)
    for split in np.unique(splits):
        with shards[int(split)].open("fingerprints") as stream:
            found.append(pq.read_table(stream, columns=columns).take(documents[splits == split] & _ROW_MASK))
    return pa.concat_tables(found)


def _fixed_bytes(column: pa.ChunkedArray) -> Array:
    """A column of fixed-size binary without nulls as an array of bytes, one row a value."""
    return np.frombuffer(b"".join(column.to_pylist()), "u1").reshape(len(column), column.type.byte_width)
