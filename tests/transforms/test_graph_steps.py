"""The PTransforms one by one, on the local runner, with exact contents."""

from __future__ import annotations

import dataclasses
import datetime as dt
import gzip
import hashlib
import pickle
import random
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow.parquet as pq
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.util import assert_that, equal_to

from pipeline.plan import write_plan
from schemas.records import Cleaned, Quarantined, RawRecord
from tests.hostile import misbehave
from tests.transforms.staging import PROVENANCE, document, quarantined, rejection, renumbered, staged
from transforms import clean_documents, read_files
from transforms.clean_documents import CleanDocuments
from transforms.count_shared import ROW_SHARED, CountSharedParagraphs
from transforms.deduplicate import ROW_VERDICT, SURVIVOR, Deduplicate, keys_of_shard
from transforms.formats.read import Columns, InputFile, ReadLimits
from transforms.read_files import ReadFiles, Reading, files_of_split, read_file, sha256_of
from transforms.shards import DROPPED, MARKS, Shard, sources_of
from transforms.stage_text import StageText
from transforms.text.cleaning_options import CleaningOptions
from transforms.text.duplicates import EXACT_DUPLICATE, NEAR_DUPLICATE, URL_DUPLICATE
from transforms.text.fingerprint import HashSpecError, fingerprint
from transforms.worker_pool import WorkerLimits

VOCABULARY = [f"{a}{b}{c}" for a in "bdfgklmnprst" for b in "aeiou" for c in "lmnrst"]


def essay(seed: int, words: int = 120) -> str:
    choose = random.Random(seed)
    return " ".join(choose.choice(VOCABULARY) for _ in range(words))


def pipeline() -> beam.Pipeline:
    return beam.Pipeline(runner=FnApiRunner())


# --- Read files


def test_the_files_of_a_split_are_read_in_order_and_counted(tmp_path: Path) -> None:
    for name, text in (("a.txt", "one"), ("b.jsonl", '{"text": "two"}\n{"text": "three"}'), ("c.txt", "four")):
        (tmp_path / name).write_text(text)
    a, b, c = (InputFile(str(tmp_path / name), ordinal=at) for at, name in ((4, "a.txt"), (5, "b.jsonl"), (9, "c.txt")))
    plan = str(tmp_path / "plan.parquet")
    write_plan(plan, [[a, b], [c]])
    assert files_of_split(plan, 1) == [c]
    with pipeline() as p:
        read = p | beam.Create([0, 1]) | ReadFiles(plan, ReadLimits(), Columns())
        contents = read.records | beam.MapTuple(lambda key, item: (key, item.number, item.content))
        tallies = read.tallies | beam.MapTuple(lambda split, tally: (split, tally.file, tally.items, tally.sha256))
        expected = [((0, 4), 1, b"one"), ((0, 5), 1, b"two"), ((0, 5), 2, b"three"), ((1, 9), 1, b"four")]
        assert_that(contents, equal_to(expected), "records")
        expected_tallies = [
            (split, file, items, hashlib.sha256(Path(file.uri).read_bytes()).hexdigest())
            for split, file, items in ((0, a, 1), (0, b, 2), (1, c, 1))
        ]
        assert_that(tallies, equal_to(expected_tallies), "tallies")


@pytest.mark.parametrize("held", [0, 1 << 20])
def test_the_hash_of_a_file_is_of_its_bytes_as_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: int
) -> None:
    monkeypatch.setattr(read_files, "HELD_BYTES", held)
    packed = gzip.compress(b'{"text": "one"}\n{"text": "two"}')
    (tmp_path / "a.jsonl.gz").write_bytes(packed)
    reading = Reading(InputFile(str(tmp_path / "a.jsonl.gz"), len(packed)))
    records = [item for item in reading.items(ReadLimits(), Columns()) if isinstance(item, RawRecord)]
    assert [record.content for record in records] == [b"one", b"two"]
    assert reading.sha256 == sha256_of(str(tmp_path / "a.jsonl.gz")) == hashlib.sha256(packed).hexdigest()


