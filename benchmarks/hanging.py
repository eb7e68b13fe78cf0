"""What pages cost that hang until their time limit: the worker seconds that they take, and nothing beyond."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.corpus import read_page
from benchmarks.datasets import tell
from schemas.records import Cleaned, RawRecord, Rejection
from transforms.text.clean import clean
from transforms.text.cleaning_options import CleaningOptions
from transforms.worker_pool import WorkerLimits

HANGS = "hangs"
EVERY = 100
LIMIT_SECONDS = 10.0


def clean_or_hang(record: RawRecord, options: CleaningOptions) -> Cleaned | Rejection:
    """What the record is cleaned to; one whose identifier says so never ends."""
    if record.source_uri == HANGS:
        time.sleep(1e6)
    return clean(record, options)


def measure_hanging(folder: Path, pages: int, repeats: int, workers: int) -> dict[str, Any]:
    """Seconds over the pages, and over the pages with one in a hundred beside them that hangs; taken in turn."""
    contents = [read_page(path) for path in sorted(folder.rglob("*")) if path.is_file()]
    plain = [RawRecord(str(number), 1, contents[number % len(contents)], "text/html") for number in range(pages)]
    hanging = [RawRecord(HANGS, 1, b"<p>a page</p>", "text/html")]
    mixed = [
        each for number, page in enumerate(plain) for each in ([page] if (number + 1) % EVERY else [page, *hanging])
    ]
    seconds: dict[str, list[float]] = {"plain": [], "hanging": []}
    for number in range(repeats):
        for which, records in (("plain", plain), ("hanging", mixed)):
            seconds[which].append(_seconds(records, workers))
            tell(f"{which}, round {number + 1}: {seconds[which][-1]:.1f} s")
    return {"pages": pages, "hanging": pages // EVERY, "limit_s": LIMIT_SECONDS, "workers": workers, "seconds": seconds}


def _seconds(records: list[RawRecord], workers: int) -> float:
    import apache_beam as beam  # here, since the workers import this module for the step
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner

    from transforms.clean_documents import CleanDocuments

    limits = WorkerLimits(workers, LIMIT_SECONDS)
    started = time.monotonic()
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        items = pipeline | beam.Create([((0, number), each) for number, each in enumerate(records)], reshuffle=False)
        _ = items | CleanDocuments(CleaningOptions(), limits, clean_or_hang)
    return time.monotonic() - started


def sentence_of_hanging(found: Mapping[str, Any]) -> str:
    """The throughput beside what the lost worker seconds leave of it."""
    plain, hanging = (statistics.median(found["seconds"][which]) for which in ("plain", "hanging"))
    expected = plain + found["hanging"] * found["limit_s"] / found["workers"]
    return (
        f"{found['pages']:,} pages take {plain:.1f} s; with {found['hanging']} more that hang until their limit of "
        f"{found['limit_s']:g} s, {hanging:.1f} s, where the lost worker seconds explain {expected:.1f} s."
    )
