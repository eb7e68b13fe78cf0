"""The command line: what it says, where it says it, and the code it ends with."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pipeline.running import call, rows, run

ROOT = Path(__file__).parents[2]
TEXT = "The council met on Monday and decided to repair the old bridge over the river before the winter."


@pytest.fixture(autouse=True)
def in_a_folder_with_a_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.txt").write_text(TEXT)


def test_a_run_says_what_became_of_each_file_and_where_the_parquet_is(capsys: pytest.CaptureFixture[str]) -> None:
    Path("empty.html").touch()
    assert call("run", "in.txt", "empty.html", "--output", "out", "--workers", "1") == 0
    out = capsys.readouterr().out
    assert "Records 2 = documents 1 + rejects 1 + quarantined 0" in out
    assert "rejects: 1 empty" in out
    assert "Digest" in out
    command = next(line for line in out.splitlines() if line.startswith("Look at it: "))
    shown = subprocess.run(
        ["bash", "-c", command.removeprefix("Look at it: ")], capture_output=True, text=True, check=True
    )
    assert shown.stdout.split("\t")[:2] == ["en", "18"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "missing/*.html", "--output", "out"], "the input 'missing/*.html' names no file"),
        (["run", "in.txt", "--output", "in.txt"], "the output 'in.txt' is a file"),
        (["run", "in.txt"], "no output was given: name a folder with --output"),
        (["run", "--output", "out"], "no input was given"),
        (["run", "in.txt", "--output", "out", "--outptu", "x"], "No such option '--outptu'. Did you mean '--output'?"),
        (["run", "in.txt", "--output", "out", "--workers", "-1"], "workers is -1: it must be at least 0"),
        (["run", "in.txt", "--output", "out", "--workers", "two"], "'two' is not a valid integer"),
        (["run", "in.txt", "--output", "out", "--timeout-seconds", "0"], "timeout-seconds is 0: it must be above 0"),
        (["run", "in.txt", "--output", "out", "--max-quarantine", "5"], "max-quarantine is 5: it must be a share"),
        (["run", "in.txt", "--output", "out", "--language", "English"], "language 'English' is no code"),
        (["run", "in.txt", "--output", "out", "--language", "EN"], "did you mean en?"),
        (["run", "in.txt", "--output", "out", "--language", "sr-latn"], "did you mean sr-Latn?"),
        (["run", "in.txt", "--output", "out", "--log-format", "xml"], "log-format is 'xml': it must be text or json"),
        (["run", "in.txt", "--output", "out", "--config", "no.toml"], "the configuration 'no.toml' can't be read"),
        (["run", "in.txt", "--output", "out", "--", "--runner=NoSuchRunner"], "NoSuchRunner"),
        (
            ["run", "in.txt", "--output", "out", "--", "--runer=FlinkRunner"],
            "'--runer=FlinkRunner' after -- is no option",
        ),
        (["run", "in.txt", "--output", "out", "--", "--direct_num_workers=x"], "argument --direct_num_workers"),
        (["explain", "missing.html"], "'missing.html' is no file here"),
        (["explain", "."], "'.' is a folder: name one file"),
        (["explain", "abc", "--output", "nowhere"], "nothing was published to 'nowhere' yet"),
    ],
)
def test_wrong_use_is_one_sentence_and_exit_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    assert call(*arguments) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.startswith("millstream: ")
    assert error.count("\n") == 1
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ("outptu = 'x'", "'outptu' in 'millstream.toml' is no option: did you mean output?"),
        ("workers = 'two'", "'workers' in 'millstream.toml' is 'two': it must be of type int"),
        ("dedup = 1", "'dedup' in 'millstream.toml' is 1: it must be of type bool"),
        ("inputs = [1]", "'inputs' in 'millstream.toml' is [1]: it must be a list of strings"),
        ("workers = ", "the configuration 'millstream.toml' can't be read"),
    ],
)
def test_a_wrong_configuration_is_one_sentence_and_exit_2(
    capsys: pytest.CaptureFixture[str], toml: str, says: str
) -> None:
    Path("millstream.toml").write_text(toml)
    assert call("run", "in.txt", "--output", "out") == 2
    assert says in capsys.readouterr().err


def test_the_command_line_wins_over_the_configuration() -> None:
    Path("millstream.toml").write_text('inputs = ["in.txt"]\noutput = "from-toml"\nmin-letters = 1000\nworkers = 1\n')
    assert call("run") == 0
    assert [row["reason"] for row in rows(Path("from-toml"), "rejects")] == ["too_short"]
    assert call("run", "--output", "from-line", "--min-letters", "5") == 0
    assert len(rows(Path("from-line"), "documents")) == 1


def test_a_list_in_the_configuration_may_be_one_text_with_commas() -> None:
    Path("millstream.toml").write_text('inputs = ["in.txt"]\noutput = "out"\nlanguage = "en, sq"\nworkers = 1\n')
    assert call("run") == 0
    assert len(rows(Path("out"), "documents")) == 1


def test_names_from_outside_are_shown_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    Path("[/red]").mkdir(parents=True)
    Path("[/red]/[bold]\x1b[31m.txt").write_text(TEXT)
    assert call("run", "[/red]", "--output", "out", "--workers", "1") == 0
    out = capsys.readouterr().out
    assert "[/red]/[bold]" in out
    assert "\x1b" not in out


def test_a_dry_run_lists_formats_and_writes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    Path("page.txt").write_text("<!DOCTYPE html><html><body><p>text</p></body></html>")
    assert call("run", "in.txt", "page.txt", "--dry-run") == 0
    out = capsys.readouterr().out
    assert "text/html" in out
    assert "text/plain" in out
    assert sorted(path.name for path in Path().iterdir()) == ["in.txt", "page.txt"]


def test_too_much_quarantined_is_exit_3_and_still_published(capsys: pytest.CaptureFixture[str]) -> None:
    Path("noise.bin").write_bytes(bytes(range(256)))
    assert call("run", "in.txt", "noise.bin", "--output", "out") == 3
    assert "50.0% of the records are quarantined, more than --max-quarantine 5.0%" in capsys.readouterr().err
    assert len(rows(Path("out"), "documents")) == 1
    assert call("run", "in.txt", "noise.bin", "--output", "out", "--max-quarantine", "0.5") == 0


def test_a_folder_that_can_not_be_written_is_exit_1(capsys: pytest.CaptureFixture[str]) -> None:
    # a link to nowhere fails for everyone, root included
    Path("out").symlink_to("/proc/nowhere")
    assert call("run", "in.txt", "--output", "out") == 1
    assert "the output 'out' can't be written" in capsys.readouterr().err


def test_log_lines_as_json() -> None:
    command = [sys.executable, "-m", "pipeline", "run", "in.txt", "--output", "out", "--log-format", "json"]
    shown = subprocess.run(
        command, capture_output=True, text=True, check=True, env={"PYTHONPATH": str(ROOT), "PATH": ""}
    )
    lines = [json.loads(line) for line in shown.stderr.splitlines()]
    assert lines
    assert all({"asctime", "levelname", "message"} <= line.keys() for line in lines)


def test_beams_options_reach_beam() -> None:
    assert call("run", "in.txt", "--output", "out", "--", "--runner=FnApiRunner", "--job_name=mill") == 0


# --- explain


def test_explain_tells_the_rule_of_every_cut_line(capsys: pytest.CaptureFixture[str]) -> None:
    Path("page.txt").write_text(f"{TEXT}\n\n{TEXT.replace('bridge', 'harbour')}\n\n0 comments\n\nLeave a comment\n")
    assert call("explain", "page.txt") == 0
    out = capsys.readouterr().out
    assert out.count("keep") == 2
    assert out.count(" cut ") == 2
    assert "comments" in out
    assert "language_candidates" in out
    assert "near-matched" in out


def test_explain_goes_by_the_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    Path("lines.jsonl").write_text(json.dumps({"told": TEXT, "text": "not this"}))
    Path("millstream.toml").write_text('text-column = "told"\nlanguage = ["de"]\n')
    assert call("explain", "lines.jsonl") == 0
    out = capsys.readouterr().out
    assert "not this" not in out
    assert "language_filtered" in out


def test_explain_tells_why_a_file_is_quarantined(capsys: pytest.CaptureFixture[str]) -> None:
    Path("noise.bin").write_bytes(bytes(range(256)))
    assert call("explain", "noise.bin") == 0
    assert "unsupported" in capsys.readouterr().out


def test_explain_shows_a_row_a_duplicate_beside_its_survivor_and_a_quarantined_input(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("again.txt").write_text(TEXT)
    Path("noise.bin").write_bytes(bytes(range(256)))
    run("in.txt", "again.txt", "noise.bin", output=Path("out"))
    (document,), (duplicate,) = rows(Path("out"), "documents"), rows(Path("out"), "rejects")
    (quarantined,) = rows(Path("out"), "quarantine")
    capsys.readouterr()
    assert call("explain", document["doc_id"], "--output", "out") == 0
    assert TEXT[:40] in capsys.readouterr().out
    assert call("explain", duplicate["doc_id"][:16], "--output", "out") == 0
    out = capsys.readouterr().out
    assert f"rejected {duplicate['doc_id'][:12]}" in out
    assert f"kept {document['doc_id'][:12]}" in out
    assert call("explain", quarantined["doc_id"], "--output", "out") == 0
    assert "unsupported" in capsys.readouterr().out
    assert call("explain", "0" * 64, "--output", "out") == 2
    assert call("explain", "not-hex", "--output", "out") == 2


def test_help_lists_every_command_and_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("--help") == 0
    out = capsys.readouterr().out
    assert "run" in out
    assert "explain" in out
    assert "75 the output is in use" in " ".join(out.split())


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "s3://bucket/pages/", "--output", "out"),
        ("run", "in.txt", "--output", "s3://bucket/out"),
        ("status", "s3://bucket/out"),
        ("explain", "3f9a2c", "--output", "s3://bucket/out"),
    ],
)
def test_a_bucket_without_its_extra_names_the_extra(
    arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("in.txt").write_text(TEXT)
    monkeypatch.setattr("pipeline.plan._is_installed", {"boto3": False}.__getitem__)
    assert call(*arguments) == 2
    assert "pip install '.[s3]'" in capsys.readouterr().err