def test_a_file_that_is_not_there_any_more_is_quarantined(tmp_path: Path) -> None:
    reading = Reading(InputFile(str(tmp_path / "gone.txt")))
    (row,) = reading.items(ReadLimits(), Columns())
    assert [row] == list(read_file(InputFile(str(tmp_path / "gone.txt")), ReadLimits(), Columns()))
    assert reading.sha256 is None
    assert isinstance(row, Quarantined)
    assert (row.error_class, row.stage, row.retryable) == ("unreadable", "read", True)
    assert "gone.txt" in row.error_message


# --- Clean documents


@pytest.mark.parametrize("window", [1, 3, 512])
def test_results_come_in_the_order_of_the_records(monkeypatch: pytest.MonkeyPatch, window: int) -> None:
    monkeypatch.setattr(clean_documents, "WINDOW_RECORDS", window)
    items: list[Any] = [RawRecord(f"{n:02}", 1, essay(n).encode(), "text/plain") for n in range(10)]
    items[3] = RawRecord("03", 1, b"SEGFAULT", "text/plain")
    items[6] = rejection("06")
    limits = WorkerLimits(workers=2, timeout_seconds=10)
    with pipeline() as p:
        results = p | beam.Create([[((0, 0), item) for item in items]]) | beam.FlatMap(lambda pairs: pairs)
        cleaned = results | CleanDocuments(CleaningOptions(), limits, misbehave)
        kinds = cleaned | beam.MapTuple(lambda _, result: kind(result))
        assert_that(kinds | beam.combiners.ToList(), in_order([f"{n:02}" for n in range(10)]))


def kind(result: Any) -> tuple[str, str]:
    row = result.document if isinstance(result, Cleaned) else result
    return row.source_uri, type(row).__name__


def in_order(uris: list[str]) -> Any:
    kinds = ["Document"] * 10
    kinds[3], kinds[6] = "Quarantined", "Rejection"

    def check(lists: list[list[tuple[str, str]]]) -> None:
        assert lists == [list(zip(uris, kinds, strict=True))]

    return check


# --- Stage text


def test_each_split_is_staged_as_one_shard_with_its_provenance(tmp_path: Path) -> None:
    results = [
        ((0, 7), document("a", "text a")),
        ((0, 8), rejection("b")),
        ((1, 9), quarantined("c")),
        ((1, 9), document("d", "text d")),
        ((1, 9), document("e", "text e")),
    ]

    def check(shards: list[Shard]) -> None:
        first, second = sorted(shards, key=lambda shard: shard.split)
        assert [(shard.split, shard.documents, shard.text_bytes) for shard in (first, second)] == [
            (0, 1, 6),
            (1, 2, 12),
        ]
        assert [name for name, _ in first.files] == ["documents", "rejects", MARKS]
        assert [name for name, _ in second.files] == ["documents", "quarantine", MARKS]
        assert [sources_of(shard).tolist() for shard in (first, second)] == [
            [(7, 1, None), (8, 0, None)],
            [(9, 2, None)],
        ]
        (documents,), (marks,) = first.paths("documents"), first.paths(MARKS)
        (row,) = pq.read_table(documents).to_pylist()
        said = (row["text"], row["run_id"], row["pipeline_version"], row["config_sha256"])
        assert said == ("text a", "run-1", "0.0", "c0")
        assert pq.read_table(marks)["doc_id"].to_pylist() == ["id-a"]

    with pipeline() as p:
        pairs = p | beam.Create([results]) | beam.FlatMap(lambda all_pairs: all_pairs)
        assert_that(pairs | StageText(str(tmp_path), PROVENANCE), check)


# --- Deduplicate


def stage(folder: Path, splits: list[list[str]]) -> list[Shard]:
    """The shards of some texts, each in a file of its own."""
    texts = [(split, row, text) for split, of_split in enumerate(splits) for row, text in enumerate(of_split)]
    return staged(
        folder,
        [((split, at), document(f"{split}-{row}", text)) for at, (split, row, text) in enumerate(texts)],
    )


def verdict_rows(split: int, data: bytes) -> list[tuple[Any, ...]]:
    columns = ["row", "kind", "survivor", "duplicates"]
    return [(split, *row[columns].tolist()) for row in np.frombuffer(data, ROW_VERDICT)]


