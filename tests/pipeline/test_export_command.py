"""`millstream export`: what other tools read of it, and that it is there whole or not at all."""

from __future__ import annotations

import base64
import csv
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
import yaml

from pipeline import housekeeping, snapshots
from pipeline.analyst_commands import DATA_SETS
from pipeline.snapshots import Output
from schemas import dictionary
from tests.pipeline.published import HAS_CONTROLS, table_of
from tests.pipeline.running import call

ROOT = Path(__file__).parents[2]


# --- export


def plain(value: Any) -> Any:
    """What JSON makes of the values of a row, said once more."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value.isoformat() if hasattr(value, "isoformat") else value


@pytest.mark.parametrize("dataset", DATA_SETS)
@pytest.mark.parametrize("source", ["out", "hostile", "empty"])
@pytest.mark.usefixtures("out", "odd")
def test_jsonl_has_every_row_as_it_is(source: str, dataset: str) -> None:
    assert call("export", source, "--format", "jsonl", "--dataset", dataset, "--to", "x.jsonl") == 0
    text = Path("x.jsonl").read_text(encoding="utf-8")
    assert [json.loads(line) for line in text.splitlines()] == plain(
        table_of(Path(source, "latest").resolve(), dataset).to_pylist()
    )
    assert not HAS_CONTROLS.search(text)


@pytest.mark.parametrize("dataset", DATA_SETS)
@pytest.mark.parametrize("source", ["out", "hostile", "empty"])
@pytest.mark.usefixtures("out", "odd")
def test_csv_is_read_alike_by_python_duckdb_and_pandas(source: str, dataset: str) -> None:
    assert call("export", source, "--format", "csv", "--dataset", dataset, "--to", "x.csv") == 0
    expected = table_of(Path(source, "latest").resolve(), dataset)
    with open("x.csv", encoding="utf-8", newline="") as stream:
        header, *found = csv.reader(stream)
    assert header == expected.schema.names
    names = [field.name for field in expected.schema if field.type == pa.string()]
    texts = {name: expected[name].to_pylist() for name in names}
    for name in names:
        assert [row[header.index(name)] for row in found] == [text or "" for text in texts[name]]
    frame = pd.read_csv("x.csv", keep_default_na=False, na_values=[], dtype=str)
    assert {name: frame[name].tolist() for name in names} == {
        name: [text or "" for text in texts[name]] for name in names
    }
    with duckdb.connect(":memory:") as database:
        columns = ", ".join(names)
        options = "header = true, all_varchar = true, quote = '\"', escape = '\"', delim = ',', new_line = '\\n'"
        read = database.execute(f"select {columns} from read_csv('x.csv', {options})").fetchall()
    assert read == list(zip(*texts.values(), strict=True))  # a null is not an empty text


def test_duckdb_has_tables_with_comments(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("export", "out", "--format", "duckdb", "--to", "x.duckdb") == 0
    assert "wrote documents, rejects, quarantine, sources to x.duckdb" in capsys.readouterr().out
    with duckdb.connect("x.duckdb", read_only=True) as database:
        for dataset in DATA_SETS:
            expected = table_of((out / "latest").resolve(), dataset)
            found = database.execute(f"from {dataset}")
            names = [column[0] for column in found.description]
            assert [dict(zip(names, row, strict=True)) for row in found.fetchall()] == expected.to_pylist()
            comments = database.execute(
                "select comment from duckdb_columns() where table_name = ? order by column_index", [dataset]
            ).fetchall()
            assert comments == [(field.metadata[b"description"].decode(),) for field in expected.schema]
    assert sorted(path.name for path in Path().iterdir()) == ["out", "x.duckdb"]  # no log of DuckDB's beside it


@pytest.mark.usefixtures("out", "odd")
@pytest.mark.parametrize("source", ["out", "hostile", "empty"])
def test_hugging_face_gets_the_files_and_a_card(source: str) -> None:
    assert call("export", source, "--format", "huggingface", "--to", "x") == 0
    snapshot = Path(source, "latest").resolve()
    card = Path("x/README.md").read_text(encoding="utf-8")
    _, header, body = card.split("---\n", 2)
    configs = {config["config_name"]: config for config in yaml.safe_load(header)["configs"]}
    assert list(configs) == [name for name in DATA_SETS if table_of(snapshot, name).num_rows]
    assert [name for name, config in configs.items() if config.get("default")] == list(configs)[:1]
    for name, config in configs.items():
        ((split,),) = [config["data_files"]]
        found = ds.dataset(sorted(map(str, Path("x").glob(split["path"]))), format="parquet").to_table()
        assert found.equals(table_of(snapshot, name))
    for dataset in DATA_SETS:
        assert f"| {dataset} | {table_of(snapshot, dataset).num_rows} |" in body
        assert dictionary.markdown_of(dataset) in body
    for path in Path("x").rglob("*.parquet"):
        assert path.samefile(snapshot / path.relative_to("x"))  # a second name, no second copy


@pytest.mark.parametrize("output_format", ["duckdb", "huggingface"])
@pytest.mark.usefixtures("out")
def test_one_data_set_alone(capsys: pytest.CaptureFixture[str], output_format: str) -> None:
    assert call("export", "out", "--format", output_format, "--dataset", "rejects", "--to", "x") == 0
    assert capsys.readouterr().out == "wrote rejects to x\n"
    if output_format == "duckdb":
        with duckdb.connect("x", read_only=True) as database:
            assert database.execute("show tables").fetchall() == [("rejects",)]
    else:
        assert sorted(path.name for path in Path("x").iterdir()) == ["README.md", "rejects"]


@pytest.mark.parametrize("output_format", ["jsonl", "csv", "duckdb"])
@pytest.mark.usefixtures("out")
def test_more_rows_than_a_batch_holds(monkeypatch: pytest.MonkeyPatch, ids: list[str], output_format: str) -> None:
    batches, sizes = snapshots.batches, []

    def counted(*arguments: Any) -> Iterator[pa.RecordBatch]:
        for batch in batches(*arguments):
            sizes.append(batch.num_rows)
            yield batch

    monkeypatch.setattr(snapshots, "batches", counted)
    content = []
    for rows_at_once in (1000, 2):
        monkeypatch.setattr(snapshots, "BATCH_ROWS", rows_at_once)
        sizes.clear()
        name = f"x{rows_at_once}"
        assert call("export", "out", "--format", output_format, "--run", ids[0][:-1], "--to", name) == 0
        if output_format == "duckdb":
            with duckdb.connect(name, read_only=True) as database:
                content.append(database.execute("select * exclude (charset) from documents").fetchall())
        else:
            content.append([(Path(name).read_text(encoding="utf-8"),)])
    assert len(sizes) > 4
    assert max(sizes) == 2
    assert content[0] == content[1] != []


def failing(error: BaseException) -> Callable[..., Iterator[pa.RecordBatch]]:
    """Yields what `snapshots.batches` does, but raises after the first."""
    batches = snapshots.batches

    def some(*arguments: Any) -> Iterator[pa.RecordBatch]:
        yield next(batches(*arguments))
        raise error

    return some


@pytest.mark.usefixtures("out")
@pytest.mark.parametrize(
    ("output_format", "error", "code"),
    [
        ("jsonl", OSError("the disk is gone"), 1),
        ("csv", OSError("the disk is gone"), 1),
        ("duckdb", OSError("the disk is gone"), 1),
        ("jsonl", KeyboardInterrupt(), 130),
        ("csv", KeyboardInterrupt(), 130),
        ("duckdb", KeyboardInterrupt(), 130),
    ],
)
def test_an_interrupted_export_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    output_format: str,
    error: BaseException,
    code: int,
) -> None:
    monkeypatch.setattr(snapshots, "batches", failing(error))
    assert call("export", "out", "--format", output_format, "--to", "x") == code
    assert [path.name for path in Path().iterdir()] == ["out"]
    told = capsys.readouterr().err
    assert told == ("millstream: the disk is gone\n" if code == 1 else "\n")


def test_an_export_of_files_that_are_missing_leaves_nothing(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    min((out / "latest").resolve().rglob("rejects/*.parquet")).unlink()
    assert call("export", "out", "--format", "huggingface", "--to", "x") == 1
    assert "No such file" in capsys.readouterr().err
    assert [path.name for path in Path().iterdir()] == ["out"]


@pytest.mark.usefixtures("out")
def test_a_killed_export_is_not_seen_and_the_next_one_succeeds() -> None:
    code = f"""
