"""The scorers of the benchmarks, beside figures that were worked out by hand."""

from __future__ import annotations

import doctest
import gzip
import importlib
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks import corpus, datasets, extraction, fit_main_blocks, lines, measuring, quality, tables
from benchmarks.datasets import Bench
from benchmarks.duplicates import SETS, score_clusters
from benchmarks.extractors import GIVES_METADATA, UNSEEN, UNSTRIPPED, YARDSTICK, extractors
from benchmarks.language import score_answers, timed_texts
from benchmarks.page_scores import Page, judge_field, overlap, score_pages, shingles, words
from tests.pipeline.running import run

MODULES = ["corpus", "datasets", "duplicates", "language", "lines", "measuring", "page_scores", "scale", "tables"]


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
        ({"title": None}, "title", Page(title="Rain"), "invented"),
        ({"title": None}, "title", Page(title=" "), "blank"),
        ({"author": None}, "author", Page(authors=("Ann Lee",)), "invented"),
        ({"published_date": None}, "date", Page(published_date="2024-05-01"), "invented"),
        ({}, "date", Page(published_date="2024-05-01"), None),
        ({"author": ""}, "author", Page(authors=("Ann Lee",)), None),
        ({"author": ["Ann Lee", "Bo Ek"]}, "author", Page(authors=("Bo Ek", "Ann Lee")), "right"),
        ({"author": "Ann Lee"}, "author", Page(authors=("Bo Ek",)), "wrong"),
        ({"author": "Ann Lee"}, "author", Page(authors=("",)), "missing"),
        ({"published_date": "2024-05-01"}, "date", Page(published_date="2024-05-01"), "right"),
        ({"date": "2024-05-01"}, "date", Page(published_date="2024-01-05"), "wrong"),
    ],
)
def test_a_field_is_right_wrong_missing_or_invented(
    gold: dict[str, Any], field: str, page: Page, expected: str | None
) -> None:
    assert judge_field(gold, field, page) == expected


def test_shares_of_verdicts_are_of_the_pages_with_a_value_and_of_those_without() -> None:
    titles = {"a": "One", "b": "Two", "c": None, "d": "Four", "e": None}
    golds: list[dict[str, Any]] = [{"file": name, "title": title} for name, title in titles.items()]
    scores = score_pages([*golds, {"file": "f"}], {name: Page(title="One") for name in "abcf"})
    assert [scores[f"title_{verdict}"] for verdict in ("right", "wrong", "missing")] == [1 / 3, 1 / 3, 1 / 3]
    assert scores["title_invented"] == 1 / 2
    assert not {"author_right", "author_invented"} & set(scores)


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
    begin, end = tables.markers("quality")
    readme = f"# Title\n{begin}\nold\n{end}\ntail\n"
    once = tables.with_section(readme, "quality", "| new |")
    assert once == f"# Title\n{begin}\n| new |\n{end}\ntail\n"
    assert tables.with_section(once, "quality", "| new |") == once
    assert tables.has_section(once, "quality")
    assert not tables.has_section(f"{end}{begin}", "quality")


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


def extraction_results(*, unseen: bool) -> dict[str, Any]:
    kinds = {f"word_f1_{kind}": 0.5 for kind in ("all", *extraction.KINDS)}
    verdicts = {f"{field}_{verdict}": 0.25 for field in ("title", "author", "date") for verdict in extraction.VERDICTS}
    shipped = {"shingle_f1": 0.9, "snippet_f1": 0.9, "snippets_kept_out": 0.9, "without_text": 0.0, **kinds, **verdicts}
    honest = {name: value - 0.125 for name, value in shipped.items()} | {"without_text": 0.0}
    rows = dict.fromkeys(extractors(), shipped) | ({UNSEEN: honest} if unseen else {})
    return {
        "scores": {data_set: {"pages": 2} | rows for data_set in extraction.SETS},
        "cpu": {name: {"median_ratio": 1.0, "mean_ratio": 1.0} for name in extractors()},
    }


def first_cells(table: str) -> list[str]:
    return [line.split("|")[1].strip() for line in table.splitlines()[2:]]


