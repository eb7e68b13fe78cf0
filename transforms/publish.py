"""Publish: rows and the verdicts on them to the Parquet files of a snapshot, and a ledger that must balance.

The files of an earlier run are taken as they are where nothing that was decided on their rows has changed.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import functools
import hashlib
import json
import posixpath
import uuid
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.parquet import schema_of, to_table
from schemas.records import Rejection, Source, SourceFile
from transforms.count_shared import ROW_SHARED
from transforms.cut_recurring import COUNT, EVIDENCE, evidence_table
from transforms.deduplicate import ROW_VERDICT, SURVIVOR
from transforms.files import create_file
from transforms.formats.read import InputFile
from transforms.key_files import Array, joined
from transforms.ledger import Ledger
from transforms.parquet_sink import ParquetSink, PublishedFile
from transforms.read_files import FileTally
from transforms.shards import (
    BATCH_ROWS,
    DROPPED,
    DUPLICATES,
    FINGERPRINTS,
    LEDGER,
    MARKS,
    NO_NUMBER,
    Shard,
    Tagged,
    batches_of,
    documents_with_fingerprints,
    numbers_of,
    sources_of,
    tagged,
    tagged_shard,
    untagged,
)
from transforms.text.duplicates import EXACT_DUPLICATE, KINDS, THRESHOLD, THRESHOLD_AT_ADDRESS, URL_DUPLICATE

GROUP_TEXT_BYTES = 1 << 30
"""Text that goes into one group of files, at least half of it in all but the last: zstd leaves a quarter to a third."""

FULL_TEXT_BYTES = GROUP_TEXT_BYTES // 2
"""A group or split with as much text stays by itself; a smaller group is joined with what is new.

