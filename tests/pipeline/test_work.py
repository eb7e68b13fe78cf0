"""The work of a run, counted: what is read, cleaned, shuffled and held in memory. No clock decides here."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import trafilatura.utils
from apache_beam.runners.portability.fn_api_runner.execution import GroupingBuffer, ListBuffer

from schemas.records import RawRecord
from tests.pipeline.running import prose, run, write
from transforms import stage_text
from transforms.clean_documents import WINDOW_RECORDS
from transforms.cut_recurring import ROWS_OF_TASK
from transforms.formats.read import read_records
from transforms.shards import BATCH_ROWS
from transforms.stage_text import BUFFERED_ROWS
from transforms.text import html
from transforms.text.clean import clean
from transforms.text.cleaning_options import CleaningOptions
from transforms.worker_pool import CleaningPool

WORD = "Quicksilvermill"  # in every text, and nowhere else


class Spy:
    """Calls of a function, which still does what it did; `see` gets its arguments."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, owner: object, name: str, see: Callable[..., Any]) -> None:
        self.seen: list[Any] = []
        real = getattr(owner, name)

        @functools.wraps(real)
        def spied(*arguments: Any, **named: Any) -> Any:
            self.seen.append(see(*arguments))
            return real(*arguments, **named)

        monkeypatch.setattr(owner, name, spied)


def json_lines(path: Path, records: int) -> Path:
    """Records of one host, every tenth a copy, with a line in all of them that recurs."""
    rows = [
        {"url": f"https://example.org/{n}", "text": f"{WORD}. {prose(n - (n % 10 == 9))}\nLorem portal i pavarur"}
        for n in range(records)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_each_record_is_read_and_cleaned_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []

    def counted(*arguments: Any) -> Iterator[Any]:
        for item in read_records(*arguments):
            read.append(dataclasses.asdict(item)["number"])
            yield item

    monkeypatch.setattr("transforms.read_files.read_records", counted)
    cleaned = Spy(monkeypatch, CleaningPool, "submit", lambda _, record: record.number)
    cut_again = Spy(monkeypatch, CleaningPool, "submit_recut", lambda _, documents, *__: len(documents))
    run(json_lines(tmp_path / "in.jsonl", 50), output=tmp_path / "out")
    assert read == list(range(1, 51)) == cleaned.seen
    assert sum(cut_again.seen) == 50
    assert max(cut_again.seen) == ROWS_OF_TASK
    for seen in (read, cleaned.seen, cut_again.seen):
        seen.clear()
    write(tmp_path / "more", {"one.txt": prose(1000)})
    run(tmp_path / "in.jsonl", tmp_path / "more", output=tmp_path / "out")
    assert len(read) == len(cleaned.seen) == 1
    assert cut_again.seen == []


def test_a_page_is_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = [
        Spy(monkeypatch, owner, name, lambda page, *_: len(page))
        for owner, name in ((html, "document_fromstring"), (trafilatura.utils, "fromstring"))
    ]
    page = f"<html><body><article><h1>A mill</h1><p>{prose(1)}</p><p>{prose(2)}</p></article></body></html>"
    clean(RawRecord("page.html", 1, page.encode(), "text/html"), CleaningOptions())
    assert [len(spy.seen) for spy in parsed] == [1, 0]


def test_no_text_is_shuffled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that goes from one fused stage to another, side inputs too: a document more is some references more."""
    grouped = Spy(monkeypatch, GroupingBuffer, "append", lambda _, data: bytes(data))
    listed = Spy(monkeypatch, ListBuffer, "append", lambda _, data: bytes(data))
    sizes = []
    for records in (100, 400):
        for seen in (grouped.seen, listed.seen):
            seen.clear()
        run(json_lines(tmp_path / f"{records}.jsonl", records), output=tmp_path / f"out-{records}")
        travelled = [*grouped.seen, *listed.seen]
        assert not any(WORD.encode() in data for data in travelled)
        assert (tmp_path / f"out-{records}").is_dir()
        sizes.append(sum(map(len, travelled)))
    few, many = sizes
    assert 0 < (many - few) / 300 < 200  # bytes a document, of its candidates and verdict


def test_what_is_in_memory_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 1,500 records, and of all workers; `test_graph_steps` has the same where a record holds up the others."""
    waiting, most = [0], [0]
    submit, outcome = CleaningPool.submit, CleaningPool.outcome

    def submitted(pool: CleaningPool, record: RawRecord) -> Any:
        waiting[0] += 1
        most[0] = max(most[0], waiting[0])
        return submit(pool, record)

    def taken(pool: CleaningPool, record: RawRecord, future: Any) -> Any:
        waiting[0] -= 1
        return outcome(pool, record, future)

    monkeypatch.setattr(CleaningPool, "submit", submitted)
    monkeypatch.setattr(CleaningPool, "outcome", taken)
    pools = Spy(monkeypatch, CleaningPool, "__init__", lambda pool, *_: pool)
    staged = Spy(monkeypatch, stage_text.StagedFile, "write", lambda _, table: len(table))
    run(json_lines(tmp_path / "in.jsonl", 1500), output=tmp_path / "out")
    assert waiting == [0]
    assert 1 < most[0] < 100 < WINDOW_RECORDS
    assert max(staged.seen) == BUFFERED_ROWS == BATCH_ROWS
    assert len(pools.seen) == 1
    assert pools.seen[0].workers == 2


def test_runs_in_one_process_do_not_end_the_workers_of_one_another(tmp_path: Path) -> None:
    inputs = {name: json_lines(tmp_path / f"{name}.jsonl", records) for name, records in (("few", 5), ("many", 400))}
    with ThreadPoolExecutor() as threads:
        runs = {name: threads.submit(run, path, output=tmp_path / name) for name, path in inputs.items()}
        assert {name: each.result().manifest["records"] for name, each in runs.items()} == {"few": 5, "many": 400}
