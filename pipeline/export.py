"""A snapshot in the formats of other tools: written in batches, and visible only when it is whole."""

from __future__ import annotations

import contextlib
import os
import posixpath
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyarrow as pa

from pipeline import snapshots
from pipeline.dataset_card import dataset_card
from pipeline.options import UsageError
from pipeline.rows import Rows, one_line, write_csv, write_json_lines
from schemas.dictionary import FOLDERS, READABLE, comments_of
from schemas.parquet import schema_of
from transforms.files import is_local, open_file

DUCKDB_MEMORY = "1GB"
"""What DuckDB may hold while it writes a database; by itself it takes four fifths of the machine's memory."""


def export(snapshot: str, manifest: dict[str, Any], output_format: str, dataset: str | None, to: str) -> list[str]:
    """Write a data set, or all of them in a format that holds several, to a new file or folder; which were written.

    Raises `UsageError` when there is something at `to`, `OSError` when the snapshot can't be read or `to` not written;
    there is nothing at `to` then.
    """
    several, write = _FORMATS[output_format]
    datasets = [dataset] if dataset else list(READABLE) if several else ["documents"]
    with _whole(to) as path:
        write(snapshot, manifest, datasets, path)
    return datasets


@contextlib.contextmanager
def _whole(to: str) -> Iterator[str]:
    """A path to write to, which becomes `to` at the end; there is nothing at `to` when something is raised."""
    parent, name = os.path.split(to.rstrip("/"))
    _require_new(to)
    if not os.path.isdir(parent or "."):
        raise UsageError(f"there is no folder {parent!r} to write {name!r} to: make it first")
    folder = tempfile.mkdtemp(prefix=f".{name}.", dir=parent or ".")
    try:
        yield os.path.join(folder, name)
        _require_new(to)
        os.rename(os.path.join(folder, name), to.rstrip("/"))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _require_new(to: str) -> None:
    if os.path.lexists(to.rstrip("/")):
        raise UsageError(f"{to!r} is there already, and nothing is overwritten: name another --to")


def _batches(snapshot: str, manifest: dict[str, Any], dataset: str) -> Iterator[pa.RecordBatch]:
    """The rows of a data set; a column that older files do not have is null in their rows."""
    schema = schema_of(READABLE[dataset])
    for batch in snapshots.batches(snapshot, manifest, FOLDERS[dataset]):
        present = set(batch.schema.names)
        columns = [
            batch[field.name] if field.name in present else pa.nulls(batch.num_rows, field.type) for field in schema
        ]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _to_text(write: Callable[[Any, Sequence[str], Rows], None]) -> Callable[..., None]:
    def write_text(snapshot: str, manifest: dict[str, Any], datasets: Sequence[str], path: str) -> None:
        (dataset,) = datasets
        with open(path, "w", encoding="utf-8", newline="") as stream:
            rows = (row.values() for batch in _batches(snapshot, manifest, dataset) for row in batch.to_pylist())
            write(stream, schema_of(READABLE[dataset]).names, rows)

    return write_text


def _to_duckdb(snapshot: str, manifest: dict[str, Any], datasets: Sequence[str], path: str) -> None:
    import duckdb  # noqa: PLC0415  # an extra

    from pipeline.query import stoppable  # noqa: PLC0415  # imports DuckDB

    raised: list[BaseException] = []

    def batches(dataset: str) -> Iterator[pa.RecordBatch]:
        try:
            yield from _batches(snapshot, manifest, dataset)
        except BaseException as error:
            raised.append(error)  # what DuckDB makes of it is a traceback
            raise

    try:
        with duckdb.connect(path) as database:
            database.execute(f"set memory_limit = '{DUCKDB_MEMORY}'")
            for dataset in datasets:
                rows = pa.RecordBatchReader.from_batches(schema_of(READABLE[dataset]), batches(dataset))
                database.register("batches", rows)
                stoppable(database, database.execute, f"create table {dataset} as from batches")
                database.unregister("batches")
                database.execute(comments_of(dataset, "table"))
    except duckdb.Error as error:
        raise (raised or [OSError(f"the database can't be written: {one_line(str(error))}")])[0] from error


def _to_hugging_face(snapshot: str, manifest: dict[str, Any], datasets: Sequence[str], path: str) -> None:
    for file in manifest["files"]:
        if any(file["path"].startswith(f"{FOLDERS[dataset]}/") for dataset in datasets):
            target = os.path.join(path, file["path"])
            os.makedirs(os.path.dirname(target), exist_ok=True)
            _link_or_copy(posixpath.join(snapshot, file["path"]), target)
    with open(os.path.join(path, "README.md"), "w", encoding="utf-8") as card:
        card.write(dataset_card(manifest, datasets))


def _link_or_copy(source: str, target: str) -> None:
    """A second name for a file, which never changes once it is published; a copy where there can be none."""
    if is_local(source):
        with contextlib.suppress(OSError):
            os.link(source, target)
            return
    with open_file(source) as stream, open(target, "wb") as copy:
        shutil.copyfileobj(stream, copy)


_FORMATS: dict[str, tuple[bool, Callable[[str, dict[str, Any], Sequence[str], str], None]]] = {
    "jsonl": (False, _to_text(write_json_lines)),
    "csv": (False, _to_text(write_csv)),
    "duckdb": (True, _to_duckdb),
    "huggingface": (True, _to_hugging_face),
}
"""Of each format, whether it holds several data sets, and who writes it."""
