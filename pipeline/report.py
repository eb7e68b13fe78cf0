"""What a person sees: progress while a run lasts, and what became of the input when it is done."""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import os
import posixpath
import shlex
import sys
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from pipeline import snapshots
from pipeline.terminal import printable
from transforms.progress import SO_FAR

if TYPE_CHECKING:
    from pipeline.job import Result

log = logging.getLogger("millstream")

SHOWN_FILES = 20
SHOWN_DOCUMENTS = 5
TERMINAL_SECONDS, LOG_SECONDS = 0.5, 30.0

console = Console(markup=False, highlight=False)  # what is shown comes from hostile files: it is text, never markup


@contextlib.contextmanager
def progress(log_format: str) -> Iterator[None]:
    """Show how far a run is: a line that is rewritten on a terminal, a log line every half minute elsewhere."""
    terminal = Console(stderr=True)
    live = terminal.is_terminal and log_format == "text"
    done = threading.Event()
    began = time.monotonic()
    SO_FAR.clear()
    status = terminal.status("starting") if live else contextlib.nullcontext()

    def show() -> None:
        while not done.wait(TERMINAL_SECONDS if live else LOG_SECONDS):
            if live:
                status.update(_so_far(time.monotonic() - began))  # type: ignore[union-attr]  # live: a Status
            else:
                log.info(_so_far(time.monotonic() - began))

    with status:
        watcher = threading.Thread(target=show, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            done.set()
            watcher.join()


def _so_far(seconds: float) -> str:
    kept, rejected, quarantined = (SO_FAR[name] for name in ("documents", "rejects", "quarantine"))
    records = kept + rejected + quarantined
    return (
        f"{SO_FAR['files']} of {SO_FAR['planned']} files, {records} records: {kept} kept, {rejected} rejected, "
        f"{quarantined} quarantined, {records / seconds:.0f} a second"
    )


def print_formats(formats: dict[str, tuple[int, int]]) -> None:
    """What would be read, by media type."""
    table = Table("format", "files", "size")
    for media_type, (files, size) in formats.items():
        table.add_row(media_type, str(files), decimal(size))
    console.print(table)


def print_result(result: Result) -> None:
    """What became of each file, what was decided and why, and where the Parquet is."""
    changes = result.changes
    said = ", ".join(f"{getattr(changes, name)} {name}" for name in ("new", "changed", "unchanged", "gone"))
    if changes:
        console.print(_files_table(result))
        if result.manifest["counts"]["documents"]:
            _print_documents(result)
        for dataset in ("rejects", "quarantine"):
            for reason, rows in result.manifest["counts"][dataset].items():
                console.print(f"{dataset}: {rows} {reason}")
        console.print(f"Files   {said}", soft_wrap=True)
    else:
        console.print(f"Files   {said}; the snapshot stays as it is", soft_wrap=True)
    counts = {dataset: sum(reasons.values()) for dataset, reasons in result.manifest["counts"].items()}
    console.print(
        f"Records {result.manifest['records']} = documents {counts['documents']} + rejects {counts['rejects']} "
        f"+ quarantined {counts['quarantine']}"
    )
    console.print(f"Digest  {result.manifest['digest']}", soft_wrap=True)
    console.print(f"Parquet {result.snapshot}", soft_wrap=True)
    console.print(f"Look at it: {_first_query(result)}", soft_wrap=True)


def _first_query(result: Result) -> str:
    """A command that shows the documents, with nothing but what millstream brought along."""
    root = result.snapshot.removesuffix(f"/snapshots/{result.run_id}")
    folder = result.snapshot if "://" in root else posixpath.join(root, "latest")
    code = (
        "import pyarrow.dataset as ds; "
        f"rows = ds.dataset({json.dumps(folder + '/documents')}).to_table().to_pylist(); "
        '[print(row["language"], row["word_count"], row["title"], sep="\\t") for row in rows]'
    )
    python = os.path.relpath(sys.executable)
    return shlex.join([python if not python.startswith("..") else sys.executable, "-c", code])


def _files_table(result: Result) -> Table:
    table = Table("file", "records", "documents", "rejects", "quarantined")
    shown = _notable_files(result)
    for row in shown:
        numbers = [row[name] for name in ("records", "documents", "rejects", "quarantine")]
        table.add_row(printable(row["source_uri"]), *map(str, numbers))
    more = result.manifest["sources"] - len(shown)
    if more > 0:
        table.add_row(f"... and {more} more files", "", "", "", "")
    return table


def _notable_files(result: Result) -> list[dict[str, Any]]:
    """Files of which not all was kept, then the others, as many as are shown, in the order of the input."""
    notable: list[dict[str, Any]] = []
    for batch in snapshots.batches(result.snapshot, result.manifest, "state/sources"):
        notable += batch.filter(pc.not_equal(batch["records"], batch["documents"])).to_pylist()
        if len(notable) >= SHOWN_FILES:
            break
    others = [row for row in _rows(result, "state/sources", SHOWN_FILES) if row["records"] == row["documents"]]
    return sorted((notable + others)[:SHOWN_FILES], key=lambda row: row["source_uri"])


def _print_documents(result: Result) -> None:
    for row in _rows(result, "documents", SHOWN_DOCUMENTS):
        about = [*row["authors"], row["published_date"], row["site_name"]]
        cut = len(row["removed"])
        facts = f"{row['language']}, {row['word_count']} words, {cut} {'line' if cut == 1 else 'lines'} cut"
        for line in (
            Text("\n" + printable(row["title"] or row["text"].partition("\n")[0]), "bold"),
            Text(f"  {printable(row['source_uri'])}: {facts}"),
            Text("  " + (printable(", ".join(str(value) for value in about if value)) or "no author, date or site")),
        ):
            console.print(line, no_wrap=True, overflow="ellipsis")
    console.print()


def _rows(result: Result, folder: str, count: int) -> list[dict[str, Any]]:
    """The first rows of a folder, in the order of the input."""
    first = (batch.slice(0, count) for batch in snapshots.batches(result.snapshot, result.manifest, folder))
    rows = [row for batch in itertools.islice(first, count) for row in batch.to_pylist()]
    return sorted(rows, key=lambda row: row["source_uri"])[:count]
