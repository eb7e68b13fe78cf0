"""How memory and time grow with the number of documents, and with the format: one generated file each."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.corpus import write_documents
from benchmarks.datasets import tell
from benchmarks.measuring import measure, millstream
from benchmarks.tables import markdown_table

KINDS = {"jsonl": "JSON Lines", "warc": "WARC records", "parquet": "Parquet rows"}


def measure_growth(sizes: Sequence[int], other_formats: int, workers: int) -> dict[str, Any]:
    """The `Cost` of a run over one file of JSON Lines of each size, and over so many records in other formats."""
    start, *growth = (_cost("jsonl", count, workers) for count in (1, *sizes))
    formats = [_cost(form, other_formats, workers) for form in ("warc", "parquet")]
    return {"workers": workers, "start": start, "growth": growth, "formats": formats}


def _cost(form: str, count: int, workers: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        corpus = Path(name, f"documents.{form}")
        write_documents(corpus, count, seed=1, form=form)
        cost = {"format": form, "documents": count, "file_mb": corpus.stat().st_size / 1e6}
        cost |= measure(millstream(corpus, Path(name, "out"), workers))
    tell(str(cost))
    return cost


def exponent(start: Mapping[str, float], growth: Sequence[Mapping[str, float]], quantity: str) -> float:
    """The slope of the logarithm of a cost, beyond that of a single document, over that of the number of documents.

    >>> sizes = [{"documents": 10, "s": 3.0}, {"documents": 100, "s": 12.0}]
    >>> round(exponent({"s": 2.0}, sizes, "s"), 3)
    1.0
    """
    beyond = {cost["documents"]: cost[quantity] - start[quantity] for cost in growth}
    return statistics.linear_regression(np.log([*beyond]).tolist(), np.log([*beyond.values()]).tolist()).slope


def table_of_growth(found: Mapping[str, Any]) -> str:
    """A row for each file, and by which power time grows."""
    body = [
        [
            f"{cost['documents']:,} {KINDS[cost['format']]}",
            f"{cost['file_mb']:,.0f}",
            f"{cost['wall_s']:,.0f}",
            f"{1000 * (cost['cpu_s'] - found['start']['cpu_s']) / cost['documents']:.2f}",
            f"{cost['cpu_s'] / cost['wall_s']:.2f}",
            f"{cost['peak_mib']:,.0f}",
        ]
        for cost in [*found["growth"], *found["formats"]]
    ]
    head = [
        f"one file of documents of 5 KB, {found['workers']} workers", "MB", "wall s", "CPU ms a document", "cores busy",
        "peak memory, MiB",
    ]  # fmt: skip
    slopes = {name: exponent(found["start"], found["growth"], name) for name in ("wall_s", "cpu_s")}
    power = f"{slopes['wall_s']:.3f} (CPU {slopes['cpu_s']:.3f})"
    grows = f"Beyond what a single document takes, time grows with their number to the power of {power}."
    return f"{markdown_table(head, body)}\n\n{grows}"
