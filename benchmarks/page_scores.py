"""How right the text and the metadata of pages are, beside what people took from them."""

from __future__ import annotations

import collections
import re
import unicodedata
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from benchmarks.datasets import Gold
from benchmarks.tables import f1, mean

SHINGLE_WORDS = 4

_Token = TypeVar("_Token", bound=Hashable)

_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Page:
    """What an extractor says of a page."""

    text: str = ""
    title: str | None = None
    authors: tuple[str, ...] = ()
    published_date: str | None = None  # ISO 8601


NOTHING = Page()

Verdict = Literal["right", "wrong", "missing", "invented", "blank"]


def score_pages(golds: Sequence[Gold], pages: Mapping[str, Page]) -> dict[str, float | None]:
    """All figures that the gold of a data set allows; a page that was not extracted is a page without text."""
    found = [(gold, pages.get(gold["file"], NOTHING)) for gold in golds]
    scores: dict[str, float | None] = {"without_text": mean(float(not page.text.strip()) for _, page in found)}
    full = [(gold, page) for gold, page in found if "text" in gold]
    if full:
        scores |= _full_text_scores(full)
    if any(gold.get("with") for gold in golds):
        scores |= _snippet_scores(found)
    for field in ("title", "author", "date"):
        verdicts = collections.Counter(judge_field(gold, field, page) for gold, page in found)
        for alternatives in (("right", "wrong", "missing"), ("invented", "blank")):
            if asked := sum(verdicts[verdict] for verdict in alternatives):
                scores |= {f"{field}_{verdict}": verdicts[verdict] / asked for verdict in alternatives}
    return scores


def _full_text_scores(found: Iterable[tuple[Gold, Page]]) -> dict[str, float | None]:
    """Shingle F1 of the mean precision and the mean recall; word F1 as the mean of the pages, by kind of page."""
    pairs = []
    word_f1 = collections.defaultdict(list)
    for gold, page in found:
        pairs.append(overlap(shingles(page.text), shingles(gold["text"])))
        value = f1(*overlap(words(page.text), words(gold["text"])))
        for kind in ("all", gold.get("page_type", "article")):
            word_f1[kind].append(value)
    precision, recall = (mean(values) for values in zip(*pairs, strict=True))
    shingle = {"shingle_precision": precision, "shingle_recall": recall, "shingle_f1": f1(precision, recall)}
    return shingle | {f"word_f1_{kind}": mean(values) for kind, values in sorted(word_f1.items())}


def _snippet_scores(found: Iterable[tuple[Gold, Page]]) -> dict[str, float | None]:
    """Of the snippets that must be in the text, and those that must not, what share is as it must be."""
    wanted, unwanted = [], []
    for gold, page in found:
        text = squash(page.text)
        wanted += [squash(snippet) in text for snippet in gold.get("with", [])]
        unwanted += [squash(snippet) in text for snippet in gold.get("without", [])]
    in_text = sum(wanted) + sum(unwanted)
    precision, recall = (sum(wanted) / in_text if in_text else 0.0), sum(wanted) / len(wanted)
    kept_out = 1 - sum(unwanted) / len(unwanted) if unwanted else None
    return {"snippet_f1": f1(precision, recall), "snippets_kept": recall, "snippets_kept_out": kept_out}


def judge_field(gold: Gold, field: str, page: Page) -> Verdict | None:
    """Whether a page's title, author or date is right; None when the gold does not say.

    Right is what contains the gold, case and spaces aside: "Title | Site" is right for "Title", of several authors the
    first has to be named. A gold of null says that the page has none: what is given all the same is invented.
    """
    key = "published_date" if field == "date" and "published_date" in gold else field
    expected = gold.get(key)
    given = {"title": page.title, "author": " ".join(page.authors), "date": page.published_date}[field] or ""
    if key in gold and expected is None:
        return "invented" if given.strip() else "blank"
    if not expected:
        return None  # not labelled
    if not given.strip():
        return "missing"
    return "right" if squash(expected[0] if isinstance(expected, list) else expected) in squash(given) else "wrong"


def words(text: str) -> collections.Counter[str]:
    """The words of a text, in lower case, with how often it has each."""
    return collections.Counter(_WORD.findall(text.lower()))


def shingles(text: str) -> collections.Counter[tuple[str, ...]]:
    """The runs of four words of a text with how often it has each; a shorter text is one run.

    The measure of ScrapingHub's article-extraction-benchmark.
    """
    found = _WORD.findall(text)
    runs = range(max(1, len(found) - SHINGLE_WORDS + 1)) if found else ()
    return collections.Counter(tuple(found[start : start + SHINGLE_WORDS]) for start in runs)


def overlap(
    predicted: collections.Counter[_Token], true: collections.Counter[_Token]
) -> tuple[float | None, float | None]:
    """Precision and recall of one bag beside another: 1 when both are empty, None where one is and has no meaning."""
    if not predicted and not true:
        return 1.0, 1.0
    both = (predicted & true).total()
    return both / predicted.total() if predicted else None, both / true.total() if true else None


def squash(text: str) -> str:
    r"""The text with its compatibility characters, spaces and case made alike.

    >>> squash("Ｏne\n  Two ")
    'one two'
    """
    return " ".join(unicodedata.normalize("NFKC", text).split()).lower()