def test_the_first_row_is_of_sites_unseen_where_the_trees_were_fitted_on_the_pages() -> None:
    text, note, kinds, metadata = extraction.tables(extraction_results(unseen=True)).split("\n\n")
    head = [UNSEEN, "millstream, fitted on these pages", f"{UNSTRIPPED}, sites unseen", YARDSTICK]
    assert first_cells(text)[:4] == first_cells(kinds)[:4] == head
    assert (text.splitlines()[2].split("|")[3].strip(), text.splitlines()[3].split("|")[3].strip()) == (".375", ".500")
    assert note == extraction.NOTE
    assert "| 12.5 / 12.5 / 12.5 / 12.5 |" in metadata.splitlines()[2]


def test_where_the_trees_have_seen_nothing_the_product_stands_alone() -> None:
    text, kinds, metadata = extraction.tables(extraction_results(unseen=False)).split("\n\n")
    assert first_cells(text) == first_cells(kinds) == list(extractors())
    assert first_cells(metadata) == list(GIVES_METADATA)


def test_the_shipped_trees_know_the_pages_they_were_fitted_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gold = tmp_path / "data" / "articles" / "gold.jsonl"
    gold.parent.mkdir(parents=True)
    gold.write_text('{"file": "a.html", "text": "The mill stood still."}\n', encoding="utf-8")
    assert not fit_main_blocks.is_fitted_on(tmp_path / "data")
    trees = tmp_path / "trees.json"
    monkeypatch.setattr(fit_main_blocks, "TREES", trees)
    data = {"bias": 0.0, "evidence": [], "fitted_on": datasets.fingerprints(tmp_path / "data"), "trees": []}
    trees.write_text(fit_main_blocks.as_json(data), encoding="utf-8")
    assert fit_main_blocks.is_fitted_on(tmp_path / "data")
    gold.write_text('{"file": "b.html", "text": "The mill turned."}\n', encoding="utf-8")
    assert not fit_main_blocks.is_fitted_on(tmp_path / "data")


def test_a_copy_of_the_product_differs_in_its_trees_alone(tmp_path: Path) -> None:
    page = tmp_path / "data" / "articles" / "pages" / "a.html"
    page.parent.mkdir(parents=True)
    page.write_text("<html><body><p>The mill stood still.</p><p>Its owner slept.</p></body></html>", encoding="utf-8")
    trees = json.loads((datasets.ROOT / datasets.TREES).read_text(encoding="utf-8"))
    for tree in trees["trees"]:  # nothing is content but the first block
        tree["questions"] = [[trees["evidence"].index("position"), 0.25]] * len(tree["questions"])
        tree["leaves"] = [1.0, *[-1.0] * (len(tree["leaves"]) - 1)]
    bench = Bench(tmp_path / "data", tmp_path / "scratch").with_trees(fit_main_blocks.as_json(trees), "first")
    assert bench.clean_pages("articles", [{"file": "a.html"}])["a.html"]["text"] == "The mill stood still."


@pytest.mark.parametrize("shallow", [0, 1])
def test_trees_that_are_not_all_of_one_depth_are_refused(monkeypatch: pytest.MonkeyPatch, shallow: int) -> None:
    class Model:
        def __init__(self, **_: object) -> None: ...

        def fit(self, *_: object, **__: object) -> None: ...

        def save_model(self, path: str, **_: object) -> None:
            full = int(fit_main_blocks.SETTINGS["depth"])
            splits = [[{"float_feature_index": 0, "border": 0.5}] * depth for depth in (full, full - shallow)]
            trees = [{"splits": split, "leaf_values": [0.5] * 2 ** len(split)} for split in splits]
            Path(path).write_text(json.dumps({"oblivious_trees": trees, "scale_and_bias": [1, [0.0]]}), "utf-8")

    monkeypatch.setitem(sys.modules, "catboost", SimpleNamespace(CatBoostClassifier=Model))
    each = np.ones(3)
    example = fit_main_blocks.Example("articles", {"file": "a"}, "", np.ones((3, 1), np.float32), each, each)
    if shallow:
        with pytest.raises(ValueError, match=r"depths \[4, 5\]"):
            fit_main_blocks.fit(["words"], [example])
    else:
        assert len(fit_main_blocks.fit(["words"], [example])["trees"]) == 2


