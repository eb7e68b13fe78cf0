"""Cut recurring lines, on the local runner: counted over all shards, patched only where something else is cut."""

from __future__ import annotations

import dataclasses
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.util import assert_that, equal_to

from schemas.parquet import from_table
from schemas.records import Cleaned, Document, RawRecord
from tests.pipeline.running import prose
from tests.transforms.staging import renumbered, staged
from transforms.cut_recurring import (
    COUNT,
    EVIDENCE,
    CutRecurringLines,
    evidence_table,
    line_keys_of_shard,
    revised_shard,
)
from transforms.shards import DROPPED, MARKS, Shard, documents_with_fingerprints
from transforms.text.clean import clean
from transforms.text.cleaning_options import CleaningOptions
from transforms.text.fingerprint import fingerprint
from transforms.text.recurrence import MIN_DOCUMENTS
from transforms.text.recurring import line_keys
from transforms.worker_pool import CleaningPool, WorkerLimits

OPTIONS, LIMITS = CleaningOptions(), WorkerLimits(workers=2)
TEMPLATE = "Lorem portal i pavarur"
(TEMPLATE_KEY,) = line_keys(TEMPLATE, "example.org", None).tolist()


def result(number: int, text: str, url: str | None = None) -> Cleaned:
    record = RawRecord(
        f"site/{number:03}.txt", 1, text.encode(), "text/plain", url=url or f"https://example.org/{number}"
    )
    made = clean(record, CleaningOptions())
    assert isinstance(made, Cleaned)
    return made


def shards_of(folder: Path, splits: Sequence[Sequence[str]], url: str | None = None) -> list[Shard]:
    """The shards of texts in these splits, a file each, at one address or each at its own."""
    texts = enumerate((split, text) for split, of_split in enumerate(splits) for text in of_split)
    return staged(folder, [((split, number), result(number, text, url)) for number, (split, text) in texts])


def rows_of(shard: Shard) -> tuple[list[Document], list[dict[str, Any]]]:
    """The documents of a shard, and what is compared of them."""
    pairs = list(documents_with_fingerprints(shard))
    documents, marks = (pa.concat_tables(tables) for tables in zip(*pairs, strict=True))
    return from_table(Document, documents), marks.to_pylist()


def seen(shard: Shard) -> tuple[Any, ...]:
    documents, marks = rows_of(shard)
    for document, of_document in zip(documents, marks, strict=True):
        assert of_document["exact"] == fingerprint(document.text).exact
        assert of_document["chars"] == len(document.text)
        kept = of_document["kept_line_numbers"] or of_document["line_numbers"]
        assert len(kept) == len(document.text.split("\n"))
    return shard.split, bool(shard.patch), tuple(document.text for document in documents)


def judged(shard: Shard, counts: dict[int, int]) -> Shard:
    """The shard as it is under these counts."""
    data = np.array([*counts.items()], COUNT).tobytes()
    with CleaningPool(OPTIONS, LIMITS) as pool:
        return revised_shard(pool, shard.split, [("shards", shard), ("counts", data)])


def published(shard: Shard, counts: dict[int, int], folder: Path) -> Shard:
    """A shard as a later run finds it: its documents as they are, and the counts that they were judged by."""
    folder.mkdir()
    documents, marks = zip(*documents_with_fingerprints(shard), strict=True)
    tables = {
        "documents": pa.concat_tables(documents),
        MARKS: pa.concat_tables(marks),
        EVIDENCE: evidence_table(np.array([*counts.items()], COUNT)),
    }
    paths = {name: str(folder / f"{number}.parquet") for number, name in enumerate(tables)}
    for name, table in tables.items():
        pq.write_table(table, paths[name])
    return dataclasses.replace(shard, files=tuple(paths.items()), patch="", group="published")


@pytest.mark.parametrize("partitions", [1, 8])
def test_a_line_is_counted_over_all_shards_and_cut_in_each(tmp_path: Path, partitions: int) -> None:
    own = [prose(number) for number in range(MIN_DOCUMENTS + 1)]
    splits = [[f"{text}\n{TEMPLATE}" for text in own[:2]], [f"{text}\n{TEMPLATE}" for text in own[2:-1]], [own[-1]]]
    with beam.Pipeline(runner=FnApiRunner()) as p:
        made = p | beam.Create(shards_of(tmp_path, splits)) | CutRecurringLines(partitions, OPTIONS, LIMITS)
        expected = [(0, True, tuple(own[:2])), (1, True, tuple(own[2:-1])), (2, False, (own[-1],))]
        assert_that(made["shards"] | beam.Map(seen), equal_to(expected), "shards")
        counts = made["counts"] | beam.MapTuple(lambda split, data: (split, np.frombuffer(data, COUNT).tolist()))
        assert_that(counts, equal_to([(split, [(TEMPLATE_KEY, MIN_DOCUMENTS)]) for split in (0, 1)]), "counts")


def test_copies_of_one_text_count_once(tmp_path: Path) -> None:
    text = f"{prose(1)}\n{TEMPLATE}"
    with beam.Pipeline(runner=FnApiRunner()) as p:
        made = p | beam.Create(shards_of(tmp_path, [[text] * MIN_DOCUMENTS])) | CutRecurringLines(8, OPTIONS, LIMITS)
        assert_that(made["shards"] | beam.Map(seen), equal_to([(0, False, (text,) * MIN_DOCUMENTS)]))


