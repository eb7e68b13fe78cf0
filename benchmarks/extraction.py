"""Text and metadata of HTML pages: millstream and the peers on the same pages, and their CPU time.

Where the trees that millstream ships were fitted on any of these sets (`main_blocks.json` holds their fingerprints),
their figures flatter: there millstream is also run, all else the same, with trees that saw no page of the site, five
folds by site as in `benchmarks/fit_main_blocks.py`, and that is its first row. On other data the shipped trees have
seen nothing, and their row stands alone. The data decide, not an option: so no table can be labelled wrongly.
"""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.datasets import Bench, Gold, read_bytes, tell
from benchmarks.extractors import (
    GIVES_METADATA,
    MILLSTREAM,
    UNSEEN,
    UNSTRIPPED,
    YARDSTICK,
    Extractor,
    decoded,
    extract,
    extractors,
    forget,
    page_of,
)
from benchmarks.fit_main_blocks import as_json, fit_folds, fold_of, is_fitted_on, read_examples
from benchmarks.page_scores import Page, score_pages
from benchmarks.tables import MISSING, compare_cpu, markdown_table, percent, points
from transforms.text import main_blocks

SETS = ("articles", "pagetypes", "segments")
VERDICTS = ("right", "wrong", "missing", "invented")
NOTE = (
    f"{UNSEEN}: the blocks of a page are judged by trees fitted on pages of other sites, in five folds, all else is "
    "the product; the shipped trees were fitted on these pages, so their row flatters."
)
KINDS = ("article", "documentation", "service", "forum", "collection", "listing", "product")
PROGRESS_PAGES = 50


def measure(bench: Bench) -> dict[str, Any]:
    """The scores of every extractor on every set of pages, and the CPU time a page over all of them."""
    golds = {data_set: bench.gold(f"{data_set}/gold.jsonl") for data_set in SETS}
    folds = list(fit_folds(*read_examples(bench.data))) if is_fitted_on(bench.data) else []  # never of the sample alone
    # What counts for millstream is what a run publishes; in this process it is timed only.
    published = _published(bench, golds, folds)
    clocked = Clocked(extractors())
    shipped, trees = main_blocks.TREES, [main_blocks.Trees.from_data(data) for data in folds]
    scores: dict[str, Any] = {}
    for data_set, of_set in golds.items():
        pages: dict[str, dict[str, Page]] = {name: {} for name in clocked.extractors}
        for number, gold in enumerate(of_set):
            if number % PROGRESS_PAGES == 0:
                tell(f"{data_set}: page {number} of {len(of_set)}")
            main_blocks.TREES = trees[fold_of(gold)] if trees else shipped
            content = read_bytes(bench.data / data_set / "pages" / gold["file"])
            for name, page in clocked.extract(content).items():
                pages[name][gold["file"]] = page
        pages |= published[data_set]
        scores[data_set] = {"pages": len(of_set)} | {name: score_pages(of_set, pages[name]) for name in pages}
    main_blocks.TREES = shipped
    return {"scores": scores, "cpu": clocked.cpu(), "failures": clocked.failures}


def _published(
    bench: Bench, golds: Mapping[str, Sequence[Gold]], folds: Sequence[Mapping[str, Any]]
) -> dict[str, dict[str, dict[str, Page]]]:
    """The pages that runs of millstream give, by data set and row: as shipped, and each fold with the trees for it."""
    pages = {data_set: {MILLSTREAM: _run(bench, data_set, of_set)} for data_set, of_set in golds.items()}
    for fold, data in enumerate(folds):
        unseen = bench.with_trees(as_json(data), f"fold-{fold}")
        for data_set, of_set in golds.items():
            of_fold = [gold for gold in of_set if fold_of(gold) == fold]
            pages[data_set].setdefault(UNSEEN, {}).update(_run(unseen, data_set, of_fold) if of_fold else {})
    return pages


def _run(bench: Bench, data_set: str, golds: Sequence[Gold]) -> dict[str, Page]:
    return {file: page_of(row) for file, row in bench.clean_pages(data_set, golds).items()}


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
    """Three tables: text on all sets with the CPU time, text by kind of page, metadata; and what the first row is."""
    text, kinds, metadata = _text_table(results), _kinds_table(results), _metadata_table(results)
    return "\n\n".join((text, *([NOTE] if _has_unseen(results) else []), kinds, metadata))


def _has_unseen(results: Mapping[str, Any]) -> bool:
    return UNSEEN in results["scores"][SETS[0]]


def _labels(results: Mapping[str, Any]) -> dict[str, str]:
    """The rows of the tables of text, and what they are called."""
    names = {name: name for name in results["cpu"]}
    if not _has_unseen(results):
        return names
    fitted, unstripped = f"{MILLSTREAM}, fitted on these pages", f"{UNSTRIPPED}, sites unseen"
    return {UNSEEN: UNSEEN} | names | {MILLSTREAM: fitted, UNSTRIPPED: unstripped}


def _text_table(results: Mapping[str, Any]) -> str:
    scores = results["scores"]
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
    return markdown_table(head, [_text_row(name, label, results) for name, label in _labels(results).items()])


def _text_row(name: str, label: str, results: Mapping[str, Any]) -> list[str]:
    scores = results["scores"]
    cpu = results["cpu"][MILLSTREAM if name == UNSEEN else name]  # the same steps, as many trees
    articles, kinds, segments = (scores[data_set][name] for data_set in SETS)
    return [
        label,
        points(articles["shingle_f1"]),
        points(kinds["word_f1_all"]),
        points(segments["snippet_f1"]),
        percent(segments["snippets_kept_out"]),
        str(round(sum(scores[data_set]["pages"] * scores[data_set][name]["without_text"] for data_set in SETS))),
        f"{cpu['median_ratio']:.2f}",
        f"{cpu['mean_ratio']:.2f}",
    ]


def _kinds_table(results: Mapping[str, Any]) -> str:
    scores = results["scores"]["pagetypes"]
    kinds = [kind for kind in KINDS if f"word_f1_{kind}" in scores[MILLSTREAM]]
    return markdown_table(
        ["word F1 by kind of page", *kinds],
        [
            [label, *(points(scores[name][f"word_f1_{kind}"]) for kind in kinds)]
            for name, label in _labels(results).items()
        ],
    )


def _metadata_table(results: Mapping[str, Any]) -> str:
    sets = {"pagetypes": "pages of seven kinds", "segments": "snippet pages"}
    fields = ("title", "author", "date")
    unseen = {MILLSTREAM} if _has_unseen(results) else {}
    head = [f"{' / '.join(VERDICTS)}, %", *(f"{field}, {name}" for name in sets.values() for field in fields)]
    body = [
        [
            name,
            *(
                _verdicts(results["scores"][data_set][UNSEEN if name in unseen else name], field)
                if field in given
                else MISSING
                for data_set in sets
                for field in fields
            ),
        ]
        for name, given in GIVES_METADATA.items()
    ]
    return markdown_table(head, body)


def _verdicts(scores: Mapping[str, Any], field: str) -> str:
    return " / ".join(percent(scores.get(f"{field}_{verdict}")) for verdict in VERDICTS)
