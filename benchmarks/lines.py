"""Boilerplate lines in plain text files: what millstream and the line rules of the field cut, and what they should."""

from __future__ import annotations

import collections
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from benchmarks.datasets import Bench, Gold, read_bytes
from benchmarks.page_scores import squash
from benchmarks.tables import f1, markdown_table, percent, points

MIN_JOINED_CHARS = 40  # a longer line counts as kept wherever it stands in the text: paragraphs may be joined


def measure(bench: Bench) -> dict[str, Any]:
    """The scores of each cleaner of plain text."""
    golds = bench.gold("lines/gold.jsonl")
    documents = bench.clean_pages("lines", golds)
    texts = {
        gold["file"]: read_bytes(bench.data / "lines" / "pages" / gold["file"]).decode(errors="replace")
        for gold in golds
    }
    cleaners: dict[str, Callable[[str], str]] = {
        "millstream": lambda file: documents[file]["text"] if file in documents else "",
        "C4's rules for lines": lambda file: by_c4_rules(texts[file]),
    }
    return {"files": len(golds)} | {
        name: score_lines((gold["lines"], clean(gold["file"])) for gold in golds) for name, clean in cleaners.items()
    }


def score_lines(files: Iterable[tuple[list[Gold], str]]) -> dict[str, float]:
    """Precision and recall of the cut, and the shares of content lines and characters lost.

    Takes for each file its labelled lines (`label` is content, boilerplate or unsure; unsure ones do not count) and the
    text that was left.
    """
    counts: collections.Counter[tuple[str, bool]] = collections.Counter()
    chars: collections.Counter[tuple[str, bool]] = collections.Counter()
    for labelled, text in files:
        kept, whole = {squash(line) for line in text.split("\n")}, squash(text)
        for line in labelled:
            wanted = squash(line["text"])
            if wanted and line["label"] != "unsure":
                is_kept = wanted in kept or (len(wanted) > MIN_JOINED_CHARS and wanted in whole)
                counts[line["label"], is_kept] += 1
                chars[line["label"], is_kept] += len(wanted)
    cut, left = counts["boilerplate", False], counts["boilerplate", True]
    lost, kept_content = counts["content", False], counts["content", True]
    precision = _share(cut, lost, otherwise=1.0)
    recall = _share(cut, left, otherwise=1.0)
    return {
        "boilerplate_lines": cut + left,
        "content_lines": lost + kept_content,
        "cut_precision": precision,
        "cut_recall": recall,
        "cut_f1": f1(precision, recall),
        "content_lines_lost": _share(lost, kept_content, otherwise=0.0),
        "content_characters_lost": _share(chars["content", False], chars["content", True], otherwise=0.0),
    }


def _share(part: int, rest: int, *, otherwise: float) -> float:
    return part / (part + rest) if part + rest else otherwise


_CITATION = re.compile(r"\[\d*\]|\[edit\]|\[citation needed\]")
_C4_ENDS = (".", "?", "!", '"', "'")
_C4_PHRASES = (
    "javascript", "terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies",
)  # fmt: skip
MIN_C4_WORDS, MAX_C4_WORD_CHARS = 3, 1000


def by_c4_rules(text: str) -> str:
    r"""The lines that C4's rules keep, as datatrove has them (huggingface/datatrove, filters/c4_filters.py).

    Its rules that drop whole documents are left out: they judge pages, and are no cleaning.

    >>> by_c4_rules("It rained all day.\nShare this\nWe use cookies to serve you.")
    'It rained all day.'
    """
    return "\n".join(line for line in text.split("\n") if _c4_keeps(line.strip()))


def _c4_keeps(line: str) -> bool:
    words, bare = line.split(), _CITATION.sub("", line)
    return (
        len(words) >= MIN_C4_WORDS
        and max(map(len, words)) <= MAX_C4_WORD_CHARS
        and bare.endswith(_C4_ENDS)
        and not bare.endswith("...")
        and not any(phrase in bare.lower() for phrase in _C4_PHRASES)
    )


def tables(results: Mapping[str, Any]) -> str:
    """One table."""
    head = [
        f"boilerplate lines of {results['files']} plain text files",
        "precision of the cut",
        "recall",
        "F1",
        "content characters lost, %",
    ]
    body = [
        [
            name,
            points(scores["cut_precision"]),
            points(scores["cut_recall"]),
            points(scores["cut_f1"]),
            percent(scores["content_characters_lost"], 2),
        ]
        for name, scores in results.items()
        if name != "files"
    ]
    return markdown_table(head, body)
