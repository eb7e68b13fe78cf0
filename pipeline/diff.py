"""What changed between two snapshots: the numbers, and which documents came, went or say something else."""

from __future__ import annotations

import contextlib
import dataclasses
import posixpath
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import snapshots
from pipeline.terminal import printable
from pipeline.verify import NO_KEYS, Keys, id_keys
from schemas.parquet import DATASETS
from transforms.files import open_file

SHOWN = 5

_MARKS = {"added": "+", "removed": "-", "changed": "~"}


@dataclasses.dataclass(frozen=True, slots=True)
class Documents:
    """The documents of a snapshot by doc_id, each in 20 bytes; some 60 while they are read and sorted.

    Of ids and hashes the first 64 bits are held: the odds that any two of 40 million ids look alike are 1 to 20,000.
    """

    ids: Keys  # ascending
    texts: Keys  # of each its text_sha256
    places: npt.NDArray[np.uint32]  # of each the row group that holds it
    row_groups: list[tuple[str, int]]  # file, number in it


def diff_lines(output: snapshots.Output, before: str, after: str) -> Iterator[str]:
    """What is different in the snapshot of the run `after`; raises `OSError`, also when a file is damaged."""
    old, new = (snapshots.manifest_of(output, run_id) for run_id in (before, after))
    yield f"from {before} to {after}"
    yield from _settings(old, new)
    yield f"{'':24}{'before':>10}{'after':>10}{'change':>10}"
    yield from _counts(old, new)
    changes = document_changes(*(documents_of(output.snapshot(side["run_id"]), side) for side in (old, new)))
    yield "documents: " + ", ".join(f"{changed.sum()} {name}" for name, (_, changed) in changes.items())
    for name, (side, changed) in changes.items():
        yield from _examples(_MARKS[name], side, changed)


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


def document_changes(old: Documents, new: Documents) -> dict[str, tuple[Documents, npt.NDArray[np.bool_]]]:
    """What became of the documents: the side that holds the rows to show, and which of them it is true of."""
    place = np.searchsorted(old.ids, new.ids)  # where a new one stands among the old, or would
    stayed = place < len(old.ids)
    stayed[stayed] = old.ids[place[stayed]] == new.ids[stayed]
    changed = stayed.copy()
    changed[stayed] = old.texts[place[stayed]] != new.texts[stayed]
    removed = np.ones(len(old.ids), np.bool_)
    removed[place[stayed]] = False
    return {"added": (new, ~stayed), "removed": (old, removed), "changed": (new, changed)}


def documents_of(snapshot: str, manifest: dict[str, Any]) -> Documents:
    """The documents of a snapshot; two columns are read, once. Raises `OSError`."""
    row_groups: list[tuple[str, int]] = []
    ids, texts = [NO_KEYS], [NO_KEYS]
    for file in manifest["files"]:
        if file["path"].startswith("documents/"):
            path = posixpath.join(snapshot, file["path"])
            with _parquet(path) as parquet:
                for number in range(parquet.num_row_groups):
                    table = parquet.read_row_group(number, columns=["doc_id", "text_sha256"])
                    ids.append(id_keys(table["doc_id"]))
                    texts.append(id_keys(table["text_sha256"]))
                    row_groups.append((path, number))
    places = np.repeat(np.arange(len(ids), dtype=np.uint32) - 1, [len(keys) for keys in ids])  # the first has no rows
    keys = np.concatenate(ids)
    ids.clear()  # or all are held twice below
    order = np.argsort(keys)
    return Documents(keys[order], np.concatenate(texts)[order], places[order], row_groups)


@contextlib.contextmanager
def _parquet(path: str) -> Iterator[pq.ParquetFile]:
    try:
        with open_file(path) as stream:
            yield pq.ParquetFile(stream)
    except (OSError, pa.ArrowException, ValueError) as error:
        raise OSError(f"{path} can't be read, `millstream verify` tells what else is damaged: {error}") from error


def _examples(mark: str, side: Documents, changed: npt.NDArray[np.bool_]) -> Iterator[str]:
    """A line for each of the first few by doc_id, in the order of files and rows."""
    shown = np.flatnonzero(changed)[:SHOWN]
    for place in np.unique(side.places[shown]):
        path, number = side.row_groups[place]
        with _parquet(path) as parquet:
            table = parquet.read_row_group(number, columns=["doc_id", "source_uri", "member", "title"])
        for row in table.filter(pa.array(np.isin(id_keys(table["doc_id"]), side.ids[shown]))).to_pylist():
            name = " > ".join(part for part in (row["source_uri"], row["member"]) if part)
            yield printable(f"{mark} {row['doc_id'][:12]}  {name}  {row['title'] or ''}".rstrip())
    if more := int(changed.sum()) - len(shown):
        yield f"{mark} ... and {more} more"
