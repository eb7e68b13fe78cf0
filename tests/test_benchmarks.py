"""The scorers of the benchmarks, beside figures that were worked out by hand."""

from __future__ import annotations

import doctest
import gzip
import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import datasets, lines, quality, tables
from benchmarks.datasets import Bench
from benchmarks.duplicates import SETS, score_clusters
from benchmarks.language import score_answers, timed_texts
from benchmarks.page_scores import Page, judge_field, overlap, score_pages, shingles, words

MODULES = ["datasets", "duplicates", "language", "lines", "page_scores", "quality", "tables"]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_the_docstrings_hold(name: str) -> None:
    assert doctest.testmod(importlib.import_module(f"benchmarks.{name}")).failed == 0


@pytest.mark.parametrize(
    ("predicted", "true", "expected"),
    [
        # abcd bcde beside abcd bcdx: one of two in common.
        ("a b c d e", "a b c d x", (0.5, 0.5)),
        # The whole and one more shingle: abcd of abcd bcde.
        ("a b c d e", "a b c d", (0.5, 1.0)),
        ("A b c d", "a b c d", (0.0, 0.0)),
        ("a b", "a b", (1.0, 1.0)),
        ("", "a b", (None, 0.0)),
        ("a b", "", (0.0, None)),
        ("", "", (1.0, 1.0)),
    ],
)
def test_overlap_of_shingles(predicted: str, true: str, expected: tuple[float | None, float | None]) -> None:
    assert overlap(shingles(predicted), shingles(true)) == expected


def test_words_count_as_often_as_they_occur_and_without_case() -> None:
    assert overlap(words("Rain rain go"), words("rain Go away now")) == (2 / 3, 2 / 4)


def test_pages_are_scored_by_text_kind_and_snippet() -> None:
    golds: list[dict[str, Any]] = [
        {"file": "a", "page_type": "forum", "text": "a b c d", "with": ["B  C", "x"], "without": ["e", "a b"]},
        {"file": "b", "page_type": "forum", "text": "a b", "with": [], "without": []},
        {"file": "c", "page_type": "product", "text": "p q", "with": ["p"], "without": []},
    ]
    scores = score_pages(golds, {"a": Page("a b c d"), "c": Page("p")})
    assert scores["without_text"] == pytest.approx(1 / 3)
    # Precisions 1, none, 0 (the shingle is "p", the true one "p q"); recalls 1, 0, 0.
    assert [scores["shingle_precision"], scores["shingle_recall"]] == pytest.approx([1 / 2, 1 / 3])
    assert scores["shingle_f1"] == pytest.approx(2 * 0.5 / 3 / (0.5 + 1 / 3))
    # Words: 1, 0, and precision 1 with recall 1/2.
    assert [scores["word_f1_forum"], scores["word_f1_product"]] == pytest.approx([1 / 2, 2 / 3])
    assert scores["word_f1_all"] == pytest.approx((1 + 0 + 2 / 3) / 3)
    # Of B C, x, p two are there; of e, a b one is.
    assert [scores["snippets_kept"], scores["snippets_kept_out"]] == pytest.approx([2 / 3, 1 / 2])
    assert scores["snippet_f1"] == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("gold", "field", "page", "expected"),
    [
        ({"title": "Rain at Last"}, "title", Page(title="Rain at  last | The Gazette"), "right"),
        ({"title": "Rain at Last"}, "title", Page(title="The Gazette"), "wrong"),
        ({"title": "Rain at Last"}, "title", Page(), "missing"),
        ({"title": None}, "title", Page(title="Rain"), None),
        ({"author": ["Ann Lee", "Bo Ek"]}, "author", Page(authors=("Bo Ek", "Ann Lee")), "right"),
        ({"author": "Ann Lee"}, "author", Page(authors=("Bo Ek",)), "wrong"),
        ({"author": "Ann Lee"}, "author", Page(authors=("",)), "missing"),
        ({"published_date": "2024-05-01"}, "date", Page(published_date="2024-05-01"), "right"),
        ({"date": "2024-05-01"}, "date", Page(published_date="2024-01-05"), "wrong"),
    ],
)
def test_a_field_is_right_wrong_or_missing(gold: dict[str, Any], field: str, page: Page, expected: str | None) -> None:
    assert judge_field(gold, field, page) == expected


def test_shares_of_verdicts_are_of_the_pages_whose_field_is_known() -> None:
    golds = [{"file": name, "title": title} for name, title in (("a", "One"), ("b", "Two"), ("c", None), ("d", "Four"))]
    scores = score_pages(golds, {"a": Page(title="One"), "b": Page(title="One"), "c": Page(title="Three")})
    assert [scores[f"title_{verdict}"] for verdict in ("right", "wrong", "missing")] == [1 / 3, 1 / 3, 1 / 3]
    assert "author_right" not in scores


def test_lines_are_scored_by_what_is_left() -> None:
    long_line = "A long paragraph that an extractor may join with the next one."
    labelled = [
        {"text": "Share  this", "label": "boilerplate"},
        {"text": "Read more", "label": "boilerplate"},
        {"text": "Kept.", "label": "content"},
        {"text": long_line, "label": "content"},
        {"text": "Lost line", "label": "content"},
        {"text": "Who knows", "label": "unsure"},
        {"text": "  ", "label": "content"},
    ]
    scores = lines.score_lines([(labelled, f"Kept.\nRead more\n{long_line} And another.")])
    assert (scores["boilerplate_lines"], scores["content_lines"]) == (2, 3)
    assert (scores["cut_precision"], scores["cut_recall"], scores["cut_f1"]) == (0.5, 0.5, 0.5)
    assert scores["content_lines_lost"] == pytest.approx(1 / 3)
    assert scores["content_characters_lost"] == 9 / (9 + 5 + len(long_line))