import os, sys
sys.path.insert(0, {str(ROOT)!r})
from pipeline import snapshots
from pipeline.cli import main

batches = snapshots.batches

def killed(*arguments):
    yield next(batches(*arguments))
    os._exit(9)

snapshots.batches = killed
main(["export", "out", "--format", "jsonl", "--to", "x"])
"""
    ended = subprocess.run([sys.executable, "-c", code], check=False)
    assert ended.returncode == 9
    assert [path.name for path in Path().iterdir() if not path.name.startswith(".")] == ["out"]
    assert call("export", "out", "--format", "jsonl", "--to", "x") == 0
    assert Path("x").is_file()


@pytest.mark.usefixtures("out")
@pytest.mark.parametrize("output_format", ["jsonl", "csv", "duckdb", "huggingface"])
@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_nothing_is_overwritten(capsys: pytest.CaptureFixture[str], output_format: str, kind: str) -> None:
    target = Path("x")
    match kind:
        case "file":
            target.touch()
        case "folder":
            target.mkdir()
        case _:
            target.symlink_to("nowhere")
    assert call("export", "out", "--format", output_format, "--to", "x") == 2
    assert capsys.readouterr().err == (
        "millstream: 'x' is there already, and nothing is overwritten: name another --to\n"
    )
    assert sorted(path.name for path in Path().iterdir()) == ["out", "x"]
    assert not Path("nowhere").exists()


@pytest.mark.usefixtures("out")
def test_what_appears_meanwhile_is_not_overwritten(monkeypatch: pytest.MonkeyPatch) -> None:
    batches = snapshots.batches

    def and_then_appears(*arguments: Any) -> Iterator[pa.RecordBatch]:
        yield from batches(*arguments)
        Path("x").write_text("another's")

    monkeypatch.setattr(snapshots, "batches", and_then_appears)
    assert call("export", "out", "--format", "csv", "--to", "x") == 2
    assert Path("x").read_text() == "another's"


def test_an_export_keeps_its_snapshot_while_another_becomes_the_latest(
    out: Path, ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = snapshots.batches

    def after_a_swap(*arguments: Any) -> Iterator[pa.RecordBatch]:
        housekeeping.roll_back(Output("out"), ids[0])
        yield from batches(*arguments)

    monkeypatch.setattr(snapshots, "batches", after_a_swap)
    assert call("export", "out", "--format", "jsonl", "--to", "x") == 0
    found = [json.loads(line)["doc_id"] for line in Path("x").read_text(encoding="utf-8").splitlines()]
    assert found == table_of(out / "snapshots" / ids[-1], "documents")["doc_id"].to_pylist()
    assert snapshots.latest(Output("out"))[0] == ids[0]  # type: ignore[index]  # it points somewhere


@pytest.mark.parametrize(
    ("to", "says"),
    [
        ("out/x.csv", "--to 'out/x.csv' is inside of 'out', where snapshots are kept: name a place outside"),
        ("link/x.csv", "--to 'link/x.csv' is inside of 'out', where snapshots are kept: name a place outside"),
        ("s3://mill/x.csv", "--to 's3://mill/x.csv' is no path on this machine: write it here, then copy it there"),
        ("missing/x.csv", "there is no folder 'missing' to write 'x.csv' to: make it first"),
    ],
)
def test_a_place_that_can_t_be_written_is_one_sentence(
    out: Path, capsys: pytest.CaptureFixture[str], to: str, says: str
) -> None:
    Path("link").symlink_to(out / "latest")
    assert call("export", "out", "--format", "csv", "--to", to) == 2
    assert capsys.readouterr().err == f"millstream: {says}\n"
    assert call("verify", "out") == 0