@pytest.mark.parametrize("partitions", [1, 7, 64])
def test_a_loser_names_its_survivor_across_shards(tmp_path: Path, partitions: int) -> None:
    changed = essay(2).split()
    changed[5] = "otherwise"
    shards = stage(
        tmp_path, [[essay(1), essay(2), "short text"], [essay(3), essay(1)], [" ".join(changed), "Short  text!"]]
    )
    with pipeline() as p:
        rows = p | beam.Create(shards) | Deduplicate(partitions) | beam.FlatMapTuple(verdict_rows)
        assert_that(
            rows,
            equal_to(
                [
                    (0, 0, SURVIVOR, b"id-0-0", 1),
                    (0, 1, SURVIVOR, b"id-0-1", 1),
                    (0, 2, SURVIVOR, b"id-0-2", 1),
                    (1, 1, EXACT_DUPLICATE, b"id-0-0", 0),
                    (2, 0, NEAR_DUPLICATE, b"id-0-1", 0),
                    (2, 1, EXACT_DUPLICATE, b"id-0-2", 0),
                ]
            ),
        )


def test_what_is_shuffled_says_where_the_keys_stand(tmp_path: Path) -> None:
    (shard,) = stage(tmp_path, [[essay(n, words=1000) for n in range(20)]])
    ranges = dict(keys_of_shard(shard, 8, "first"))
    assert set(ranges) == set(range(8))
    assert sum(each.size for each in ranges.values()) == 20 * 43 * 20
    assert {Path(each.path).stat().st_size for each in ranges.values()} == {20 * 43 * 20}
    assert all(len(pickle.dumps(each)) < 500 for each in ranges.values())
    assert list(keys_of_shard(dataclasses.replace(shard, folder="nowhere", documents=0), 8, "first")) == []


@pytest.mark.parametrize(("keep", "survivor"), [("first", b"id-0-0"), ("longest", b"id-1-0"), ("newest", b"id-1-1")])
def test_a_cluster_keeps_what_it_is_told_to(tmp_path: Path, keep: str, survivor: bytes) -> None:
    text, days = essay(1), [dt.date(2024, 5, 1), None, dt.date(2024, 5, 2)]
    versions = [document(f"{n // 2 + n % 2}-{n // 2}", f"{text}{'!' * (n == 1)}") for n in range(3)]
    dated = [
        dataclasses.replace(
            each,
            document=dataclasses.replace(each.document, published_date=day, char_count=len(each.document.text)),
        )
        for each, day in zip(versions, days, strict=True)
    ]
    pairs = [((0, 0), dated[0]), ((1, 1), dated[1]), ((1, 2), dated[2])]
    with pipeline() as p:
        rows = p | beam.Create(staged(tmp_path, pairs)) | Deduplicate(3, keep) | beam.FlatMapTuple(verdict_rows)
        losers = rows | beam.Filter(lambda row: row[2] != SURVIVOR) | beam.Map(lambda row: row[3])
        assert_that(losers, equal_to([survivor] * 2))


def test_captures_of_one_page_across_shards(tmp_path: Path) -> None:
    halves = [essay(1), essay(2), essay(3)]
    first, second, elsewhere = (
        Cleaned(document(uri, text).document, fingerprint(text, url))
        for uri, text, url in (
            ("a", f"{halves[0]}\n{halves[1]}", "https://example.org/story"),
            ("b", f"{halves[0]}\n{halves[2]}", "http://www.example.org/story/?utm_source=x"),
            ("c", f"{halves[1]}\n{halves[2]}", "https://example.org/other"),
        )
    )
    pairs = [((0, 0), first), ((1, 1), elsewhere), ((2, 2), second)]
    with pipeline() as p:
        rows = p | beam.Create(staged(tmp_path, pairs)) | Deduplicate(3) | beam.FlatMapTuple(verdict_rows)
        assert_that(rows, equal_to([(0, 0, SURVIVOR, b"id-a", 1), (2, 0, URL_DUPLICATE, b"id-a", 0)]))


