"""Runs of the pipeline in this process, and what they published."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.dataset as ds

from pipeline import job, plan
from pipeline.options import RunOptions


def run(*inputs: str | Path, output: Path, **options: Any) -> job.Result:
    """Run as `millstream run` does, with two workers unless told otherwise."""
    given = RunOptions(inputs=tuple(map(str, inputs)), output=str(output), **({"workers": 2} | options))
    return job.run(given, plan.match_inputs(given.inputs, apart_from=given.output))


def rows(output: Path, dataset: str) -> list[dict[str, Any]]:
    """The rows of one data set of the latest snapshot, in the order of files and rows."""
    found: list[dict[str, Any]] = ds.dataset(output / "latest" / dataset, format="parquet").to_table().to_pylist()
    return found


def by_name(output: Path, dataset: str) -> dict[str, dict[str, Any]]:
    """The rows by the last part of their source URI."""
    return {Path(row["source_uri"]).name: row for row in rows(output, dataset)}
