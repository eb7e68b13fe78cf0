"""What becomes of the rows of a shard when it is published, with exact contents."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from schemas.parquet import to_table
from schemas.records import Document, Rejection
from tests.transforms.staging import document, quarantined, rejection, renumbered, staged
from transforms import publish
from transforms.deduplicate import ROW_VERDICT, SURVIVOR
from transforms.parquet_sink import ParquetSink
from transforms.publish import groups_of_splits, split_duplicates, with_shared_ratio
from transforms.shards import DROPPED, DUPLICATES, MARKS, Shard
from transforms.text.duplicates import NEAR_DUPLICATE
from transforms.worker_pool import Result


def test_the_shared_share_is_of_the_characters_without_line_ends() -> None:
    texts = ["0123456789\n\n0123456789", "", "ไทย\nไทย"]
    documents = to_table(Document, [document(str(n), text).document for n, text in enumerate(texts)])
    shared = np.array([10, 0, 6], np.uint32)
    assert with_shared_ratio(documents, shared)["shared_paragraph_ratio"].to_pylist() == [0.5, 0.0, 1.0]


def shards_of_sizes(sizes: list[int], groups: dict[int, str]) -> list[Shard]:
    return [Shard(split, "", 1, size, (), "", group=groups.get(split, "")) for split, size in enumerate(sizes)]


def test_neighbouring_splits_are_grouped_until_their_text_fills_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish, "GROUP_TEXT_BYTES", 100)
    shards = shards_of_sizes([40, 40, 40, 500, 10, 0], {})
    expected = {0: 0, 1: 0, 2: 1, 3: 2, 4: 3, 5: 3}
    assert groups_of_splits(shards) == groups_of_splits(shards[::-1]) == expected


def test_what_is_full_stays_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish, "GROUP_TEXT_BYTES", 100)
    monkeypatch.setattr(publish, "FULL_TEXT_BYTES", 50)
    shards = shards_of_sizes([60, 30, 50, 49, 5], {2: "full", 3: "small", 4: "small too"})
    expected = {1: 0, 3: 0, 4: 0, 0: 1, 2: 2}
    assert groups_of_splits(shards) == groups_of_splits(shards[::-1]) == expected


def test_duplicates_are_divided_from_what_stays_and_survivors_count_them() -> None:
    documents = to_table(Document, [document(str(n), f"text {n}").document for n in range(5)])
    verdicts = np.zeros(2, ROW_VERDICT)
    verdicts[0] = (1, SURVIVOR, b"id-1", 0, 1)
    verdicts[1] = (3, NEAR_DUPLICATE, b"id-1", 0.75, 0)
    is_live = np.array([True, True, True, True, False])
    kept, duplicates, stays = split_duplicates(documents, verdicts, is_live)
    assert kept["doc_id"].to_pylist() == ["id-0", "id-1", "id-2"]
    assert kept["duplicate_count"].to_pylist() == [0, 1, 0]
    assert duplicates["doc_id"].to_pylist() == ["id-3"]
    assert stays.tolist() == [True, True, True, False, False]


def test_every_live_row_of_a_shard_is_published_and_a_duplicate_as_a_reject_too(tmp_path: Path) -> None:
    results: list[Result] = [document("a", "text a"), rejection("b"), quarantined("c")]
    results += [document("d", "text d"), document("e", "text e")]
    (shard,) = staged(tmp_path, [((0, at), result) for at, result in enumerate(results)])
    renumbered(shard, [0, 1, 2, 3, DROPPED])
    verdicts = np.zeros(2, ROW_VERDICT)
    verdicts[0] = (0, SURVIVOR, b"id-a", 0, 1)
    verdicts[1] = (1, NEAR_DUPLICATE, b"id-a", 0.75, 0)
    (decided,) = publish._decided([shard], [(0, verdicts.tobytes())], [])
    found: dict[str, list[dict[str, Any]]] = {}
    for partition, table in publish.rows_of_shard(decided):
        found.setdefault(partition, []).extend(table.to_pylist())
    ids = {partition: [row["doc_id"] for row in of_partition] for partition, of_partition in found.items()}
    assert ids == {
        "documents/lang=und": ["id-a"],
        "rejects": ["id-b", "id-d"],
        "quarantine": ["c"],
        MARKS: ["id-a", "id-d"],
        DUPLICATES: ["id-d"],
    }
    assert [row["partition"] for row in found[MARKS]] == ["documents/lang=und", DUPLICATES]
    row = found["rejects"][1]
    assert (row["kept_doc_id"], row["reason"], row["similarity"]) == ("id-a", "near_duplicate", 0.75)
    assert (row["text"], row["stage"], row["run_id"]) == ("text d", "deduplicate", "run-1")
    assert found[DUPLICATES][0]["duplicate_count"] == 0


def test_the_sink_bounds_what_it_buffers_and_rolls_large_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transforms.parquet_sink.BUFFERED_BYTES", 20_000)
    monkeypatch.setattr("transforms.parquet_sink.FILE_BYTES", 30_000)
    sink = ParquetSink(str(tmp_path), "run-00000", is_sorted=True)
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


@pytest.mark.parametrize("is_sorted", [True, False])
def test_a_file_says_that_it_is_sorted_where_its_rows_are(tmp_path: Path, is_sorted: bool) -> None:
    sink = ParquetSink(str(tmp_path), "run-00000", is_sorted=is_sorted)
    sink.write("documents/lang=en", to_table(Document, [document("u", "text").document]))
    sink.write("rejects", to_table(Rejection, [rejection("u")]))
    by_folder = {file.path.split("/")[0]: pq.read_metadata(file.staged).row_group(0) for file in sink.close()}
    assert [column.column_index for column in by_folder["documents"].sorting_columns] == [1] * is_sorted
    assert list(by_folder["rejects"].sorting_columns) == []
