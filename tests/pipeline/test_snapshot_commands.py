"""The commands that look at what was published: what they say, and the code they end with."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline import diff, history, housekeeping, snapshots
from tests.pipeline.running import call, prose, rows, run

ROOT = Path(__file__).parents[2]


# --- wrong use


@pytest.mark.parametrize("command", ["status", "history", "diff", "verify", "rollback", "gc"])
@pytest.mark.parametrize(
    ("directory", "says"),
    [
        ("missing", "nothing was published to 'missing' yet"),
        ("empty", "nothing was published to 'empty' yet"),
        ("file", "'file' is a file: name the folder"),
    ],
)
@pytest.mark.usefixtures("out")
def test_what_is_no_output_is_one_sentence_and_exit_2(
    capsys: pytest.CaptureFixture[str], command: str, directory: str, says: str
) -> None:
    Path("file").touch()
    Path("empty").mkdir()
    more = {"diff": ["a", "b"], "rollback": ["a"], "gc": ["--keep", "1"]}.get(command, [])
    assert call(command, directory, *more) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1
    assert sorted(path.name for path in Path().iterdir()) == ["empty", "file", "out"]
    assert list(Path("empty").iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["status", "out", "--max-age", "soon"], "max-age is 'soon': it must be a number of s, m, h or d, such as 26h"),
        (["diff", "out", "2", "nothing"], "'2' begins several runs of 'out': 2"),
        (["verify", "out", "nothing"], "no run of 'out' begins with 'nothing': `millstream history` lists them"),
        (["rollback", "out", "nothing"], "no run of 'out' begins with 'nothing'"),
        (["gc", "out", "--keep", "0"], "0 is not in the range x>=1"),
        (["gc", "out"], "Missing option '--keep'"),
    ],
)
def test_a_wrong_argument_is_one_sentence_and_exit_2(
    out: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    assert call(*arguments) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1
    assert len(list((out / "snapshots").iterdir())) == 3


# --- status


def test_status_tells_the_latest_in_numbers(out: Path, ids: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert call("status", "out") == 0
    told = capsys.readouterr().out
    assert f"Latest   {ids[2]}, published " in told
    documents, rejects, quarantine = (len(rows(out, name)) for name in ("documents", "rejects", "quarantine"))
    total = documents + rejects + quarantine
    assert f"Records  {total} = documents {documents} + rejects {rejects} + quarantine {quarantine}" in told
    assert "exact_duplicate" in told
    assert f"Parquet  out/snapshots/{ids[2]}" in told


def test_status_for_programs(out: Path, ids: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert call("status", "out", "--format", "json") == 0
    told = json.loads(capsys.readouterr().out)
    manifest = json.loads((out / "latest/manifest.json").read_text())
    assert told["run_id"] == ids[2]
    assert told["counts"] == manifest["counts"]
    assert told["files"] == len(list((out / "latest").resolve().rglob("*.parquet")))
    assert told["bytes"] == sum(path.stat().st_size for path in (out / "latest").resolve().rglob("*.parquet"))
    assert dt.datetime.fromisoformat(told["started_at"]) <= dt.datetime.fromisoformat(told["finished_at"])
    assert 0 <= told["age_seconds"] < 3600


@pytest.mark.parametrize(
    ("hours", "age", "code"),
    [(26, "26h", 0), (26.1, "26h", 1), (26.1, "2d", 0), (49, "2d", 1), (0.1, "90s", 1), (-5, "1s", 0)],
)
def test_the_age_is_held_against_max_age(
    out: Path, monkeypatch: pytest.MonkeyPatch, hours: float, age: str, code: int
) -> None:
    finished = json.loads((out / "latest/manifest.json").read_text())["finished_at"]
    now = dt.datetime.fromisoformat(finished) + dt.timedelta(hours=hours)
    monkeypatch.setattr(history, "now", lambda: now)
    assert call("status", "out", "--max-age", age) == code


def test_an_old_snapshot_is_told_with_its_age(
    out: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    finished = json.loads((out / "latest/manifest.json").read_text())["finished_at"]
    now = dt.datetime.fromisoformat(finished) + dt.timedelta(hours=30.1)
    monkeypatch.setattr(history, "now", lambda: now)
    assert call("status", "out", "--max-age", "26h") == 1
    told = capsys.readouterr()
    assert "published 30 hours ago" in told.out
    assert told.err == "millstream: the last run to 'out' ended well 30 hours ago, more than --max-age 26h\n"


def test_a_run_that_found_nothing_new_counts_for_max_age(
    out: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (out / "latest.json").read_bytes()
    now = history.now() + dt.timedelta(hours=30)
    os.utime(out / "latest.json", (now.timestamp(), now.timestamp()))  # as `housekeeping.confirm` does
    monkeypatch.setattr(history, "now", lambda: now + dt.timedelta(minutes=5))
    assert call("status", "out", "--max-age", "1h") == 0
    told = capsys.readouterr().out
    assert "published 30 hours ago" in told
    assert "Last run 5 minutes ago" in told
    housekeeping.confirm(snapshots.Output("out"), snapshots.read_base(snapshots.Output("out")))
    assert (out / "latest.json").read_bytes() == before
    assert (out / "latest.json").stat().st_mtime < now.timestamp()


def test_the_health_check_fails_where_nothing_was_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("status", "out", "--max-age", "26h") == 1
    assert "'out' has no latest snapshot: nothing was published, or" in capsys.readouterr().err


def test_a_damaged_pointer_fails_the_health_check(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (out / "latest.json").write_text('{"run_id": ')
    assert call("status", "out", "--max-age", "26h") == 1
    assert "out/latest.json is damaged; `millstream rollback` writes it anew" in capsys.readouterr().err


@pytest.mark.usefixtures("out")
def test_a_look_at_a_local_output_does_without_beam() -> None:
    code = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from pipeline.cli import main
try:
    main(sys.argv[1:])
finally:
    assert "apache_beam" not in sys.modules
"""
    for arguments in (["status", "out"], ["history", "out"], ["verify", "out"], ["gc", "out", "--keep", "9"]):
        subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True)


