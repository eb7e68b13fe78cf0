"""Cut recurring lines, on the local runner: counted over all shards, staged again only where something was cut."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import apache_beam as beam
import pyarrow.parquet as pq
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.util import assert_that, equal_to

from schemas.parquet import from_table
from schemas.records import Cleaned, Document, RawRecord
from tests.pipeline.running import prose
from transforms.cut_recurring import CutRecurringLines, line_keys_of_shard
from transforms.stage_text import Provenance, StagedShard, StageText
from transforms.text.clean import CleaningOptions, clean
from transforms.text.fingerprint import fingerprint
from transforms.text.recurring import MIN_DOCUMENTS

TEMPLATE = "Lorem portal i pavarur"
PROVENANCE = Provenance("run-1", "0.0", "c0")


def result(number: int, text: str, url: str | None = None) -> Cleaned:
    record = RawRecord(
        f"site/{number:03}.txt", 1, text.encode(), "text/plain", url=url or f"https://example.org/{number}"
    )
    made = clean(record, CleaningOptions())
    assert isinstance(made, Cleaned)
    return made


def staged(folder: Path, splits: list[list[str]], url: str | None = None) -> beam.PTransform:
    """The shards of documents in these splits, numbered through, at one address or each at its own."""
    texts = [(split, text) for split, of_split in enumerate(splits) for text in of_split]
    pairs = [(split, result(number, text, url)) for number, (split, text) in enumerate(texts)]
    one_bundle = beam.Create([pairs]) | beam.FlatMap(lambda all_pairs: all_pairs)
    return one_bundle | StageText(str(folder), PROVENANCE)


def documents(shard: StagedShard) -> list[Document]:
    found: list[Document] = from_table(Document, pq.read_table(shard.path("documents")))
    return found


def seen(shard: StagedShard) -> tuple[Any, ...]:
    texts = tuple(document.text for document in documents(shard))
    exact = pq.read_table(shard.path("fingerprints"))["exact"].to_pylist()
    assert exact == [fingerprint(text).exact for text in texts]
    return shard.split, bool(shard.revision), texts


@pytest.mark.parametrize("partitions", [1, 8])
def test_a_line_is_counted_over_all_shards_and_cut_in_each(tmp_path: Path, partitions: int) -> None:
    own = [prose(number) for number in range(MIN_DOCUMENTS + 1)]
    splits = [[f"{text}\n{TEMPLATE}" for text in own[:2]], [f"{text}\n{TEMPLATE}" for text in own[2:-1]], [own[-1]]]
    with beam.Pipeline(runner=FnApiRunner()) as p:
        shards = p | staged(tmp_path, splits) | CutRecurringLines(partitions, 10) | beam.Map(seen)
        expected = [(0, True, tuple(own[:2])), (1, True, tuple(own[2:-1])), (2, False, (own[-1],))]
        assert_that(shards, equal_to(expected))


def test_copies_of_one_text_count_once(tmp_path: Path) -> None:
    text = f"{prose(1)}\n{TEMPLATE}"
    with beam.Pipeline(runner=FnApiRunner()) as p:
        shards = p | staged(tmp_path, [[text] * MIN_DOCUMENTS]) | CutRecurringLines(8, 10) | beam.Map(seen)
        assert_that(shards, equal_to([(0, False, (text,) * MIN_DOCUMENTS)]))


def test_versions_of_one_page_count_once(tmp_path: Path) -> None:
    texts = [f"{prose(number)}\n{TEMPLATE}" for number in range(MIN_DOCUMENTS)]
    with beam.Pipeline(runner=FnApiRunner()) as p:
        shards = p | staged(tmp_path, [texts], "https://example.org/a") | CutRecurringLines(8, 10) | beam.Map(seen)
        assert_that(shards, equal_to([(0, False, tuple(texts))]))


def test_a_shard_is_not_staged_again_when_nothing_is_cut(tmp_path: Path) -> None:
    texts = [f"{prose(number)}\n{TEMPLATE}\n{prose(100 + number)}" for number in range(MIN_DOCUMENTS)]
    with beam.Pipeline(runner=FnApiRunner()) as p:
        shards = p | staged(tmp_path, [texts]) | CutRecurringLines(8, 10) | beam.Map(seen)
        assert_that(shards, equal_to([(0, False, tuple(texts))]))


def test_a_row_keeps_its_place_and_all_that_its_text_does_not_decide(tmp_path: Path) -> None:
    texts = [f"{prose(n)}\n{TEMPLATE}" for n in range(MIN_DOCUMENTS)]
    texts.insert(2, prose(100))

    def check(shards: list[StagedShard]) -> None:
        found = documents(shards[0])
        assert [document.source_uri for document in found] == [f"site/{n:03}.txt" for n in range(len(texts))]
        assert {document.run_id for document in found} == {"run-1"}
        assert [len(document.removed) for document in found] == [1, 1, 0, 1, 1, 1]
        assert [(r.rule, r.start_line, r.text) for r in found[0].removed] == [("recurring.edge", 2, TEMPLATE)]

    with beam.Pipeline(runner=FnApiRunner()) as p:
        assert_that(p | staged(tmp_path, [texts]) | CutRecurringLines(8, 10), check)


def test_what_is_shuffled_are_references(tmp_path: Path) -> None:
    def check(shards: list[StagedShard]) -> None:
        ranges = list(line_keys_of_shard(shards[0], 4))
        assert {partition for partition, _ in ranges} == {0, 1, 2, 3}
        assert all(len(pickle.dumps(each)) < 500 for each in ranges)

    with beam.Pipeline(runner=FnApiRunner()) as p:
        assert_that(p | staged(tmp_path, [["\n".join(prose(n) for n in range(100))]]), check)
