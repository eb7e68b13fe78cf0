"""Text and metadata of HTML pages: millstream and the peers on the same pages, and their CPU time."""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections.abc import Mapping
from typing import Any

from benchmarks.datasets import Bench, read_bytes, tell
from benchmarks.extractors import (
    GIVES_METADATA,
    MILLSTREAM,
    YARDSTICK,
    Extractor,
    decoded,
    extract,
    extractors,
    forget,
    page_of,
)
from benchmarks.page_scores import Page, score_pages
from benchmarks.tables import MISSING, compare_cpu, markdown_table, percent, points

SETS = ("articles", "pagetypes", "segments")
KINDS = ("article", "documentation", "service", "forum", "collection", "listing", "product")
PROGRESS_PAGES = 50


def measure(bench: Bench) -> dict[str, Any]:
    """The scores of every extractor on every set of pages, and the CPU time a page over all of them."""
    clocked = Clocked(extractors())
    scores: dict[str, Any] = {}
    for data_set in SETS:
        golds = bench.gold(f"{data_set}/gold.jsonl")
        pages: dict[str, dict[str, Page]] = {name: {} for name in clocked.extractors}
        for number, gold in enumerate(golds):
            if number % PROGRESS_PAGES == 0:
                tell(f"{data_set}: page {number} of {len(golds)}")
            content = read_bytes(bench.data / data_set / "pages" / gold["file"])
            for name, page in clocked.extract(content).items():
                pages[name][gold["file"]] = page
        # What counts for millstream is what a run publishes; in this process it is timed only.
        documents = bench.clean_pages(data_set, golds)
        pages[MILLSTREAM] = {file: page_of(row) for file, row in documents.items()}
        scores[data_set] = {"pages": len(golds)} | {name: score_pages(golds, pages[name]) for name in pages}
    return {"scores": scores, "cpu": clocked.cpu(), "failures": clocked.failures}


@dataclasses.dataclass
class Clocked:
    """Extractors with the CPU seconds and the failures of each so far; they take turns in who comes first on a page."""

    extractors: Mapping[str, Extractor]
    seconds: dict[str, list[float]] = dataclasses.field(init=False)
    failures: dict[str, int] = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        self.seconds = {name: [] for name in self.extractors}
        self.failures = dict.fromkeys(self.extractors, 0)

    def extract(self, content: bytes) -> dict[str, Page]:
        """What each makes of a page."""
        html = decoded(content)
        number = len(self.seconds[YARDSTICK])
        if number == 0:
            for extractor in self.extractors.values():  # the first call pays for imports and models
                extract(extractor, content, html)
        pages = {}
        for name in itertools.islice(itertools.cycle(self.extractors), number, number + len(self.extractors)):
            forget()
            started = time.process_time()
            pages[name], failed = extract(self.extractors[name], content, html)
            self.seconds[name].append(time.process_time() - started)
            self.failures[name] += failed
        return pages

    def cpu(self) -> dict[str, dict[str, float]]:
        """Milliseconds a page, the median and the mean, and both as a share of the yardstick's."""
        return compare_cpu(self.seconds, YARDSTICK)


def tables(results: Mapping[str, Any]) -> str:
    """Three tables: text on all sets with the CPU time, text by kind of page, metadata."""
    return "\n\n".join((_text_table(results), _kinds_table(results["scores"]["pagetypes"]), _metadata_table(results)))


def _text_table(results: Mapping[str, Any]) -> str:
    scores, cpu = results["scores"], results["cpu"]
    articles, kinds, segments = (scores[data_set] for data_set in SETS)
    head = [
        f"text of HTML pages, {sum(part['pages'] for part in scores.values()):,}",
        f"shingle F1, {articles['pages']} articles",
        f"word F1, {kinds['pages']} pages of seven kinds",
        f"snippet F1, {segments['pages']} pages",
        "snippets kept out, %",
        "without text",
        "CPU a page",
        "CPU in all",
    ]
    return markdown_table(head, [_text_row(name, results) for name in cpu])


def _text_row(name: str, results: Mapping[str, Any]) -> list[str]:
    scores, cpu = results["scores"], results["cpu"][name]
    articles, kinds, segments = (scores[data_set][name] for data_set in SETS)
    return [
        name,
        points(articles["shingle_f1"]),
        points(kinds["word_f1_all"]),
        points(segments["snippet_f1"]),
        percent(segments["snippets_kept_out"]),
        str(round(sum(scores[data_set]["pages"] * scores[data_set][name]["without_text"] for data_set in SETS))),
        f"{cpu['median_ratio']:.2f}",
        f"{cpu['mean_ratio']:.2f}",
    ]


def _kinds_table(scores: Mapping[str, Any]) -> str:
    names = [name for name in scores if name != "pages"]
    kinds = [kind for kind in KINDS if f"word_f1_{kind}" in scores[MILLSTREAM]]
    return markdown_table(
        ["word F1 by kind of page", *kinds],
        [[name, *(points(scores[name][f"word_f1_{kind}"]) for kind in kinds)] for name in names],
    )


def _metadata_table(results: Mapping[str, Any]) -> str:
    sets = {"pagetypes": "pages of seven kinds", "segments": "snippet pages"}
    fields = ("title", "author", "date")
    head = ["right / wrong / missing, %", *(f"{field}, {name}" for name in sets.values() for field in fields)]
    body = [
        [
            name,
            *(
                _verdicts(results["scores"][data_set][name], field) if field in given else MISSING
                for data_set in sets
                for field in fields
            ),
        ]
        for name, given in GIVES_METADATA.items()
    ]
    return markdown_table(head, body)


def _verdicts(scores: Mapping[str, Any], field: str) -> str:
    return " / ".join(percent(scores.get(f"{field}_{verdict}")) for verdict in ("right", "wrong", "missing"))
