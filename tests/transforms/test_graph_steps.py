"""The PTransforms one by one, on the local runner, with exact contents."""

from __future__ import annotations

import dataclasses
import datetime as dt
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
from schemas.parquet import to_table
from schemas.records import Cleaned, Document, Quarantined, RawRecord, Rejection
from tests.hostile import misbehave
from transforms import clean_documents
from transforms.clean_documents import CleanDocuments
from transforms.count_shared import ROW_SHARED, CountSharedParagraphs
from transforms.deduplicate import ROW_VERDICT, SURVIVOR, Deduplicate, keys_of_shard
from transforms.formats.read import Columns, InputFile, ReadLimits
from transforms.parquet_sink import ParquetSink
from transforms.publish import groups_of_splits, split_duplicates, with_shared_ratio
from transforms.read_files import ReadFiles, files_of_split, read_file
from transforms.stage_text import Provenance, StagedShard, StageText
from transforms.text.clean import CleaningOptions
from transforms.text.duplicates import EXACT_DUPLICATE, NEAR_DUPLICATE, URL_DUPLICATE
from transforms.text.fingerprint import HashSpecError, fingerprint
from transforms.worker_pool import WorkerLimits

PROVENANCE = Provenance("run-1", "0.0", "c0")
VOCABULARY = [f"{a}{b}{c}" for a in "bdfgklmnprst" for b in "aeiou" for c in "lmnrst"]


def essay(seed: int, words: int = 120) -> str:
    choose = random.Random(seed)
    return " ".join(choose.choice(VOCABULARY) for _ in range(words))


def document(uri: str, text: str) -> Cleaned:
    made = Document(doc_id=f"id-{uri}", source_uri=uri, source_sha256="", media_type="", text=text, text_sha256="")
    return Cleaned(made, fingerprint(text))


def rejection(uri: str) -> Rejection:
    return Rejection(doc_id=f"id-{uri}", source_uri=uri, reason="empty", stage="decode")


def quarantined(uri: str) -> Quarantined:
    return Quarantined(doc_id=uri, source_uri=uri, error_class="parse", error_type="", error_message="", stage="x")


def pipeline() -> beam.Pipeline:
    return beam.Pipeline(runner=FnApiRunner())


# --- Read files


def test_the_files_of_a_split_are_read_in_order_and_counted(tmp_path: Path) -> None:
    for name, text in (("a.txt", "one"), ("b.jsonl", '{"text": "two"}\n{"text": "three"}'), ("c.txt", "four")):
        (tmp_path / name).write_text(text)
    a, b, c = (InputFile(str(tmp_path / name)) for name in ("a.txt", "b.jsonl", "c.txt"))
    plan = str(tmp_path / "plan.parquet")
    write_plan(plan, [[a, b], [c]])
    assert files_of_split(plan, 1) == [c]
    with pipeline() as p:
        read = p | beam.Create([0, 1]) | ReadFiles(plan, ReadLimits(), Columns())
        contents = read.records | beam.MapTuple(lambda split, item: (split, item.number, item.content))
        tallies = read.tallies | beam.MapTuple(lambda split, tally: (split, Path(tally.file.uri).name, tally.items))
        assert_that(contents, equal_to([(0, 1, b"one"), (0, 1, b"two"), (0, 2, b"three"), (1, 1, b"four")]), "records")
        assert_that(tallies, equal_to([(0, "a.txt", 1), (0, "b.jsonl", 2), (1, "c.txt", 1)]), "tallies")


def test_a_file_that_is_not_there_any_more_is_quarantined(tmp_path: Path) -> None:
    (row,) = read_file(InputFile(str(tmp_path / "gone.txt")), ReadLimits(), Columns())
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
        results = p | beam.Create([[(0, item) for item in items]]) | beam.FlatMap(lambda pairs: pairs)
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
    results = [(0, document("a", "text a")), (0, rejection("b")), (1, quarantined("c")), (1, document("d", "text d"))]
    with pipeline() as p:
        shards = p | beam.Create([results]) | beam.FlatMap(lambda pairs: pairs) | StageText(str(tmp_path), PROVENANCE)
        counts = shards | beam.Map(lambda shard: (shard.split, shard.documents, shard.rejects, shard.quarantine))
        assert_that(counts, equal_to([(0, 1, 1, 0), (1, 1, 0, 1)]))
    (first,) = tmp_path.glob("000000-*")
    (row,) = pq.read_table(first / "documents.parquet").to_pylist()
    assert (row["text"], row["run_id"], row["pipeline_version"], row["config_sha256"]) == (
        "text a",
        "run-1",
        "0.0",
        "c0",
    )
    assert pq.read_table(first / "fingerprints.parquet")["doc_id"].to_pylist() == ["id-a"]


