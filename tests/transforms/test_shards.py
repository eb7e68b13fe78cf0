"""Where the rows of a shard stand, and how they are read back."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from schemas.parquet import to_table
from schemas.records import Document
from tests.transforms.staging import document, renumbered, staged
from transforms import shards
from transforms.shards import (
    DROPPED,
    DUPLICATES,
    FINGERPRINTS,
    MARKS,
    NO_NUMBER,
    SOURCE,
    Places,
    Shard,
    documents_of,
    documents_with_fingerprints,
    fingerprint_batches,
    look_up,
    numbers_of,
    write_sources,
)
from transforms.stage_text import fingerprint_table

ENGLISH, FRENCH = "documents/lang=en", "documents/lang=fr"


def published(folder: Path, partitions: Sequence[str], texts: Sequence[str] | None = None, split: int = 0) -> Shard:
    """A shard whose documents stand in these partitions, document `n` of file `n` named so."""
    made = [document(str(number), text) for number, text in enumerate(texts or map(str, range(len(partitions))))]
    made = [
        dataclasses.replace(each, document=dataclasses.replace(each.document, char_count=len(each.document.text)))
        for each in made
    ]
    files = []
    for name in sorted(set(partitions)):
        own = [each.document for each, partition in zip(made, partitions, strict=True) if partition == name]
        half = (len(own) + 1) // 2  # in two files, for a sink that has closed one of them
        for part, rows in enumerate((own[:half], own[half:])):
            files.append((name, write(folder / name / f"{part}.parquet", to_table(Document, rows))))
    marks = fingerprint_table(made)
    columns = {name: marks[name] for name in FINGERPRINTS.names} | {"partition": pa.array(partitions)}
    files.append((MARKS, write(folder / "marks.parquet", pa.table(columns, FINGERPRINTS))))
    sources = np.array([(number, 1, "NaT") for number in range(len(made))], SOURCE)
    return Shard(split, str(folder), len(made), 0, tuple(files), write_sources(str(folder / "sources.bin"), sources))


def write(path: Path, table: pa.Table) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)
    return str(path)


def ids(tables: Sequence[pa.Table]) -> list[list[str]]:
    return [[doc_id.removeprefix("id-") for doc_id in table["doc_id"].to_pylist()] for table in tables]


# --- documents


@pytest.mark.parametrize("batch", [1, 2, 3, 1000])
def test_documents_come_in_the_order_of_their_fingerprints_from_whichever_partition(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr(shards, "BATCH_ROWS", batch)
    shard = published(tmp_path, [FRENCH, ENGLISH, ENGLISH, DUPLICATES, FRENCH, ENGLISH, DUPLICATES])
    tables = list(documents_of(shard))
    assert list(itertools.chain(*ids(tables))) == list("0123456")
    assert {len(table) for table in tables[:-1]} <= {batch}
    for documents, marks in documents_with_fingerprints(shard):
        assert documents["doc_id"].to_pylist() == marks["doc_id"].to_pylist()


@pytest.mark.parametrize("batch", [2, 1000])
def test_a_patched_document_stands_in_the_place_of_the_former(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr(shards, "BATCH_ROWS", batch)
    shard = published(tmp_path, [FRENCH, ENGLISH, DUPLICATES, ENGLISH, FRENCH])
    anew = to_table(Document, [document(name, "patched").document for name in ("1", "4")])
    rows = pa.array([1, 4], pa.uint64())
    patch = write(tmp_path / "patch.parquet", anew.append_column(pa.field("row", pa.uint64(), False), rows))
    patched = pa.concat_tables(documents_of(dataclasses.replace(shard, patch=patch)))
    assert ids([patched]) == [list("01234")]
    assert patched["text"].to_pylist() == ["0", "patched", "2", "3", "patched"]


def test_documents_are_read_a_bounded_number_of_characters_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "BATCH_CHARS", 100)
    texts = [number * 10 * "x" for number in (4, 4, 4, 30, 1, 1, 9)]
    shard = published(tmp_path, [ENGLISH, FRENCH, ENGLISH, ENGLISH, FRENCH, ENGLISH, ENGLISH], texts)
    tables = list(documents_of(shard))
    assert ids(tables) == [["0", "1"], ["2"], ["3", "4", "5"], ["6"]]
    assert all(sum(map(len, table["text"].to_pylist()[1:])) < 100 for table in tables)  # beside one


def test_a_shard_that_lost_documents_is_not_read_as_if_it_were_whole(tmp_path: Path) -> None:
    shard = published(tmp_path, [ENGLISH, ENGLISH, ENGLISH])
    cut = dataclasses.replace(shard, files=shard.files[1:])
    with pytest.raises(RuntimeError, match="StopIteration"):
        list(documents_of(cut))


# --- numbers


def test_a_document_is_numbered_by_the_place_of_its_file_and_its_place_in_that(tmp_path: Path) -> None:
    results = [((0, ordinal), document(f"{ordinal}-{n}", "text")) for ordinal in (3, 5, 6) for n in range(2)]
    (shard,) = staged(tmp_path, results)
    assert numbers_of(shard).tolist() == [(ordinal << 32) + n for ordinal in (3, 5, 6) for n in range(2)]
    renumbered(shard, [2**32 - 2, DROPPED, 0])
    last = (2**32 - 2) << 32
    assert numbers_of(shard).tolist() == [last, last + 1, NO_NUMBER, NO_NUMBER, 0, 1]


def two_shards(folder: Path) -> tuple[list[Shard], dict[int, tuple[int, int, str]]]:
    """Two shards with a dropped file in the second, and by number the split, row and doc_id of each live document."""
    counts = {0: 2, 7: 1, 1: 1, 4: 3, 9: 2}
    of_split = {0: 5, 7: 5, 1: 8, 4: 8, 9: 8}
    results = [
        ((of_split[ordinal], ordinal), document(f"{ordinal}-{n}", "text"))
        for ordinal, count in counts.items()
        for n in range(count)
    ]
    first, second = staged(folder, results)
    renumbered(second, [1, DROPPED, 9])
    row = {0: (5, 0), 7: (5, 2), 1: (8, 0), 9: (8, 4)}
    expected = {
        (ordinal << 32) + n: (split, start + n, f"id-{ordinal}-{n}")
        for ordinal, (split, start) in row.items()
        for n in range(counts[ordinal])
    }
    return [first, second], expected


def test_places_lead_from_a_number_to_the_split_and_the_row(tmp_path: Path) -> None:
    made, expected = two_shards(tmp_path)
    split, row = Places(made).of(np.array([*expected], np.uint64))
    assert [*zip(split.tolist(), row.tolist(), strict=True)] == [place[:2] for place in expected.values()]


def test_places_of_nothing() -> None:
    split, row = Places([]).of(np.empty(0, np.uint64))
    assert (split.tolist(), row.tolist()) == ([], [])


@pytest.mark.parametrize("rows", [1, 2, 10_000])
def test_fingerprints_are_looked_up_across_shards_and_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    monkeypatch.setattr(shards, "KEYED_ROWS", rows)
    made, expected = two_shards(tmp_path)
    asked = [*expected][::-1] + [*expected][:2]  # in any order, and one more than once
    numbers = np.array(asked, np.uint64)
    found = np.full(len(asked), "", object)
    for which, table in look_up({shard.split: shard for shard in made}, Places(made), numbers, ["doc_id"]):
        found[which] = table["doc_id"].to_pylist()
        assert len(set(found[which])) <= rows
    assert found.tolist() == [expected[number][2] for number in asked]


def test_some_columns_are_read_some_rows_at_a_time(tmp_path: Path) -> None:
    shard = published(tmp_path, [ENGLISH] * 5)
    tables = list(fingerprint_batches(shard, ["doc_id", "chars"], 2))
    assert ids(tables) == [["0", "1"], ["2", "3"], ["4"]]
    assert tables[0].column_names == ["doc_id", "chars"]
