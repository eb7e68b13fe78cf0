"""What changed between two snapshots: the numbers, and which documents came, went or say something else."""

from __future__ import annotations

import dataclasses
import posixpath
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline import snapshots
from pipeline.terminal import printable
from schemas.parquet import DATASETS
from transforms.files import open_file

PASS_DOCUMENTS = 250_000
"""Documents of a snapshot that are compared at a time; the ids and hashes of both sides take 0.1 GB then."""

BATCH_ROWS = 10_000
SHOWN = 5

_COLUMNS = ["doc_id", "text_sha256"]
_MARKS = {"added": "+", "removed": "-", "changed": "~"}


@dataclasses.dataclass(frozen=True, slots=True)
class Side:
    """One of the two snapshots."""

    folder: str
    manifest: dict[str, Any]


@dataclasses.dataclass(slots=True)
class Changes:
    """How many documents changed in one way, and the first few of them by doc_id."""

    count: int = 0
    doc_ids: list[str] = dataclasses.field(default_factory=list)

    def add(self, doc_ids: pa.ChunkedArray) -> None:
        """Add those of one pass; passes come in the order of the doc_ids."""
        self.count += len(doc_ids)
        self.doc_ids += sorted(doc_ids.to_pylist())[: SHOWN - len(self.doc_ids)]


def diff_lines(output: snapshots.Output, before: str, after: str) -> Iterator[str]:
    """What is different in the snapshot of the run `after`; raises `OSError`."""
    old, new = (Side(output.snapshot(run_id), snapshots.manifest_of(output, run_id)) for run_id in (before, after))
    yield f"from {before} to {after}"
    yield from _settings(old.manifest, new.manifest)
    yield f"{'':24}{'before':>10}{'after':>10}{'change':>10}"
    yield from _counts(old.manifest, new.manifest)
    changes = document_changes(old, new)
    yield "documents: " + ", ".join(f"{changes[name].count} {name}" for name in _MARKS)
    for name, mark in _MARKS.items():
        yield from _examples(mark, old if name == "removed" else new, changes[name])


def _settings(old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    before, after = ({"version": side["pipeline_version"]} | side["configuration"] for side in (old, new))
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            yield printable(f"{name}: {before.get(name)} before, {after.get(name)} after")


def _counts(old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    yield _numbers("records", old["records"], new["records"])
    for dataset in DATASETS:
        before, after = old["counts"][dataset], new["counts"][dataset]
        yield _numbers(dataset, sum(before.values()), sum(after.values()))
        for reason in sorted(before.keys() | after.keys()):
            if before.get(reason, 0) != after.get(reason, 0):
                yield _numbers("  " + printable(reason), before.get(reason, 0), after.get(reason, 0))


def _numbers(name: str, before: int, after: int) -> str:
    return f"{name:24}{before:>10}{after:>10}{after - before:>+10}"


def document_changes(old: Side, new: Side) -> dict[str, Changes]:
    """Documents added, removed and changed, by doc_id and text_sha256; files that both snapshots hold are not read.

    Memory does not grow with the snapshots: they are read in passes, each over the doc_ids that begin alike.
    """
    shared = _files(old) & _files(new)
    sides = [
        [posixpath.join(side.folder, path) for path, sha256, _ in sorted(_files(side) - shared)] for side in (old, new)
    ]
    rows = max(sum(rows for _, _, rows in _files(side) - shared) for side in (old, new))
    changes = {name: Changes() for name in _MARKS}
    for beginning in _beginnings(rows):
        before, after = (_documents(files, beginning) for files in sides)
        both = before.join(after, "doc_id", join_type="full outer", right_suffix="_after")
        was, is_now = both["text_sha256"], both["text_sha256_after"]
        changes["added"].add(both["doc_id"].filter(pc.is_null(was)))
        changes["removed"].add(both["doc_id"].filter(pc.is_null(is_now)))
        changes["changed"].add(both["doc_id"].filter(pc.not_equal(was, is_now)))
    return changes


def _files(side: Side) -> set[tuple[str, str, int]]:
    """Path, sha256 and rows of each file of documents."""
    return {
        (file["path"], file["sha256"], file["rows"])
        for file in side.manifest["files"]
        if file["path"].startswith("documents/")
    }


def _beginnings(rows: int) -> list[str]:
    """First digits of doc_ids, as many as bring each pass below its limit.

    >>> _beginnings(10), len(_beginnings(1_000_000))
    ([''], 16)
    """
    digits = 0
    while rows > PASS_DOCUMENTS * 16**digits:
        digits += 1
    return [f"{number:0{digits}x}" for number in range(16**digits)] if digits else [""]


def _documents(paths: list[str], beginning: str) -> pa.Table:
    schema = pa.schema([(name, pa.string()) for name in _COLUMNS])
    found = (batch.filter(pc.starts_with(batch["doc_id"], beginning)) for batch in _batches(paths, _COLUMNS))
    return pa.Table.from_batches((batch.cast(schema) for batch in found), schema)


def _batches(paths: list[str], columns: list[str]) -> Iterator[pa.RecordBatch]:
    for path in paths:
        with open_file(path) as stream:
            yield from pq.ParquetFile(stream).iter_batches(BATCH_ROWS, columns=columns)


def _examples(mark: str, side: Side, changes: Changes) -> Iterator[str]:
    paths = [posixpath.join(side.folder, path) for path, _, _ in sorted(_files(side))]
    wanted, told = pa.array(changes.doc_ids, pa.string()), 0
    for batch in _batches(paths, ["doc_id", "source_uri", "member", "title"]) if changes.doc_ids else ():
        for row in batch.filter(pc.is_in(batch["doc_id"], wanted)).to_pylist():
            told += 1
            name = " > ".join(part for part in (row["source_uri"], row["member"]) if part)
            yield printable(f"{mark} {row['doc_id'][:12]}  {name}  {row['title'] or ''}".rstrip())
        if told == len(changes.doc_ids):
            break
    if changes.count > told:
        yield f"{mark} ... and {changes.count - told} more"
