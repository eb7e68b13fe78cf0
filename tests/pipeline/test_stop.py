"""Runs that are killed, stopped or interrupted: what is half done shows nowhere, and no process stays behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pyarrow.dataset as ds
import pytest

from tests.pipeline.running import prose, rows, run


@pytest.fixture(scope="module")
def long_input(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("long") / "in"
    folder.mkdir()
    for number in range(300):
        body = "".join(f"<p>{prose(number * 50 + part)}</p>" for part in range(40))
        (folder / f"{number:03}.html").write_text(f"<html><body><article>{body}</article></body></html>")
    return folder


def test_killed_at_any_moment_nothing_half_written_shows_and_the_next_run_succeeds(
    long_input: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    command = [
        sys.executable,
        "-m",
        "pipeline",
        "run",
        str(long_input),
        "--output",
        str(output),
        "--workers",
        "2",
        "--no-dedup",
    ]
    seen = []
    for moment in ("plan.parquet", "shards/*/*", "files/*/*", "snapshot"):
        process = subprocess.Popen(
            command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 120
        while process.poll() is None and not list((output / "_staging").glob(f"2*/{moment}")):
            assert time.monotonic() < deadline
            time.sleep(0.002)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        seen.append(process.returncode == -signal.SIGKILL and not (output / "latest.json").exists())
        if (output / "latest.json").exists():  # the last moment is short: a run that was done before the kill is whole
            assert len(rows(output, "documents")) == 300
            shutil.rmtree(output)
        assert (
            not list(output.glob("snapshots/*/manifest.json")) or len(rows_of(next(output.glob("snapshots/*")))) == 300
        )
    assert sum(seen) >= 3
    run(long_input, output=output, dedup=False)
    assert len(rows(output, "documents")) == 300
    assert not [path for path in (output / "_staging").iterdir() if path.is_dir()]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_signal_ends_a_run_at_once_and_its_workers_with_it(
    long_input: Path, tmp_path: Path, number: signal.Signals
) -> None:
    output = tmp_path / "out"
    command = [sys.executable, "-m", "pipeline", "run", str(long_input), "--output", str(output), "--workers", "2"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while not list((output / "_staging").glob("2*/plan.parquet")):
        time.sleep(0.01)
    workers: list[psutil.Process] = []
    while len(workers) < 3:  # the server and two workers
        workers = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    _, error = process.communicate(timeout=10)
    assert process.returncode == 128 + number
    assert f"millstream: stopped by {number.name}; an unfinished run publishes nothing" in error
    assert "Traceback" not in error
    assert "leaked" not in error
    assert not (output / "latest.json").exists()
    _, alive = psutil.wait_procs(workers, timeout=10)
    assert alive == []


def test_an_interrupt_while_the_libraries_load_leaves_no_process_behind(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(prose(1), encoding="utf-8")
    command = [sys.executable, "-m", "pipeline", "run", str(tmp_path / "a.txt"), "--output", str(tmp_path / "out")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    server: list[psutil.Process] = []
    while not server:
        server = [each for each in psutil.Process(process.pid).children() if "forkserver" in " ".join(each.cmdline())]
    time.sleep(0.3)  # amid its imports
    os.killpg(process.pid, signal.SIGINT)
    _, told = process.communicate(timeout=20)
    assert process.returncode == 128 + signal.SIGINT
    assert told.strip() == "millstream: stopped by SIGINT; an unfinished run publishes nothing"
    _, alive = psutil.wait_procs(server, timeout=20)
    assert alive == []


def rows_of(snapshot: Path) -> list[Any]:
    found: list[Any] = ds.dataset(snapshot / "documents", format="parquet").to_table().to_pylist()
    return found