So there is one small group at most, and a run writes no more than this beside what is new or decided anew."""

DEDUPLICATE = "deduplicate"
"""The stage that rejects duplicates."""


_SOURCE_COLUMNS = [field.name for field in dataclasses.fields(Source)]


@dataclasses.dataclass(frozen=True, slots=True)
class PublishedGroup:
    """What some neighbouring shards became."""

    name: str  # its files are called by it; that of an earlier run where they stay
    sources: int = 0  # files that were read
    records: int = 0  # read from them
    documents: int = 0  # rows, those of duplicates included
    text_bytes: int = 0
    decisions: str = ""  # sha256, in hexadecimal, of all that was decided on its documents
    counts: dict[str, dict[str, int]] = dataclasses.field(default_factory=dict)
    """Data set to language, reason or error class to rows."""
    files: tuple[PublishedFile, ...] = ()
    unbalanced: tuple[str, ...] = ()  # a sentence for every file whose rows are not what was read from it
    stays: bool = (
        False  # as it was published by an earlier run: no more than the name is told, and a ledger that is new
    )


class Publish(beam.PTransform):
    """Shards and what was decided on them to files, group by group of neighbouring shards, and a summary."""

    def __init__(self, folder: str, run_id: str, settled: dt.datetime, summary: str) -> None:
        super().__init__()
        self._folder, self._run_id, self._settled, self._summary = folder, run_id, settled, summary

    def expand(self, inputs: dict[str, beam.PCollection[Any]]) -> beam.PCollection[str]:
        """The path of the one summary, the groups in JSON.

        `inputs` are `shards`, and by split `counts`, `verdicts`, `shared` and `tallies`.
        """
        shards = inputs["shards"]
        once = shards.pipeline | "Once" >> beam.Impulse()
        groups = once | "Plan groups" >> beam.Map(lambda _, all_: groups_of_splits(all_), beam.pvalue.AsList(shards))
        others = [(name, of_split) for name, of_split in inputs.items() if name != "shards"]
        of_splits = [of_split | f"Tag {name}" >> beam.Map(tagged, name) for name, of_split in others]
        write = functools.partial(publish_group, self._folder, self._run_id, self._settled)
        written = (
            [*of_splits, shards | "Tag shards" >> beam.Map(tagged_shard)]
            | "All by split" >> beam.Flatten()
            | "All by group" >> beam.Map(by_group, beam.pvalue.AsSingleton(groups))
            | "Join by group" >> beam.GroupByKey()
            | "Write groups" >> beam.MapTuple(write)
        )
        return once | "Write summary" >> beam.Map(
            lambda _, all_, path: write_summary(all_, path), beam.pvalue.AsList(written), self._summary
        )


def groups_of_splits(shards: Sequence[Shard]) -> dict[int, int]:
    """The number of the group of each split: neighbours together until their text fills a group of files."""
    groups: dict[int, int] = {}
    group, size = 0, 0
    for shard in sorted(shards, key=lambda shard: (_is_full(shard), shard.split)):
        if size and (size + shard.text_bytes > GROUP_TEXT_BYTES or _is_full(shard)):
            group, size = group + 1, 0
        groups[shard.split] = group
        size += max(1, shard.text_bytes)
    return groups


def _is_full(shard: Shard) -> bool:
    return shard.text_bytes >= FULL_TEXT_BYTES


def by_group(of_split: tuple[int, Tagged], groups: dict[int, int]) -> tuple[int, Tagged]:
    """(group, (name, (split, value))) of what belongs to a split.

    A split that staged nothing goes to the first group, whose ledger will not balance.
    """
    split, (name, value) = of_split
    return groups.get(split, 0), (name, (split, value))


@dataclasses.dataclass(frozen=True, slots=True)
class _Decided:
    """A shard with all that was decided on its documents."""

    shard: Shard
    numbers: Array  # of each row, `NO_NUMBER` where its file is dropped
    verdicts: Array  # of `ROW_VERDICT`, by row
    shared_chars: Array  # for each row

    @property
    def is_live(self) -> Array:
        """For each row whether it is still one of the snapshot."""
        live: Array = self.numbers != NO_NUMBER
        return live


def publish_group(
    folder: str, run_id: str, settled: dt.datetime, number: int, of_group: Iterable[Tagged]
) -> PublishedGroup:
    """Write the files of one group, and count what went into them.

    A second attempt at the same group writes beside the first: only what is returned is ever published.
    """
    gathered = untagged(of_group)
    shards = [shard for _, shard in sorted(gathered["shards"], key=lambda pair: pair[0])]
    decided = list(_decided(shards, gathered["verdicts"], gathered["shared"]))
    decisions = decisions_on(decided)
    if len(shards) == 1 and _stays(shards[0], decisions):
        return _as_it_was(shards[0], f"{folder}/{number:05d}-{uuid.uuid4().hex[:8]}", run_id, settled)
    name = f"{run_id}-{number:05d}"
    ordinals = np.concatenate([sources_of(shard)["ordinal"] for shard in shards])
    is_sorted = bool((np.diff(ordinals[ordinals != DROPPED].astype(np.int64)) > 0).all())
    sink = ParquetSink(posixpath.join(folder, f"{number:05d}-{uuid.uuid4().hex[:8]}"), name, is_sorted=is_sorted)
    ledger = Ledger()
    for each in decided:
        for partition, table in rows_of_shard(each):
            sink.write(partition, table)
            ledger.add(partition, table)
    sources = ledger.source_files(_tallies(shards, gathered["tallies"]))
    table = to_table(SourceFile, sources)
    sink.write(LEDGER, _with_column(table, "modified_at", _if_before(settled, table["modified_at"])))
    sink.write(EVIDENCE, evidence_table(np.unique(joined((data for _, data in gathered["counts"]), COUNT))))
    return PublishedGroup(
        name=name,
        sources=len(sources),
        records=sum(source.records for source in sources),
        documents=ledger.documents,
        text_bytes=ledger.text_bytes,
        decisions=decisions,
        counts=ledger.counts,
        files=tuple(sink.close()),
        unbalanced=tuple(ledger.unbalanced(sources)),
    )


def _decided(
    shards: Sequence[Shard], verdicts: Iterable[tuple[int, bytes]], shared: Iterable[tuple[int, bytes]]
) -> Iterator[_Decided]:
    verdicts_of = {split: np.frombuffer(data, ROW_VERDICT) for split, data in verdicts}
    shared_of: collections.defaultdict[int, list[bytes]] = collections.defaultdict(list)
    for split, data in shared:
        shared_of[split].append(data)
    for shard in shards:
        numbers = numbers_of(shard)
        chars = np.zeros(len(numbers), np.uint32)
        counted = joined(shared_of[shard.split], ROW_SHARED)
        np.add.at(chars, counted["row"].astype(int), counted["chars"])
        yield _Decided(shard, numbers, verdicts_of.get(shard.split, np.empty(0, ROW_VERDICT)), chars)


def decisions_on(decided: Sequence[_Decided]) -> str:
    """sha256, in hexadecimal, of the verdicts and counts on the live rows of a group, as they are numbered among those.

    Files whose rows these are need not be written again while it is the same.
    """
    verdicts, chars, first = [], [], 0
    for each in decided:
        anew = first + np.cumsum(each.is_live) - 1
        of_shard = each.verdicts.copy()
        of_shard["row"] = anew[of_shard["row"].astype(int)]
        verdicts.append(of_shard)
        chars.append(each.shared_chars[each.is_live])
        first += int(each.is_live.sum())
    return hashlib.sha256(np.concatenate(verdicts).tobytes() + np.concatenate(chars).tobytes()).hexdigest()


def _stays(shard: Shard, decisions: str) -> bool:
    is_whole = bool((sources_of(shard)["ordinal"] != DROPPED).all())
    return bool(shard.group) and is_whole and not shard.patch and shard.decisions == decisions


def _as_it_was(shard: Shard, folder: str, run_id: str, settled: dt.datetime) -> PublishedGroup:
    """A published group that stays; where files of it have another time now, its ledger says so from here on."""
    ledger = pa.concat_tables([schema_of(SourceFile).empty_table(), *_rows(shard, LEDGER)])
    modified = _if_before(settled, pa.array(sources_of(shard)["modified"]).cast(ledger["modified_at"].type))
    if ledger["modified_at"].combine_chunks().equals(modified):
        return PublishedGroup(shard.group, stays=True)
    sink = ParquetSink(folder, f"{shard.group}-{run_id}", is_sorted=False)
    sink.write(LEDGER, _with_column(ledger, "modified_at", modified))
    return PublishedGroup(shard.group, files=tuple(sink.close()), stays=True)


def _if_before(settled: dt.datetime, modified: pa.Array) -> pa.Array:
    """The times of modification that tell a later change for sure, the others as null."""
    return pc.if_else(pc.less(modified, pa.scalar(settled, modified.type)), modified, None)


def _tallies(shards: Sequence[Shard], read: Iterable[tuple[int, FileTally]]) -> list[FileTally]:
    """What was read from each file of a group, in this run or an earlier one, in the order of the rows."""
    tallies: collections.defaultdict[int, list[FileTally]] = collections.defaultdict(list)
    for split, tally in sorted(read, key=lambda pair: pair[1].file.ordinal):
        tallies[split].append(tally)
    for shard in shards:
        now = iter(sources_of(shard).tolist())
        for table in _rows(shard, LEDGER):
            for source in table.to_pylist():
                ordinal, _, modified = next(now)
                if ordinal != DROPPED:
                    file = InputFile(source["source_uri"], source["size"], modified and modified.replace(tzinfo=dt.UTC))
                    tallies[shard.split].append(FileTally(file, source["records"], source["sha256"]))
    order = {shard.split: place for place, shard in enumerate(shards)}
    return [tally for split in sorted(tallies, key=lambda split: order.get(split, -1)) for tally in tallies[split]]


def write_summary(groups: Sequence[PublishedGroup], path: str) -> str:
    """All groups by name, written to `path` as JSON; the path."""
    with create_file(path) as stream:
        in_order = sorted(groups, key=lambda group: group.name)
        stream.write(json.dumps([dataclasses.asdict(group) for group in in_order]).encode())
    return path


def rows_of_shard(decided: _Decided) -> Iterator[tuple[str, pa.Table]]:
    """(partition, table) of all live rows of a shard, the duplicates among its documents as rejects."""
    shard = decided.shard
    dropped = _dropped(shard)
    for table in _rows(shard, "rejects"):  # the duplicates among those of an earlier run are judged anew
        is_own = pc.and_(pc.not_equal(table["stage"], DEDUPLICATE), pc.invert(pc.is_in(table["source_uri"], dropped)))
        yield "rejects", table.filter(is_own)
    for table in _rows(shard, "quarantine"):
        yield "quarantine", table.filter(pc.invert(pc.is_in(table["source_uri"], dropped)))
    row = 0
    for documents, marks in documents_with_fingerprints(shard):
        rows = slice(row, row + len(documents))
        row += len(documents)
        verdicts = decided.verdicts[slice(*np.searchsorted(decided.verdicts["row"], [rows.start, rows.stop]))].copy()
        verdicts["row"] -= np.uint64(rows.start)
        counted = with_shared_ratio(documents, decided.shared_chars[rows])
        kept, duplicates, stays = split_duplicates(counted, verdicts, decided.is_live[rows])
        partition = np.where(
            stays, pc.binary_join_element_wise("documents/lang", documents["language"], "="), DUPLICATES
        )
        live = pa.array(decided.is_live[rows])
        yield MARKS, _placed(marks, partition).filter(live)
        for language in pc.unique(kept["language"]).to_pylist():
            yield f"documents/lang={language}", kept.filter(pc.equal(kept["language"], language))
        yield "rejects", _duplicates(duplicates, verdicts[verdicts["kind"] != SURVIVOR])
        yield DUPLICATES, duplicates


def _placed(marks: pa.Table, partition: Array) -> pa.Table:
    """The fingerprints, with the partitions that their documents go to."""
    columns = {name: marks[name] for name in FINGERPRINTS.names} | {"partition": pa.array(partition, pa.string())}
    return pa.table(columns, FINGERPRINTS)


def with_shared_ratio(documents: pa.Table, shared_chars: Array) -> pa.Table:
    """The documents with the share of their characters, line ends apart, that stand in shared paragraphs."""
    text = documents["text"]
    chars = pc.subtract(pc.utf8_length(text), pc.count_substring(text, "\n")).to_numpy()
    ratio = (shared_chars / np.maximum(chars, 1)).astype("f4")
    return _with_column(documents, "shared_paragraph_ratio", pa.array(ratio))


def split_duplicates(documents: pa.Table, verdicts: Array, is_live: Array) -> tuple[pa.Table, pa.Table, Array]:
    """The live documents that stay, with their number of duplicates; the others; and for each row whether it stays."""
    rows, survives = verdicts["row"].astype(int), verdicts["kind"] == SURVIVOR
    duplicate_count = np.zeros(len(documents), "i8")
    duplicate_count[rows[survives]] = verdicts["duplicates"][survives]
    stays = is_live.copy()
    stays[rows[~survives]] = False
    counted = _with_column(documents, "duplicate_count", pa.array(duplicate_count))
    return counted.filter(pa.array(stays)), counted.take(rows[~survives]), stays


def _with_column(table: pa.Table, name: str, column: pa.Array) -> pa.Table:
    position = table.schema.get_field_index(name)
    return table.set_column(position, table.schema.field(position), column)


def _duplicates(documents: pa.Table, verdicts: Array) -> pa.Table:
    columns = {name: documents[name] for name in [*_SOURCE_COLUMNS, "language", "text", "run_id"]}
    columns["reason"] = [KINDS[kind] for kind in verdicts["kind"]]
    columns["stage"] = [DEDUPLICATE] * len(verdicts)
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


def _rows(shard: Shard, partition: str) -> Iterator[pa.Table]:
    """The rows of the shard's files of one partition."""
    for path in shard.paths(partition):
        yield from batches_of(path, BATCH_ROWS)


def _dropped(shard: Shard) -> pa.Array:
    """The URIs of the files whose rows go."""
    uris = [uri for table in _rows(shard, LEDGER) for uri in table["source_uri"].to_pylist()]
    is_dropped = sources_of(shard)["ordinal"] == DROPPED
    return pa.array([uri for uri, goes in zip(uris, is_dropped, strict=False) if goes], pa.string())