# --- Deduplicate


def stage(folder: Path, splits: list[list[str]]) -> list[StagedShard]:
    pairs = [
        (number, document(f"{number}-{row}", text))
        for number, texts in enumerate(splits)
        for row, text in enumerate(texts)
    ]
    with pipeline() as p:
        _ = p | beam.Create([pairs]) | beam.FlatMap(lambda all_pairs: all_pairs) | StageText(str(folder), PROVENANCE)
    return [
        StagedShard(number, str(next(folder.glob(f"{number:06}-*"))), len(texts), 0, 0, 0)
        for number, texts in enumerate(splits)
    ]


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
    assert list(keys_of_shard(StagedShard(1, "nowhere", 0, 0, 0, 0), 8, "first")) == []


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
    pairs = [(0, dated[0]), (1, dated[1]), (1, dated[2])]
    with pipeline() as p:
        shards = p | beam.Create([pairs]) | beam.FlatMap(lambda each: each) | StageText(str(tmp_path), PROVENANCE)
        rows = shards | Deduplicate(3, keep) | beam.FlatMapTuple(verdict_rows)
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
    pairs = [(0, first), (1, elsewhere), (2, second)]
    with pipeline() as p:
        shards = p | beam.Create([pairs]) | beam.FlatMap(lambda each: each) | StageText(str(tmp_path), PROVENANCE)
        rows = shards | Deduplicate(3) | beam.FlatMapTuple(verdict_rows)
        assert_that(rows, equal_to([(0, 0, SURVIVOR, b"id-a", 1), (2, 0, URL_DUPLICATE, b"id-a", 0)]))


def test_signatures_of_another_specification_are_refused(tmp_path: Path) -> None:
    (shard,) = stage(tmp_path, [[essay(1)]])
    fingerprints = Path(shard.path("fingerprints"))
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


def test_the_shared_share_is_of_the_characters_without_line_ends() -> None:
    texts = ["0123456789\n\n0123456789", "", "ไทย\nไทย"]
    documents = to_table(Document, [document(str(n), text).document for n, text in enumerate(texts)])
    shared = np.array([(10, 10), (12, 3), (12, 3)], ROW_SHARED)
    assert with_shared_ratio(documents, shared, 10)["shared_paragraph_ratio"].to_pylist() == [0.5, 0.0, 1.0]


# --- Publish


def test_neighbouring_splits_are_grouped_until_their_text_fills_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transforms.publish.GROUP_TEXT_BYTES", 100)
    shards = [StagedShard(split, "", 1, 0, 0, size) for split, size in enumerate([40, 40, 40, 500, 10, 0])]
    expected = {0: 0, 1: 0, 2: 1, 3: 2, 4: 3, 5: 3}
    assert groups_of_splits(shards) == groups_of_splits(shards[::-1]) == expected


def test_duplicates_become_rejects_and_survivors_count_them() -> None:
    documents = to_table(Document, [document(str(n), f"text {n}").document for n in range(4)])
    verdicts = np.zeros(2, ROW_VERDICT)
    verdicts[0] = (11, SURVIVOR, b"id-1", 0, 1)
    verdicts[1] = (13, NEAR_DUPLICATE, b"id-1", 0.75, 0)
    kept, duplicates = split_duplicates(documents, verdicts, first_row=10)
    assert kept["doc_id"].to_pylist() == ["id-0", "id-1", "id-2"]
    assert kept["duplicate_count"].to_pylist() == [0, 1, 0]
    (row,) = duplicates.to_pylist()
    assert (row["doc_id"], row["kept_doc_id"], row["reason"]) == ("id-3", "id-1", "near_duplicate")
    assert (row["similarity"], row["text"], row["stage"]) == (0.75, "text 3", "deduplicate")


def test_the_sink_bounds_what_it_buffers_and_rolls_large_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transforms.parquet_sink.BUFFERED_BYTES", 20_000)
    monkeypatch.setattr("transforms.parquet_sink.FILE_BYTES", 30_000)
    sink = ParquetSink(str(tmp_path), "run-00000")
    for number in range(40):
        noise = random.Random(number).randbytes(2000).hex()
        sink.write(
            f"documents/lang={'en' if number % 4 else 'sq'}", to_table(Document, [document("u", noise).document])
        )
        assert sum(sink._sizes.values()) <= 20_000
    files = sink.close()
    assert [file.path for file in files] == sorted(file.path for file in files)
    assert sum(file.rows for file in files) == 40
    assert len([file for file in files if "lang=en" in file.path]) > 1
    for file in files:
        assert pq.read_table(file.staged).num_rows == file.rows
