"""Analysts who read with plain DuckDB, while one snapshot after the other is published."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from pipeline import snapshots
from transforms.parquet_sink import ParquetSink, PublishedFile

SNAPSHOTS, POLLS = 200, 100

WINDOW = 4
"""A snapshot holds the rows of so many neighbouring numbers: the files of the newest are new, the others are linked."""

ROWS = {"documents/lang=en": 5, "documents/lang=sq": 3, "documents/lang=sr-Latn": 1, "rejects": 4}
"""Rows of each number, by partition."""

IN_SQL = "set variable latest = (select 'snapshots/' || run_id from 'latest.json')"

READER = """
import json, os, sys
import duckdb

IN_SQL = sys.argv[1]


def in_sql(con):
    con.execute(IN_SQL)
    return "getvariable('latest')"


def by_pointer(con):
    with open("latest.json") as stream:
        return repr("snapshots/" + json.load(stream)["run_id"])


def by_link(con):
    return repr(os.path.realpath("latest"))


con = duckdb.connect(config={"autoinstall_known_extensions": "false"})
while not os.path.exists("done"):
    for resolve in (in_sql, by_pointer, by_link):
        latest, seen = resolve(con), {}  # once, for two queries
        for folder in ("documents", "rejects"):
            files = f"read_parquet({latest} || '/{folder}/**/*.parquet')"
            seen[folder] = dict(con.sql(f"select number, count(*) from {files} group by number").fetchall())
        print(json.dumps(seen), flush=True)
"""


def publish(output: snapshots.Output, number: int) -> None:
    """Publish the rows of a number and, by their files in the latest snapshot, those of the numbers before it."""
    run_id = f"20300101T000000Z-{number:06x}"
    with snapshots.exclusive(output):
        base = snapshots.read_base(output)
        sink = ParquetSink(output.staging(run_id), run_id, is_sorted=False)
        for partition, rows in ROWS.items():
            sink.write(
                partition, pa.table({"doc_id": [f"{number}-{row}" for row in range(rows)], "number": [number] * rows})
            )
        had = (base.manifest or {"files": []})["files"]
        oldest = f"20300101T000000Z-{max(0, number - WINDOW + 1):06x}"
        linked = [
            PublishedFile(f"{output.snapshot(base.run_id or '')}/{file['path']}", **file)
            for file in had
            if file["rows"] and Path(file["path"]).name >= oldest
        ]
        snapshots.commit(output, run_id, [*linked, *sink.close()], {"run_id": run_id}, base)
        snapshots.remove_staging(output, run_id)


@pytest.fixture
def output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> snapshots.Output:
    """An output that is the working folder, with a full window of numbers in its latest snapshot."""
    monkeypatch.chdir(tmp_path)
    output = snapshots.Output(str(tmp_path))
    for number in range(WINDOW):
        publish(output, number)
    return output


def whole(newest: int) -> dict[str, dict[str, int]]:
    """What a reader sees of the snapshot with this newest number, as JSON has it."""
    numbers = range(newest - WINDOW + 1, newest + 1)
    documents = sum(rows for partition, rows in ROWS.items() if partition != "rejects")
    return {
        "documents": {str(number): documents for number in numbers},
        "rejects": {str(number): ROWS["rejects"] for number in numbers},
    }


def test_who_resolves_latest_once_reads_one_snapshot_whole(output: snapshots.Output) -> None:
    newest = WINDOW - 1
    with (
        open("seen", "wb") as stream,
        subprocess.Popen([sys.executable, "-c", READER, IN_SQL], stdout=stream) as reader,
    ):
        while newest < SNAPSHOTS or (reader.poll() is None and len(Path("seen").read_bytes().splitlines()) < POLLS):
            newest += 1
            publish(output, newest)
        Path("done").touch()
    assert reader.returncode == 0
    seen = [json.loads(line) for line in Path("seen").read_text(encoding="utf-8").splitlines()]
    newests = [max(map(int, each["documents"])) for each in seen]
    assert seen == [whole(each) for each in newests]
    assert len(set(newests)) > 10
    for way in range(3):  # each for itself: the link follows the pointer
        assert newests[way::3] == sorted(newests[way::3])


def test_who_goes_through_the_link_query_by_query_may_read_two_snapshots(output: snapshots.Output) -> None:
    newest = "select max(number) from 'latest/{}/**/*.parquet'"
    with duckdb.connect() as con:
        documents = con.execute(newest.format("documents")).fetchall()
        publish(output, WINDOW)
        assert con.execute(newest.format("rejects")).fetchall() != documents


def test_who_lists_files_through_the_link_may_not_find_them(output: snapshots.Output) -> None:
    # What one query over a glob does in two steps. As the run id is in the name of every file, it fails: with equal
    # names it would read files of two snapshots.
    with duckdb.connect() as con:
        files = [name for (name,) in con.execute("from glob('latest/documents/**/*.parquet')").fetchall()]
        for number in range(WINDOW, 2 * WINDOW):
            publish(output, number)
        with pytest.raises(duckdb.IOException, match="No files found"):
            con.execute("from read_parquet(?)", [files])
