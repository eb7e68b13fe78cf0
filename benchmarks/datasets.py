"""The development data, samples of them, and what millstream makes of them."""

from __future__ import annotations

import collections
import dataclasses
import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds

ROOT = Path(__file__).parents[1]
PACKAGES = ("pipeline", "schemas", "transforms")
TREES = Path("transforms", "text", "main_blocks.json")
TOO_MANY_QUARANTINED = 3  # millstream's exit code for a run that is complete all the same

Gold = dict[str, Any]
"""What a data set says of one page, file or text."""


@dataclasses.dataclass(frozen=True, slots=True)
class Bench:
    """Where the data are, how much of them is used, and where millstream's output goes."""

    data: Path
    scratch: Path
    sample: int | None = None  # items a data set, evenly spread; None for all
    workers: int = 1
    root: Path = ROOT  # of the millstream that is run

    def with_trees(self, trees: str, name: str) -> Bench:
        """The same data for a copy of millstream with other trees that judge the blocks of pages."""
        scratch = self.scratch / name
        for package in PACKAGES:
            copied = scratch / "millstream" / package
            shutil.copytree(ROOT / package, copied, ignore=shutil.ignore_patterns("__pycache__"))
        (scratch / "millstream" / TREES).write_text(trees, encoding="utf-8")
        return dataclasses.replace(self, scratch=scratch, root=scratch / "millstream")

    def gold(self, name: str) -> list[Gold]:
        """The items of the data set in the file `name`, which may be compressed."""
        return evenly(read_gold(self.data / name), self.sample)

    def clean_pages(self, folder: str, golds: Iterable[Gold]) -> dict[str, Gold]:
        """The documents that millstream made of the pages of a data set, by name of the page's file."""
        pages = self.scratch / folder / "pages"
        pages.mkdir(parents=True)
        for gold in golds:
            os.symlink((self.data / folder / "pages" / gold["file"]).resolve(), pages / gold["file"])
        snapshot = self._run(pages, self.scratch / folder / "out", "--no-dedup")
        columns = ["source_uri", "text", "title", "authors", "published_date"]
        return {row["source_uri"].rpartition("/")[2]: row for row in rows(snapshot / "documents", columns)}

    def clean_texts(self, name: str, golds: Iterable[Gold], *options: str) -> list[Gold]:
        """The rows, documents and rejects, that millstream made of the texts of a data set; `member` is their id."""
        texts = self.scratch / name
        texts.mkdir(parents=True)
        with open(texts / "texts.jsonl", "w", encoding="utf-8") as stream:
            stream.writelines(json.dumps({"id": gold["id"], "text": gold["text"]}) + "\n" for gold in golds)
        snapshot = self._run(texts / "texts.jsonl", texts / "out", *options)
        columns = ["member", "doc_id", "kept_doc_id", "language", "language_score"]
        return rows(snapshot / "documents", columns) + rows(snapshot / "rejects", columns)

    def _run(self, source: Path, output: Path, *options: str) -> Path:
        """The snapshot of a run of the product itself over a file or folder."""
        tell(f"millstream on {source}")
        command = [sys.executable, "-m", "pipeline", "run", str(source), "--output", str(output)]
        done = subprocess.run(
            [*command, "--workers", str(self.workers), *options],
            cwd=self.root,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode not in (0, TOO_MANY_QUARANTINED):
            raise RuntimeError(f"millstream ended with {done.returncode} on {source}:\n{done.stderr[-2000:]}")
        return output / "latest"


def fingerprints(data: Path) -> dict[str, str]:
    """The SHA-256 of each data set in a folder, by its name there."""
    paths = sorted([*data.glob("*/gold.jsonl"), *data.glob("*.jsonl.gz")])
    return {str(path.relative_to(data)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def read_gold(path: Path) -> list[Gold]:
    """The objects of a JSON Lines file, compressed when its name ends in `.gz`."""
    return [json.loads(line) for line in read_bytes(path).decode().split("\n") if line]


def read_bytes(path: Path) -> bytes:
    """The content of a file, unpacked when its name ends in `.gz`."""
    content = path.read_bytes()
    return gzip.decompress(content) if path.suffix == ".gz" else content


def evenly(items: list[Gold], sample: int | None) -> list[Gold]:
    """So many of the items, or all, evenly spread over their order; items of one `cluster` stay together.

    >>> [item["id"] for item in evenly([{"id": number} for number in range(10)], 3)]
    [0, 3, 6]
    """
    clusters = collections.defaultdict(list)
    for number, item in enumerate(items):
        clusters[item.get("cluster", number)].append(item)
    groups = list(clusters.values())
    if sample is None or sample >= len(groups):
        return items
    return [item for number in range(sample) for item in groups[number * len(groups) // sample]]


def rows(folder: Path, columns: list[str]) -> list[Gold]:
    """The rows of a published data set, with those of the columns that it has; none where there is no folder."""
    if not folder.is_dir():
        return []
    table = ds.dataset(folder, format="parquet", partitioning="hive")
    return list(table.to_table(columns=[name for name in columns if name in table.schema.names]).to_pylist())


def tell(message: str) -> None:
    """Says on stderr how far it has come."""
    print(message, file=sys.stderr, flush=True)