def test_versions_of_one_page_count_once(tmp_path: Path) -> None:
    texts = [f"{prose(number)}\n{TEMPLATE}" for number in range(MIN_DOCUMENTS)]
    with beam.Pipeline(runner=FnApiRunner()) as p:
        made = (
            p
            | beam.Create(shards_of(tmp_path, [texts], "https://example.org/a"))
            | CutRecurringLines(8, OPTIONS, LIMITS)
        )
        assert_that(made["shards"] | beam.Map(seen), equal_to([(0, False, tuple(texts))]))


def test_documents_of_dropped_files_do_not_count(tmp_path: Path) -> None:
    texts = [f"{prose(number)}\n{TEMPLATE}" for number in range(MIN_DOCUMENTS)]
    (shard,) = shards_of(tmp_path, [texts])
    renumbered(shard, [*range(MIN_DOCUMENTS - 1), DROPPED])
    with beam.Pipeline(runner=FnApiRunner()) as p:
        made = p | beam.Create([shard]) | CutRecurringLines(8, OPTIONS, LIMITS)
        assert_that(made["shards"] | beam.Map(seen), equal_to([(0, False, tuple(texts))]))


def test_a_shard_has_no_patch_when_nothing_is_cut(tmp_path: Path) -> None:
    texts = [f"{prose(number)}\n{TEMPLATE}\n{prose(100 + number)}" for number in range(MIN_DOCUMENTS)]
    with beam.Pipeline(runner=FnApiRunner()) as p:
        made = p | beam.Create(shards_of(tmp_path, [texts])) | CutRecurringLines(8, OPTIONS, LIMITS)
        assert_that(made["shards"] | beam.Map(seen), equal_to([(0, False, tuple(texts))]))


def test_a_row_keeps_its_place_and_all_that_its_text_does_not_decide(tmp_path: Path) -> None:
    texts = [f"{prose(n)}\n{TEMPLATE}" for n in range(MIN_DOCUMENTS)]
    texts.insert(2, prose(100))
    (shard,) = shards_of(tmp_path, [texts])
    revised = judged(shard, {TEMPLATE_KEY: MIN_DOCUMENTS})
    found, _ = rows_of(revised)
    assert [document.source_uri for document in found] == [f"site/{n:03}.txt" for n in range(len(texts))]
    assert {document.run_id for document in found} == {"run-1"}
    assert [len(document.removed) for document in found] == [1, 1, 0, 1, 1, 1]
    assert [(r.rule, r.start_line, r.text) for r in found[0].removed] == [("recurring.edge", 2, TEMPLATE)]
    assert pq.read_table(revised.patch)["row"].to_pylist() == [0, 1, 3, 4, 5]


def test_what_was_compared_before_the_cut_is_kept_for_the_next_count(tmp_path: Path) -> None:
    (shard,) = shards_of(tmp_path, [[f"{TEMPLATE}\n\n{prose(1)}", prose(2)]])
    _, before = rows_of(shard)
    _, after = rows_of(judged(shard, {TEMPLATE_KEY: MIN_DOCUMENTS}))
    for name in ("doc_id", "partition", "text_key", "line_keys", "line_numbers"):
        assert [row[name] for row in after] == [row[name] for row in before]
    assert [row["kept_line_numbers"] for row in after] == [[3], None]


def test_a_published_document_is_judged_again_where_a_count_changed(tmp_path: Path) -> None:
    texts = (f"{prose(1)}\n{TEMPLATE}", prose(2))
    (shard,) = shards_of(tmp_path / "staged", [texts])
    many, few = {TEMPLATE_KEY: MIN_DOCUMENTS}, {TEMPLATE_KEY + 1: MIN_DOCUMENTS}
    uncut = published(shard, few, tmp_path / "uncut")
    assert judged(uncut, few) is uncut
    newly_cut = judged(uncut, many)
    assert seen(newly_cut) == (0, True, (prose(1), prose(2)))
    now_published = published(newly_cut, many, tmp_path / "cut")
    assert judged(now_published, many) is now_published
    assert seen(judged(now_published, few)) == (0, True, texts)
    assert rows_of(judged(now_published, few)) == rows_of(shard)


def test_a_count_that_changes_no_document_makes_no_patch(tmp_path: Path) -> None:
    (shard,) = shards_of(tmp_path / "staged", [[f"{prose(1)}\n{TEMPLATE}"]])
    uncut = published(shard, {}, tmp_path / "uncut")
    assert judged(uncut, {TEMPLATE_KEY: MIN_DOCUMENTS - 1}) is uncut


def test_what_is_shuffled_are_references(tmp_path: Path) -> None:
    (shard,) = shards_of(tmp_path, [["\n".join(prose(n) for n in range(100))]])
    ranges = list(line_keys_of_shard(shard, 4))
    assert {partition for partition, _ in ranges} == {0, 1, 2, 3}
    assert all(len(pickle.dumps(each)) < 500 for each in ranges)