def test_a_page_is_in_the_fold_of_its_site() -> None:
    hosts = ["mill.example.org", "www.mill.example.org"]
    assert len({fit_main_blocks.fold_of({"file": host, "url": f"https://{host}/{host}"}) for host in hosts}) == 1
    folds = {fit_main_blocks.fold_of({"file": f"{number}.html"}) for number in range(50)}
    assert folds == set(range(fit_main_blocks.FOLDS))


def test_a_part_that_fails_loses_no_other_part_its_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: Bench) -> dict[str, Any]:
        raise RuntimeError("the mill stood still")

    parts = {
        "first": SimpleNamespace(measure=fail, tables=None),
        "second": SimpleNamespace(measure=lambda _: {"figure": 7}, tables=lambda found: f"| {found['figure']} |"),
    }
    readme, figures = tmp_path / "README.md", tmp_path / "results" / "quality.json"
    readme.write_text("\nold\n".join(tables.markers("quality")), encoding="utf-8")
    monkeypatch.setattr(quality, "PARTS", parts)
    monkeypatch.setattr(quality, "provenance", lambda _: {"python": "3", "machine": {"cores": 2, "cpu": "x"}})
    monkeypatch.setattr("sys.argv", ["quality", str(tmp_path), "--write", str(readme), "--results", str(figures)])
    with pytest.raises(SystemExit, match="no figures for: first"):
        quality.main()
    printed = capsys.readouterr()
    assert "| 7 |" in printed.out
    assert "the mill stood still" in printed.err
    assert json.loads(figures.read_text(encoding="utf-8"))["second"] == {"figure": 7}
    assert "old" in readme.read_text(encoding="utf-8")


def test_a_corpus_depends_on_its_seed_alone_and_repeats_what_it_says(tmp_path: Path) -> None:
    for name, seed in (("one", 1), ("same", 1), ("other", 2)):
        corpus.write_documents(tmp_path / name, 100, seed, "jsonl")
    contents = {name: (tmp_path / name).read_text(encoding="utf-8") for name in ("one", "same", "other")}
    assert contents["one"] == contents["same"] != contents["other"]
    texts = [json.loads(line)["text"].rsplit("\n", 1)[0] for line in contents["one"].splitlines()]
    assert len(set(texts)) == 99  # number 49 is the document of number 40; number 99 is one with its end changed
    assert texts[49] == texts[40]
    assert texts[19] != texts[0]
    assert texts[19].rsplit("\n", 1)[0] == texts[0].rsplit("\n", 1)[0]
    assert all(4500 < len(text) < 6500 for text in texts)


@pytest.mark.parametrize("form", ["jsonl", "warc", "parquet"])
def test_a_generated_corpus_is_cleaned_to_its_documents(tmp_path: Path, form: str) -> None:
    corpus.write_documents(tmp_path / f"in.{form}", 20, 1, form)
    result = run(tmp_path / f"in.{form}", output=tmp_path / "out")
    assert result.manifest["counts"]["documents"] == {"en": 19}
    assert result.manifest["counts"]["rejects"] == {"near_duplicate": 1}


def test_pages_are_copied_once_and_shuffled_from_then_on(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    page = b"<p>" + b" ".join(b"word%d" % number for number in range(30)) + b"</p><nav>Home</nav>"
    (tmp_path / "in" / "a.html.gz").write_bytes(gzip.compress(page))
    corpus.write_pages([tmp_path / "in" / "a.html.gz"], tmp_path / "out", 3)
    first, second, third = (path.read_bytes() for path in sorted((tmp_path / "out").iterdir()))
    assert first == page
    assert len({first, second, third}) == 3
    assert sorted(second.split(b"</p>")[0][3:].split()) == sorted(first.split(b"</p>")[0][3:].split())
    assert second.endswith(b"<nav>Home</nav>")


def test_what_a_command_starts_counts_as_well() -> None:
    burn = "import time\nend = time.process_time() + 0.5\nwhile time.process_time() < end: pass"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}], check=True)"
    cost = measuring.measure([sys.executable, "-c", parent])
    assert cost["cpu_s"] >= 0.5
    assert cost["peak_mib"] > 5
    with pytest.raises(SystemExit, match="no such luck"):
        measuring.measure([sys.executable, "-c", "raise SystemExit('no such luck')"])