# --- history


def test_history_has_a_line_for_each_snapshot(out: Path, ids: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert call("history", "out") == 0
    lines = capsys.readouterr().out.splitlines()[1:]
    assert [line[2:].split()[0] for line in lines] == ids
    assert [line[0] for line in lines] == [" ", " ", "*"]
    manifest = json.loads((out / "latest/manifest.json").read_text())
    assert lines[2].split()[2:4] == [manifest["finished_at"], str(manifest["records"])]


def test_history_tells_a_damaged_snapshot_among_the_others(
    out: Path, ids: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    (out / "snapshots" / ids[1] / "manifest.json").write_text("{}")
    (out / "latest.json").write_text("")
    assert call("history", "out") == 0
    pointer, _, *lines = capsys.readouterr().out.splitlines()
    assert pointer == "out/latest.json is damaged; `millstream rollback` writes it anew"
    assert [line[:2] for line in lines] == ["  ", "  ", "  "]
    assert "is not the one that was published" in lines[1]


# --- diff


@pytest.mark.usefixtures("out")
def test_diff_tells_what_came_what_went_and_what_changed(ids: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert call("diff", "out", ids[0], ids[1]) == 0
    told = capsys.readouterr().out
    by_mark = {line[0]: line for line in told.splitlines() if line[:2] in ("+ ", "- ", "~ ")}
    # of the two texts that were alike one is gone, so the other is new among the documents
    assert "documents: 2 added, 1 removed, 1 changed" in told
    assert "text-50.txt" in told
    assert "text-00.txt" in by_mark["-"]
    assert "text-03.txt" in by_mark["~"]
    assert "exact_duplicate" in told
    assert call("diff", "out", ids[1], ids[0]) == 0
    assert "documents: 1 added, 2 removed, 1 changed" in capsys.readouterr().out


@pytest.mark.usefixtures("out")
def test_diff_of_equal_runs_and_of_a_run_with_itself(ids: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    for other in (ids[1], ids[2]):
        assert call("diff", "out", ids[1], other) == 0
        told = capsys.readouterr().out
        assert "documents: 0 added, 0 removed, 0 changed" in told
        assert "duplicate" not in told


def test_documents_are_compared_over_all_files_and_row_groups(tmp_path: Path) -> None:
    def publish(name: str, texts: dict[str, str]) -> diff.Documents:
        table = pa.table({"doc_id": list(texts), "text_sha256": list(texts.values())})
        tables = {"lang=en/a": table.slice(0, 40), "lang=en/b": table.slice(0, 0), "lang=fr/a": table.slice(40)}
        for path, part in tables.items():
            (tmp_path / name / "documents" / path).parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(part, tmp_path / name / f"documents/{path}.parquet", row_group_size=7)
        files = [{"path": f"documents/{path}.parquet"} for path in tables]
        return diff.documents_of(str(tmp_path / name), {"files": [*files, {"path": "rejects/a.parquet"}]})

    def sha256(value: object) -> str:
        return hashlib.sha256(str(value).encode()).hexdigest()

    before = {sha256(number): sha256(-number) for number in range(100)}
    after = {sha256(number): sha256(-number if number % 9 else "other") for number in range(30, 110)}
    changes = diff.document_changes(publish("before", before), publish("after", after))
    for name, expected in {
        "added": after.keys() - before.keys(),
        "removed": before.keys() - after.keys(),
        "changed": {doc_id for doc_id in before.keys() & after.keys() if before[doc_id] != after[doc_id]},
    }.items():
        side, found = changes[name]
        assert [f"{key:016x}" for key in side.ids[found]] == sorted(doc_id[:16] for doc_id in expected)


def test_diff_of_snapshots_without_documents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty.txt").touch()
    Path("one.txt").write_text(prose(1))
    without = [run("empty.txt", output=Path("out"), rebuild=again).run_id for again in (False, True)]
    assert call("diff", "out", *without) == 0
    assert "documents: 0 added, 0 removed, 0 changed" in capsys.readouterr().out
    assert call("diff", "out", without[0], run("one.txt", output=Path("out")).run_id) == 0
    assert "documents: 1 added, 0 removed, 0 changed\n+ " in capsys.readouterr().out


@pytest.mark.parametrize("size", [0, 5, -10, -2000, None])
def test_diff_says_which_file_is_damaged(
    out: Path, ids: list[str], capsys: pytest.CaptureFixture[str], size: int | None
) -> None:
    path = next((out / "snapshots" / ids[1]).glob("documents/*/*.parquet"))
    data = path.read_bytes()
    path.unlink()
    if size is not None:
        path.write_bytes(data[:size])
    assert call("diff", "out", ids[0], ids[1]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"millstream: {path} can't be read, `millstream verify` tells what else is damaged: ")
    assert error.count("\n") == 1


def test_diff_shows_a_few_examples_and_says_how_many_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one.txt").write_text(prose(1))
    first = run("one.txt", output=Path("out"))
    lines = [json.dumps({"id": f"r{number}", "text": prose(number)}) for number in range(2, 10)]
    (tmp_path / "more.jsonl").write_text("\n".join(lines))
    second = run("one.txt", "more.jsonl", output=Path("out"), min_letters=11, rebuild=True)
    assert call("diff", "out", first.run_id, second.run_id) == 0
    told = capsys.readouterr().out
    assert "min_letters: 10 before, 11 after" in told
    assert told.count("\n+ ") == 6
    assert "more.jsonl > r" in told
    assert "+ ... and 3 more" in told
