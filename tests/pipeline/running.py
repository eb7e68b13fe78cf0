"""Input made for a test, runs of the pipeline in this process, and what they published."""

from __future__ import annotations

import gzip
import json
import os
import random
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
import pytest

from pipeline import job, snapshots, verify
from pipeline.cli import main
from pipeline.options import RunOptions

LONG_AGO = 1_700_000_000

SYLLABLES = [a + b for a in "bdfgklmnprst" for b in "aeiou"]


def prose(seed: int, words: int = 80) -> str:
    choose = random.Random(seed)
    return " ".join("".join(choose.choices(SYLLABLES, k=3)) for _ in range(words)).capitalize() + "."


def corpus(folder: Path, files: int = 12) -> Path:
    """Pages, lines and archives, some of them duplicates of one another, two of them broken."""
    folder.mkdir()
    for number in range(files):
        (folder / f"text-{number:02}.txt").write_text(prose(number % (files - 3)), encoding="utf-8")
    lines = [
        json.dumps({"id": f"r{n}", "text": prose(100 + n % 6), "url": f"https://example.org/{n}"}) for n in range(9)
    ]
    (folder / "lines.jsonl.gz").write_bytes(gzip.compress("\n".join([*lines, "{broken"]).encode()))
    (folder / "empty.txt").touch()
    (folder / "noise.bin").write_bytes(random.Random(1).randbytes(500))
    return folder


def run(*inputs: str | Path, output: Path, **options: Any) -> job.Result:
    """Run as `millstream run` does, with two workers unless told otherwise."""
    given = RunOptions(inputs=tuple(map(str, inputs)), output=str(output), **({"workers": 2} | options))
    return job.run(given)


def write(folder: Path, texts: dict[str, str], *, at: float = LONG_AGO) -> Path:
    """Files last modified at this time, in seconds since the epoch; by default so long ago that it tells changes."""
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
        os.utime(folder / name, (at, at))
    return folder


def changes(result: job.Result) -> dict[str, int]:
    """What a run found, but for what it did not find."""
    counts = {name: getattr(result.changes, name) for name in ("new", "changed", "unchanged", "gone", "dropped")}
    return {name: count for name, count in counts.items() if count}


def rows(output: Path, dataset: str) -> list[dict[str, Any]]:
    """The rows of one data set of the latest snapshot, in the order of files and rows."""
    found: list[dict[str, Any]] = ds.dataset(output / "latest" / dataset, format="parquet").to_table().to_pylist()
    return found


def by_name(output: Path, dataset: str) -> dict[str, dict[str, Any]]:
    """The rows by the last part of their source URI."""
    return {Path(row["source_uri"]).name: row for row in rows(output, dataset)}


def problems(output: Path) -> list[str]:
    """What is not as it was published, in any snapshot."""
    published = snapshots.Output(str(output))
    return [
        finding.sentence
        for run_id in snapshots.run_ids(published)
        for finding in verify.verify_snapshot(published, run_id)
    ]


def call(*arguments: str | Path) -> int:
    """The exit code of the command line, run in this process."""
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in arguments])
    code = stopped.value.code
    return code if isinstance(code, int) else 0
