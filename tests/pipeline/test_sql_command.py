"""`millstream sql`: which rows a query reads, what it can't reach, and how its answer is shown."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import os
import shutil
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from rich.cells import cell_len

from pipeline import housekeeping, query, rows, snapshots
from pipeline.analyst_commands import DATA_SETS
from pipeline.snapshots import Output
from tests.pipeline.published import HAS_CONTROLS, table_of
from tests.pipeline.running import call


def asked(capsys: pytest.CaptureFixture[str], sql: str, *options: str) -> list[dict[str, Any]]:
    """The answer to a query over `out`."""
    assert call("sql", "out", sql, "--format", "json", *options) == 0
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return found


# --- sql: what is read


def test_the_data_sets_are_tables_of_the_latest_snapshot_or_of_a_run(
    out: Path, ids: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    for options, run_id in ([], ids[-1]), (["--run", ids[0]], ids[0]):
        for dataset in DATA_SETS:
            expected = table_of(out / "snapshots" / run_id, dataset)
            (found,) = asked(capsys, f"select count(*) as n, min(source_uri) as first from {dataset}", *options)
            assert found == {"n": expected.num_rows, "first": min(expected["source_uri"].to_pylist())}


def test_columns_carry_their_descriptions(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sql = "select column_name, comment from duckdb_columns() where table_name = 'rejects' order by column_index"
    schema = table_of((out / "latest").resolve(), "rejects").schema
    expected = [{"column_name": f.name, "comment": f.metadata[b"description"].decode()} for f in schema]
    assert asked(capsys, sql) == expected


def test_a_query_keeps_its_snapshot_while_another_becomes_the_latest(
    out: Path, ids: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    latest, swapped = snapshots.latest, []

    def and_then_swap(output: Output) -> tuple[str, dict[str, Any]] | None:
        found = latest(output)
        housekeeping.roll_back(output, ids[0])
        swapped.append(found)
        return found

    expected = sorted(table_of(out / "snapshots" / ids[-1], "documents")["doc_id"].to_pylist())
    monkeypatch.setattr(snapshots, "latest", and_then_swap)
    assert [row["doc_id"] for row in asked(capsys, "select doc_id from documents order by all")] == expected
    assert len(swapped) == 1
    assert latest(Output("out"))[0] == ids[0]  # type: ignore[index]  # it points somewhere


def test_rows_still_to_come_are_of_the_snapshot_that_was_opened(
    out: Path, ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query, "BATCH_ROWS", 1)
    output = Output("out")
    folder, manifest = output.snapshot(ids[-1]), snapshots.manifest_of(output, ids[-1])
    with query.opened(folder, manifest) as connection:
        _, found = query.answer(connection, "select doc_id from documents")
        first = next(found)
        housekeeping.roll_back(output, ids[0])
        rest = list(found)
        _, again = query.answer(connection, "select doc_id from documents")
        assert list(again) == [first, *rest]
    assert [row[0] for row in [first, *rest]] == table_of(out / "snapshots" / ids[-1], "documents")[
        "doc_id"
    ].to_pylist()


def test_a_snapshot_that_is_removed_under_a_query_is_told(
    out: Path, ids: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = query.answer

    def after_removal(*arguments: Any) -> Any:
        shutil.rmtree(out / "snapshots" / ids[0])
        return answer(*arguments)

    monkeypatch.setattr(query, "answer", after_removal)
    assert call("sql", "out", "select text from documents", "--run", ids[0]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"millstream: out/snapshots/{ids[0]} was changed under the query: documents/")
    assert error.endswith(" is missing\n")


def test_damage_is_one_sentence_and_exit_1(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = next((out / "latest").resolve().glob("documents/*/*.parquet"))
    data = bytearray(path.read_bytes())
    column = pq.read_metadata(path).row_group(0).column(9)
    assert column.path_in_schema == "text"
    start = column.data_page_offset
    data[start : start + column.total_compressed_size // 2] = bytes(column.total_compressed_size // 2)
    path.write_bytes(data)
    assert call("sql", "out", "select max(text) from documents") == 1
    error = capsys.readouterr().err
    assert error.startswith("millstream: the query failed: ")
    assert error.count("\n") == 1


# --- sql: what is refused


@pytest.mark.parametrize(
    "sql",
    [
        "select * from read_csv('/etc/passwd')",
        "select * from read_text('{file}')",
        "select * from '{file}'",
        "select * from glob('/etc/*')",
        "copy documents to 'stolen.csv'",
        "copy (select 1) to '{file}' (format parquet, use_tmp_file false)",
        "with x as (copy (select 1) to '{file}' (format parquet, use_tmp_file false)) select * from x",
        "explain analyze copy (select 1) to '{file}' (format parquet, use_tmp_file false)",
        "attach 'stolen.db'",
        "export database 'stolen'",
        "install httpfs",
        "load httpfs",
        "set enable_external_access = true",
        "reset lock_configuration",
        "set temp_directory = '/'",
        "pragma profile_output = 'stolen.json'",
        "call enable_logging(storage = 'file', storage_config = {{'path': 'stolen'}})",
        "select * from manifest",
        "select * from read_text('/proc/self/environ')",
        "delete from documents",
    ],
)
def test_a_query_reaches_nothing_but_the_snapshot(out: Path, capsys: pytest.CaptureFixture[str], sql: str) -> None:
    file = min((out / "latest").resolve().rglob("documents/*/*.parquet"))
    before = file.read_bytes()
    assert call("sql", "out", sql.format(file=file)) in (1, 2)
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    assert file.read_bytes() == before
    assert [path.name for path in Path().iterdir()] == ["out"]


def test_what_a_query_makes_is_gone_with_it(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(capsys, "create table t as select 1 as a; select * from t") == [{"a": 1}]
    assert call("sql", "out", "create or replace view documents as select 1 as a") == 0
    capsys.readouterr()
    assert asked(capsys, "select count(*) > 1 as intact from documents") == [{"intact": True}]
    assert (out / "latest").exists()


@pytest.mark.usefixtures("out")
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ["select titel from documents"],
            'Referenced column "titel" not found in FROM clause! Candidate bindings: "ti',
        ),
        (["select * from document"], 'Table with name document does not exist! Did you mean "documents"?'),
        (["selct 1"], 'syntax error at or near "selct"'),
        (["select 'a'::int"], "Could not convert string 'a' to INT32"),
        (["select text + 1 from documents"], "No function matches the given name"),
        ([""], "the query is empty: without one, there is an overview"),
        (["--format", "csv"], "the overview is several tables: give a query, or --format table, json or markdown"),
        (["select 1", "--run", "nothing"], "no run of 'out' begins with 'nothing': `millstream history` lists them"),
        (["select 1", "--format", "xml"], "'xml' is not one of 'table', 'csv', 'json', 'markdown'"),
    ],
)
def test_a_mistake_is_one_short_sentence_and_exit_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    assert call("sql", "out", *arguments) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1
    assert len(error) < 500


@pytest.mark.parametrize("arguments", [["sql"], ["export", "--format", "csv", "--to", "x.csv"]])
def test_what_is_no_output_is_one_sentence(out: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    Path("empty").mkdir()
    assert call(arguments[0], "empty", *arguments[1:]) == 2
    assert "nothing was published to 'empty' yet" in capsys.readouterr().err
    (out / "latest.json").unlink()
    assert call(arguments[0], "out", *arguments[1:]) == 1
    assert "'out' has no latest snapshot: name a --run" in capsys.readouterr().err


@pytest.mark.usefixtures("out")
@pytest.mark.parametrize("arguments", [["sql", "out"], ["export", "out", "--format", "duckdb", "--to", "x.duckdb"]])
def test_without_duckdb_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert call(*arguments) == 2
    assert "wants the extra `analyst`, which is not installed: pip install '.[analyst]'" in capsys.readouterr().err


@pytest.mark.usefixtures("out")
def test_ctrl_c_ends_a_query(ids: list[str]) -> None:
    output = Output("out")
    with query.opened(output.snapshot(ids[0]), snapshots.manifest_of(output, ids[0])) as connection:
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt):
            query.answer(
                connection, "select count(*) from range(1000000000) a, range(1000) b where a.range + b.range < 0"
            )


# --- sql: how it is shown


def test_every_value_reaches_csv_and_json_whole(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sql = "select doc_id, text, authors, published_date, removed, source_modified_at from documents order by doc_id"
    expected = table_of((out / "latest").resolve(), "documents").sort_by("doc_id").to_pylist()
    as_json = asked(capsys, sql)
    assert [row["text"] for row in as_json] == [row["text"] for row in expected]
    assert [row["removed"] for row in as_json] == [row["removed"] for row in expected]
    assert [row["source_modified_at"] for row in as_json] == [row["source_modified_at"].isoformat() for row in expected]
    assert call("sql", "out", sql, "--format", "csv") == 0
    as_csv = list(csv.DictReader(io.StringIO(capsys.readouterr().out, newline="")))
    assert [row["text"] for row in as_csv] == [row["text"] for row in expected]
    assert [json.loads(row["removed"]) for row in as_csv] == [row["removed"] for row in expected]


@pytest.mark.usefixtures("out")
def test_values_of_sql_that_json_has_no_word_for(capsys: pytest.CaptureFixture[str]) -> None:
    sql = (
        "select 12345678901234567890123::hugeint as h, 1.5 as d, 'nan'::double as n, '\\x00'::blob as b, "
        "interval 3 day as i, map {'k': 1} as m, time '10:00' as t, 1 as a, 2 as a, null as z, "
        "timestamptz '2020-01-01 00:00:00+02' as tz, 'b3a5a1b6-8f0e-4b7a-9d5b-0a1b2c3d4e5f'::uuid as u"
    )
    (row,) = asked(capsys, sql)
    assert row == {
        "h": 12345678901234567890123, "d": 1.5, "n": None, "b": "AA==", "i": "3 days, 0:00:00", "m": {"k": 1},
        "t": "10:00:00", "a": 1, "a_2": 2, "z": None, "tz": "2019-12-31T22:00:00+00:00",
        "u": "b3a5a1b6-8f0e-4b7a-9d5b-0a1b2c3d4e5f",
    }  # fmt: skip


@pytest.mark.usefixtures("out")
def test_a_query_without_rows_in_each_format(capsys: pytest.CaptureFixture[str]) -> None:
    expected = {"table": "no rows\n", "csv": "a,b\n", "json": "[]\n", "markdown": "| a | b |\n| --- | --- |\n"}
    for output_format, told in expected.items():
        assert call("sql", "out", "select 1 as a, 2 as b where false", "--format", output_format) == 0
        assert capsys.readouterr().out == told


@pytest.mark.usefixtures("out")
def test_a_table_shows_the_first_rows_and_says_how_to_get_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("sql", "out", f"from range({rows.SHOWN_ROWS})") == 0
    assert "the first" not in capsys.readouterr().out
    assert call("sql", "out", f"from range({rows.SHOWN_ROWS + 1})") == 0
    told = capsys.readouterr().out
    assert f" {rows.SHOWN_ROWS - 1} " in told
    assert f" {rows.SHOWN_ROWS} │" not in told
    assert f"the first {rows.SHOWN_ROWS} rows: --format csv, json or markdown has them all" in told


@pytest.mark.usefixtures("out")
@pytest.mark.parametrize("columns", [40, 80, 200])
def test_no_line_of_a_table_is_wider_than_the_terminal_and_no_column_is_lost(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    assert call("sql", "out", "select text, doc_id, '漢字' || text as wide, word_count from documents") == 0
    told = capsys.readouterr().out
    assert all(cell_len(line) <= columns for line in told.splitlines())
    assert all(name in told for name in ("text", "doc_id", "wide", "word_"))
    assert call("sql", "out", "select * from documents limit 2") == 0
    told = capsys.readouterr().out
    assert all(cell_len(line) <= columns for line in told.splitlines())
    assert "\nrow 2\n" in told
    assert "\n  shared_paragraph_ratio  0.0\n" in told


@pytest.mark.usefixtures("odd")
@pytest.mark.parametrize("sql", ["select title, member, source_uri from documents", "select * from documents", None])
@pytest.mark.parametrize("output_format", ["table", "markdown", "json"])
def test_hostile_text_moves_no_cursor(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, sql: str | None, output_format: str
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert call("sql", "hostile", *([sql] if sql else []), "--format", output_format) == 0
    told = capsys.readouterr().out
    if sql:
        assert ("\\u009b1m" if output_format == "json" else "\ufffd1m") in told
    assert not HAS_CONTROLS.search(told)
    if output_format == "markdown":
        lines = [line for line in told.splitlines() if line.startswith("|")]
        assert not any("<b>" in line.replace("\\<", "") for line in lines)
    if output_format == "table" and sql:
        assert ":smile:" in told


@pytest.mark.usefixtures("odd")
def test_csv_is_exact_but_on_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ("sql", "hostile", "select source_uri from documents order by all limit 1", "--format", "csv")
    assert call(*arguments) == 0
    ((_,), (exact,)) = csv.reader(io.StringIO(capsys.readouterr().out, newline=""))
    assert exact.endswith("bad\x1b[2J\n|name.txt")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert call(*arguments) == 0
    ((_,), (shown,)) = csv.reader(io.StringIO(capsys.readouterr().out, newline=""))
    assert shown.endswith("bad\ufffd[2J\n|name.txt")


def test_the_overview_counts_what_the_manifest_counts(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    counts = json.loads((out / "latest/manifest.json").read_text())["counts"]
    assert call("sql", "out", "--format", "json") == 0
    told = json.loads(capsys.readouterr().out)
    assert list(told) == list(query.OVERVIEW)
    assert {row["data_set"]: row["rows"] for row in told["Rows"]}.items() >= {
        dataset: sum(reasons.values()) for dataset, reasons in counts.items()
    }.items()
    assert {row["language"]: row["documents"] for row in told["Documents by language"]} == counts["documents"]
    assert {row["reason"]: row["rejects"] for row in told["Rejects by reason"]} == counts["rejects"]
    largest = told["Largest clusters of duplicates"]
    assert sum(row["duplicates"] for row in largest) == counts["rejects"]["exact_duplicate"]
    assert call("sql", "out") == 0
    table = capsys.readouterr().out
    assert call("sql", "out", "--format", "markdown") == 0
    markdown = capsys.readouterr().out
    for title in query.OVERVIEW:
        assert f"\n{title}\n" in table
        assert f"\n## {title}\n" in markdown


@pytest.mark.usefixtures("odd")
def test_the_overview_of_a_snapshot_without_documents(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("sql", "empty") == 0
    told = capsys.readouterr().out
    assert "\nDocuments by language\nno rows\n" in told
    assert "empty" in told