def test_of_equals_the_first_in_the_input_is_kept_whichever_shard_it_stands_in(tmp_path: Path) -> None:
    old, new = stage(tmp_path, [[essay(1), essay(2), essay(3)], [essay(1), essay(2)]])
    shards = [renumbered(old, [1, 2, 4]), renumbered(new, [0, 3])]
    with pipeline() as p:
        rows = p | beam.Create(shards) | Deduplicate(3) | beam.FlatMapTuple(verdict_rows)
        expected = [
            (0, 0, EXACT_DUPLICATE, b"id-1-0", 0),
            (0, 1, SURVIVOR, b"id-0-1", 1),
            (1, 0, SURVIVOR, b"id-1-0", 1),
            (1, 1, EXACT_DUPLICATE, b"id-0-1", 0),
        ]
        assert_that(rows, equal_to(expected))


def test_documents_of_dropped_files_are_compared_with_none(tmp_path: Path) -> None:
    old, new = stage(tmp_path, [[essay(1), essay(1), essay(2)], [essay(1), essay(2)]])
    shards = [renumbered(old, [DROPPED, 0, DROPPED]), renumbered(new, [1, 2])]
    with pipeline() as p:
        rows = p | beam.Create(shards) | Deduplicate(3) | beam.FlatMapTuple(verdict_rows)
        assert_that(rows, equal_to([(0, 1, SURVIVOR, b"id-0-1", 1), (1, 0, EXACT_DUPLICATE, b"id-0-1", 0)]))


def test_signatures_of_another_specification_are_refused(tmp_path: Path) -> None:
    (shard,) = stage(tmp_path, [[essay(1)]])
    (fingerprints,) = shard.paths(MARKS)
    old = pq.read_table(fingerprints).replace_schema_metadata({"hash_spec": "millstream-0"})
    pq.write_table(old, fingerprints)
    with pytest.raises(HashSpecError, match=r"fingerprints\.parquet .*'millstream-0'.* run into a new output"):
        list(keys_of_shard(shard, 8, "first"))


# --- Count shared paragraphs


@pytest.mark.parametrize("partitions", [1, 5])
def test_paragraphs_of_rejected_documents_are_not_shared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, partitions: int
) -> None:
    monkeypatch.setattr("transforms.count_shared.KEYED_ROWS", 1)
    a, b, c, d = (essay(seed, words=20) for seed in range(4))
    shards = stage(tmp_path, [[f"{a}\n{b}\nshort", f"{c}\n{c}"], [f"{a}\n{d}", f"{b}\n{c}"]])
    verdict = np.zeros(1, ROW_VERDICT)
    verdict["row"], verdict["kind"] = 1, EXACT_DUPLICATE
    with pipeline() as p:
        inputs = {"shards": p | beam.Create(shards), "verdicts": p | "V" >> beam.Create([(0, verdict.tobytes())])}
        counted = inputs | CountSharedParagraphs(partitions)
        rows = counted | beam.FlatMapTuple(
            lambda split, data: [(split, *r) for r in np.frombuffer(data, ROW_SHARED).tolist()]
        )
        summed = rows | beam.Map(lambda row: (row[:2], row[2])) | beam.CombinePerKey(sum)
        assert_that(summed, equal_to([((0, 0), len(a) + len(b)), ((1, 0), len(a)), ((1, 1), len(b))]))


def test_paragraphs_of_dropped_files_are_not_shared(tmp_path: Path) -> None:
    (shard,) = stage(tmp_path, [[essay(1, words=20)] * 3 + [essay(2, words=20)] * 2])
    renumbered(shard, [0, DROPPED, 1, 2, DROPPED])
    with pipeline() as p:
        inputs = {"shards": p | beam.Create([shard]), "verdicts": p | "V" >> beam.Create([])}
        rows = (
            inputs
            | CountSharedParagraphs(2)
            | beam.FlatMapTuple(lambda _, data: np.frombuffer(data, ROW_SHARED).tolist())
        )
        assert_that(rows, equal_to([(row, len(essay(1, words=20))) for row in (0, 2)]))
