"""What was published and when, and what changed between two snapshots."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator
from typing import Any

from rich.filesize import decimal

from pipeline import housekeeping, snapshots
from pipeline.options import UNIT_SECONDS
from pipeline.terminal import printable
from schemas.parquet import DATASETS

# --- status


@dataclasses.dataclass(frozen=True, slots=True)
class Status:
    """The latest snapshot in numbers."""

    run_id: str
    snapshot: str  # its folder
    started_at: str  # ISO 8601, UTC
    finished_at: str
    age_seconds: int  # since it was finished
    confirmed_at: str  # when a run last published it, or found nothing new; ISO 8601, UTC
    confirmed_seconds: int  # since then
    records: int
    counts: dict[str, dict[str, int]]  # data set to language, reason or error class to rows
    files: int
    bytes: int


def status(output: snapshots.Output) -> Status | None:
    """The latest snapshot; None when nothing was published yet. Raises `OSError` when it can't be read."""
    latest = snapshots.latest(output)
    if latest is None:
        return None
    run_id, manifest = latest
    age = now() - dt.datetime.fromisoformat(manifest["finished_at"])
    confirmed = dt.datetime.fromtimestamp(housekeeping.confirmed_at(output), dt.UTC)
    return Status(
        run_id=run_id,
        snapshot=output.snapshot(run_id),
        age_seconds=max(0, int(age.total_seconds())),  # the clock of another machine may be ahead
        confirmed_at=confirmed.isoformat(timespec="seconds"),
        confirmed_seconds=max(0, int((now() - confirmed).total_seconds())),
        files=len(manifest["files"]),
        bytes=_size(manifest),
        **{name: manifest[name] for name in ("started_at", "finished_at", "records", "counts")},
    )


def now() -> dt.datetime:
    """The time, UTC."""
    return dt.datetime.now(dt.UTC)


def in_words(duration: float) -> str:
    """A number of seconds in the largest unit that it fills twice.

    >>> in_words(7300), in_words(119)
    ('2 hours', '119 seconds')
    """
    names = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
    unit = next((unit for unit in names if duration >= 2 * UNIT_SECONDS[unit]), "s")
    return f"{int(duration / UNIT_SECONDS[unit])} {names[unit]}"


def status_lines(latest: Status) -> Iterator[str]:
    """The status for people."""
    rows = {dataset: sum(reasons.values()) for dataset, reasons in latest.counts.items()}
    yield f"Latest   {latest.run_id}, published {in_words(latest.age_seconds)} ago, at {latest.finished_at}"
    yield f"Last run {in_words(latest.confirmed_seconds)} ago, at {latest.confirmed_at}"
    yield f"Records  {latest.records} = " + " + ".join(f"{dataset} {count}" for dataset, count in rows.items())
    for dataset, reasons in latest.counts.items():
        if reasons:
            by_size = sorted(reasons.items(), key=lambda item: -item[1])
            yield f"  {dataset}: " + printable(", ".join(f"{reason} {count}" for reason, count in by_size))
    yield f"Files    {latest.files}, {decimal(latest.bytes)}"
    yield f"Parquet  {latest.snapshot}"


# --- history


def history_lines(output: snapshots.Output) -> Iterator[str]:
    """A line for each snapshot, oldest first, the latest marked; what is damaged says so. Raises `OSError`."""
    pointer = None
    try:
        pointer = snapshots.pointed_to(output)
    except OSError as error:
        yield str(error)
    columns = ("finished", "records", *DATASETS, "files", "size")
    yield "  {:24}{:>27}{:>10}{:>11}{:>9}{:>12}{:>7}{:>10}".format("run", *columns)
    for run_id in snapshots.run_ids(output):
        mark = "*" if pointer and pointer[0] == run_id else " "
        try:
            manifest = snapshots.manifest_of(output, run_id)
        except OSError as error:
            yield f"{mark} {printable(run_id):24}  {error}"
            continue
        counts = [sum(manifest["counts"][dataset].values()) for dataset in DATASETS]
        values = (manifest["finished_at"], manifest["records"], *counts, len(manifest["files"]))
        line = "{} {:24}{:>27}{:>10}{:>11}{:>9}{:>12}{:>7}{:>10}"
        yield line.format(mark, printable(run_id), *values, decimal(_size(manifest)))


def _size(manifest: dict[str, Any]) -> int:
    return sum(file["bytes"] for file in manifest["files"])