def test_answers_are_scored_by_length_and_trust() -> None:
    golds = [
        {"id": "1", "length": "document", "language": "sr-Latn", "text": "t"},
        {"id": "2", "length": "document", "language": "nb", "text": "t"},
        {"id": "3", "length": "document", "language": "de", "text": "t"},
        {"id": "4", "length": "document", "language": "da", "text": "t"},
        {"id": "5", "length": "sentence", "language": "he", "text": "t"},
    ]
    answers = {"1": ("sr", 0.95), "2": ("no", 0.5), "3": ("nl", 0.99), "5": ("iw", 1.0)}
    assert score_answers(golds, answers) == {
        "sentence": 1.0, "paragraph": None, "document": 0.5, "sure": 0.5, "right_when_sure": 0.5,
    }  # fmt: skip


def test_texts_for_timing_are_cut_from_the_documents_of_a_language() -> None:
    golds = [{"id": str(n), "length": "document", "language": "de", "text": "x" * 1500} for n in range(2)]
    golds += [{"id": "e", "length": "document", "language": "en", "text": "x" * 1500}]
    assert [len(text) for text in timed_texts(golds)] == [2000]


def test_clusters_are_scored_by_their_pairs() -> None:
    golds = [{"id": name, "cluster": cluster} for name, cluster in zip("abcde", ["1", "1", "1", "2", "3"], strict=True)]
    # Three true pairs, ab ac bc; predicted are ab and de.
    scores = score_clusters(golds, {"a": "x", "b": "x", "c": "y", "d": "z", "e": "z"})
    assert [scores["pair_precision"], scores["pair_recall"], scores["pair_f1"]] == pytest.approx([1 / 2, 1 / 3, 0.4])
    assert scores["quotes_apart"] is None


def test_a_text_without_a_label_is_in_no_pair() -> None:
    golds = [{"id": "a", "cluster": "1"}, {"id": "b", "cluster": "1"}]
    assert score_clusters(golds, {"a": "x"})["pair_recall"] == 0.0


def test_a_text_that_quotes_another_stands_alone() -> None:
    golds = [{"id": name, "cluster": name, "edit": "quotehost"} for name in "ab"]
    golds.append({"id": "c", "cluster": "c", "edit": "base"})
    assert score_clusters(golds, {"a": "x", "b": "y", "c": "x"})["quotes_apart"] == 0.5


def test_a_sample_is_spread_and_keeps_clusters_whole() -> None:
    items = [{"id": n, "cluster": str(n % 4)} for n in range(8)]
    assert [item["id"] for item in datasets.evenly(items, 2)] == [0, 4, 2, 6]
    assert datasets.evenly(items, 4) == items


def test_tables_replace_those_between_the_markers_and_nothing_else() -> None:
    readme = f"# Title\n{quality.BEGIN}\nold\n{quality.END}\ntail\n"
    once = quality.with_tables(readme, "| new |")
    assert once == f"# Title\n{quality.BEGIN}\n| new |\n{quality.END}\ntail\n"
    assert quality.with_tables(once, "| new |") == once
    assert quality.has_markers(once)
    assert not quality.has_markers(f"{quality.END}{quality.BEGIN}")


def test_medians_and_means_are_compared_with_the_yardstick() -> None:
    cpu = tables.compare_cpu({"a": [0.001, 0.002, 0.006], "b": [0.004, 0.004, 0.004]}, "b")["a"]
    assert cpu == pytest.approx({"median_ms": 2, "mean_ms": 3, "median_ratio": 0.5, "mean_ratio": 0.75})


def test_the_product_is_run_on_the_files_and_its_documents_are_scored(tmp_path: Path) -> None:
    pages = tmp_path / "data" / "lines" / "pages"
    pages.mkdir(parents=True)
    content = ["The river rose by a metre overnight.", "Nobody was hurt, the mayor said on Monday."]
    (pages / "one.txt").write_text("\n".join([*content, "Share on Facebook"]), encoding="utf-8")
    (pages / "two.txt.gz").write_bytes(gzip.compress("\n".join(content[::-1]).encode()))
    labelled = [{"text": text, "label": "content"} for text in content]
    golds = [
        {"file": "one.txt", "lines": [*labelled, {"text": "Share on Facebook", "label": "boilerplate"}]},
        {"file": "two.txt.gz", "lines": labelled},
    ]
    (pages.parent / "gold.jsonl").write_text("".join(json.dumps(gold) + "\n" for gold in golds), encoding="utf-8")
    results = lines.measure(Bench(tmp_path / "data", tmp_path / "scratch"))
    assert results["files"] == 2
    assert results["millstream"] == {
        "boilerplate_lines": 1, "content_lines": 4, "cut_precision": 1.0, "cut_recall": 1.0, "cut_f1": 1.0,
        "content_lines_lost": 0.0, "content_characters_lost": 0.0,
    }  # fmt: skip
    assert "| millstream | 1.000 | 1.000 | 1.000 | 0.00 |" in lines.tables(results)


def test_both_sets_of_near_duplicates_are_in_the_table() -> None:
    scores = {"pair_precision": 1.0, "pair_recall": 0.5, "pair_f1": 2 / 3, "quotes_apart": None}
    duplicates = importlib.import_module("benchmarks.duplicates")
    names = [duplicates.MILLSTREAM, *duplicates.RECIPES]
    table = duplicates.tables({name: {"texts": 7} | dict.fromkeys(names, scores) for name in SETS})
    assert table.splitlines()[2] == "| millstream | .667 (1.000, .500) | – | .667 (1.000, .500) | – |"
