"""What the commands for analysts have in common, and the data dictionary."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from moto.server import ThreadedMotoServer

from pipeline.analyst_commands import DATA_SETS
from schemas import dictionary
from tests.pipeline.published import table_of
from tests.pipeline.running import call

ROOT = Path(__file__).parents[2]


# --- the dictionary


def test_the_document_is_that_of_the_code() -> None:
    document = (ROOT / "schemas/DICTIONARY.md").read_text(encoding="utf-8")
    assert document == dictionary.as_markdown(), "millstream schema --format markdown > schemas/DICTIONARY.md"


def described(fields: Any) -> Iterator[str]:
    """The descriptions in the metadata of Parquet columns, those inside of lists and structs too."""
    for field in fields:
        if field.metadata and b"description" in field.metadata:
            yield field.metadata[b"description"].decode()
        if pa.types.is_nested(field.type):
            yield from described(field.type.field(number) for number in range(field.type.num_fields))


@pytest.mark.parametrize("output_format", ["table", "json", "markdown", "sql"])
def test_every_format_says_what_the_files_say(
    out: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, output_format: str
) -> None:
    monkeypatch.setenv("COLUMNS", "500")
    assert call("schema", "--format", output_format) == 0
    told = capsys.readouterr().out.replace("''", "'").replace('\\"', '"')
    for dataset in DATA_SETS:
        schema = table_of((out / "latest").resolve(), dataset).schema
        found = list(described(schema))
        assert len(found) == len(dictionary.fields_of(dataset))
        top = [field.metadata[b"description"].decode() for field in schema]
        assert set(top if output_format == "sql" else found) <= {text for text in found if text in told}
        assert all(f"{name}" in told for name in schema.names)


def test_the_json_tells_types_and_nulls_and_what_lists_hold(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("schema", "--format", "json") == 0
    told = json.loads(capsys.readouterr().out)
    assert tuple(told["datasets"]) == DATA_SETS
    fields = {field["name"]: field for field in told["datasets"]["documents"]["fields"]}
    assert fields["text"]["type"] == "string"
    assert not fields["text"]["nullable"]
    assert fields["published_date"]["type"] == "date32[day]"
    assert fields["published_date"]["nullable"]
    assert fields["authors"]["type"] == "list<string>"
    assert fields["removed"]["type"] == "list<struct>"
    assert fields["removed[].start_line"]["type"] == "int64"
    assert fields["metadata_sources.title"]["nullable"]


@pytest.mark.parametrize("folder", ["out", "it's out/", "."])
def test_the_sql_makes_commented_views_in_duckdb(
    out: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    if folder == ".":
        monkeypatch.chdir(out)
    else:
        out.rename(folder)
    snapshot = Path(folder, "latest").resolve()
    assert call("schema", "--format", "sql", *([] if folder == "." else ["--output", folder])) == 0
    statements = capsys.readouterr().out
    with duckdb.connect(":memory:") as database:
        for _ in range(2):  # they can be run again
            database.execute(statements)
        for dataset in DATA_SETS:
            expected = table_of(snapshot, dataset)
            assert database.execute(f"select count(*) from {dataset}").fetchone() == (expected.num_rows,)
            comments = database.execute(
                "select column_name, comment from duckdb_columns() where table_name = ? order by column_index",
                [dataset],
            ).fetchall()
            assert comments == [(field.name, field.metadata[b"description"].decode()) for field in expected.schema]


def test_views_over_a_bucket_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("schema", "--format", "sql", "--output", "s3://mill/out") == 2
    assert "'s3://mill/out' is no folder on this machine" in capsys.readouterr().err


def without_column(snapshot: Path, dataset: str, column: str) -> None:
    """Make one file of a data set look as if an earlier version had written it."""
    path = min((snapshot / dataset).rglob("*.parquet"))
    pq.write_table(pq.read_table(path, partitioning=None).drop_columns([column]), path)


def test_a_column_that_an_older_file_lacks_is_null(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    snapshot = (out / "latest").resolve()
    count = table_of(snapshot, "rejects").num_rows
    without_column(snapshot, "rejects", "similarity")
    assert call("sql", "out", "select count(*), count(similarity) from rejects", "--format", "csv") == 0
    assert capsys.readouterr().out.splitlines()[1] == f"{count},0"
    for output_format in ("jsonl", "csv", "duckdb"):
        assert call("export", "out", "--format", output_format, "--dataset", "rejects", "--to", output_format) == 0
    assert {json.loads(line)["similarity"] for line in Path("jsonl").read_text().splitlines()} == {None}


# --- both: what they need and how they end


@pytest.mark.usefixtures("out")
def test_a_local_output_is_read_without_beam_and_no_word_on_standard_error() -> None:
    code = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from pipeline.cli import main
try:
    main(sys.argv[1:])
finally:
    assert "apache_beam" not in sys.modules
"""
    for arguments, exit_code in (
        (["schema"], 0),
        (["sql", "out"], 0),
        (["sql", "out", "selct"], 2),
        (["export", "out", "--format", "duckdb", "--to", "x.duckdb"], 0),
    ):
        ended = subprocess.run([sys.executable, "-c", code, *arguments], check=False, capture_output=True)
        assert (ended.returncode, ended.stderr.count(b"\n")) == (exit_code, int(exit_code > 0)), ended.stderr


@pytest.mark.usefixtures("out")
def test_a_reader_who_has_seen_enough_ends_a_query_without_a_word() -> None:
    command = [sys.executable, "-m", "pipeline", "sql", "out", "from range(1000000)", "--format", "csv"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline() == b"range\n"
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


@pytest.fixture
def bucket(out: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The output in a bucket, on a server on this machine that speaks S3."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line for every request
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
        monkeypatch.setenv(f"AWS_{name}", "test")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    mill = boto3.resource("s3").Bucket("mill")
    mill.create()
    for path in [out / "latest.json", *(path for path in (out / "snapshots").rglob("*") if path.is_file())]:
        mill.upload_file(str(path), str(path))
    yield "s3://mill/out"
    server.stop()


def test_a_bucket_is_read_as_a_folder_is(bucket: str, ids: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    sql = "select d.text, r.reason from documents d left join rejects r on r.kept_doc_id = d.doc_id order by all"
    told = []
    for directory in (bucket, "out"):
        assert call("sql", directory, sql, "--format", "json", "--run", ids[0]) == 0
        told.append(capsys.readouterr().out)
        for output_format in ("csv", "huggingface"):
            name = f"{output_format}-{directory[:2]}"
            assert call("export", directory, "--format", output_format, "--to", name) == 0
        capsys.readouterr()
    assert told[0] == told[1]
    assert Path("csv-s3").read_bytes() == Path("csv-ou").read_bytes()
    for path in Path("huggingface-ou").rglob("*.*"):
        copy = Path("huggingface-s3", path.relative_to("huggingface-ou"))
        assert path.is_dir() or copy.read_bytes() == path.read_bytes()
