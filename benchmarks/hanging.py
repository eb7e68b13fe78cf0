"""What pages cost that hang until their time limit: the worker seconds that they take, and nothing beyond."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from schemas.records import Cleaned, RawRecord, Rejection
from transforms.text.cleaning_options import CleaningOptions
from transforms.worker_pool import WorkerLimits, clean_record

HANGS = "hangs"
EVERY = 100
LIMIT_SECONDS = 10.0


def clean_or_hang(record: RawRecord, options: CleaningOptions) -> Cleaned | Rejection:
    """What the record is cleaned to; one whose identifier says so never ends."""
    if record.source_uri == HANGS:
        time.sleep(1e6)
    return clean_record(record, options)


def measure_hanging(folder: Path, pages: int, repeats: int, workers: int) -> dict[str, Any]:
    """Seconds over the pages, and over the pages with one in a hundred beside them that hangs; taken in turn."""
    if pages < EVERY:
        raise SystemExit(f"{pages} pages are too few for one in {EVERY} to hang")
    seconds: dict[str, list[float]] = {"plain": [], "hanging": []}
    for _ in range(repeats):
        for which, of_kind in seconds.items():
            # In a process without a main module, since the workers import that again.
            call = f"seconds_over({str(folder)!r}, {pages}, {workers}, with_hanging={which == 'hanging'})"
            program = f"from benchmarks.hanging import seconds_over; print({call})"
            command = [sys.executable, "-c", program]
            of_kind.append(float(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout))
    return {"pages": pages, "hanging": pages // EVERY, "limit_s": LIMIT_SECONDS, "workers": workers, "seconds": seconds}


def seconds_over(folder: str, pages: int, workers: int, *, with_hanging: bool) -> float:
    """Seconds of cleaning the pages in the workers of a pipeline."""
    import apache_beam as beam  # here, since the workers import this module for the step
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner

    from transforms.clean_documents import CleanDocuments

    limits = WorkerLimits(workers, LIMIT_SECONDS)
    started = time.monotonic()
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        items = pipeline | beam.Create([folder], reshuffle=False) | beam.FlatMap(records, pages, with_hanging)
        _ = items | CleanDocuments(CleaningOptions(), limits, clean_or_hang)
    return time.monotonic() - started


def records(folder: str, pages: int, with_hanging: bool) -> Iterator[tuple[tuple[int, int], RawRecord]]:
    """The pages, keyed as the reader keys them; those that hang amid their hundred."""
    from benchmarks.corpus import read_page

    paths = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    for number in range(pages):
        yield (0, number), RawRecord(str(number), 1, read_page(paths[number % len(paths)]), "text/html")
        if with_hanging and number % EVERY == EVERY // 2:
            yield (0, number), RawRecord(HANGS, 1, b"<p>a page</p>", "text/html")


def sentence_of_hanging(found: Mapping[str, Any]) -> str:
    """The seconds, beside those that the lost worker seconds explain."""
    plain, hanging = (statistics.median(found["seconds"][which]) for which in ("plain", "hanging"))
    expected = plain + found["hanging"] * found["limit_s"] / found["workers"]
    return (
        f"{found['pages']:,} pages take {plain:.1f} s. With one more in {EVERY} that hangs until its limit of "
        f"{found['limit_s']:g} s they take {hanging:.1f} s; the lost worker seconds explain {expected:.1f} s."
    )
