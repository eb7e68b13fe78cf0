"""Kill runs at random moments of their lives, and look each time at what readers see and what the next run makes of it.

    python -m benchmarks.kill_runs --moments 100
    python -m benchmarks.kill_runs --moments 20 --s3

A corpus lives through so many rounds. In each, files come, change and go; a run is killed, with its whole process
group, at a moment drawn evenly from the time that a run takes once it has imported what it needs. Then every snapshot
passes `verify`, the latest has the rows it had or those of one run over all of the input that nobody killed, and after
the next run it has the latter. With `--s3` the output is a bucket of a SeaweedFS that is started for it. Groups are
small, so that runs link some.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import json
import os
import random
import select
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from pipeline import cli, housekeeping, plan, snapshots
from schemas.parquet import DATASETS
from tests.compose import s3_server
from tests.pipeline.running import prose
from tests.pipeline.stopping import problems
from tests.pipeline.test_history_equals_batch import content
from transforms import publish
from transforms.files import list_files

FILES, ALIKE = 32, 12
"""Names of files, of which about three in four are there at a time, and how many of them are full of what others have
too; the rest has nothing in common, so that their groups stay until one of their files changes."""

Rows = dict[str, dict[str, dict[str, Any]]]
"""Data set to doc_id to row."""


def main() -> None:
    """One line for each moment, and what became of the runs in all; exits at the first thing that is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moments", type=int, default=100)
    parser.add_argument("--s3", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    told = parser.parse_args()
    choose = random.Random(told.seed)  # noqa: S311  # moments are no secret
    with tempfile.TemporaryDirectory() as name, _home(Path(name), s3=told.s3) as home, _starter() as starter:
        rounds = _Rounds(Path(name), snapshots.Output(f"{home}/out"), starter, choose)
        became = collections.Counter(rounds.kill_one(number) for number in range(told.moments))
    print(json.dumps({"moments": told.moments, "wrong": 0, **became, **rounds.figures()}))


@contextlib.contextmanager
def _home(folder: Path, *, s3: bool) -> Iterator[str]:
    """The folder or URI for the output."""
    if not s3:
        yield str(folder)
        return
    (folder / "s3").mkdir()
    with s3_server(folder / "s3") as server:
        os.environ.update(server.environment)
        plan.use_file_systems(())
        yield "s3://kill-runs"


@contextlib.contextmanager
def _starter() -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """The ends of a process that has imported all that a run needs, and forks one for each line of arguments."""
    command = [sys.executable, "-c", "from benchmarks import kill_runs; kill_runs.serve()"]
    pipe, nothing = subprocess.PIPE, subprocess.DEVNULL
    with subprocess.Popen(command, bufsize=0, stdin=pipe, stdout=pipe, stderr=nothing) as process:
        if process.stdin and process.stdout:
            yield process.stdin, process.stdout


def serve() -> None:
    """Say of each run its process id when it starts, and its exit code when it ended."""
    plan.SPLIT_FILES, publish.GROUP_TEXT_BYTES, publish.FULL_TEXT_BYTES = 4, 10_000, 5_000
    for line in sys.stdin:
        if not (child := os.fork()):
            os.setsid()
            print(os.getpid(), flush=True)
            sys.stdout = sys.stderr
            try:
                cli.main(json.loads(line))
            except SystemExit as stopped:
                os._exit(int(stopped.code or 0))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


class _Rounds:
    """An input and an output that live on from round to round."""

    def __init__(
        self, folder: Path, output: snapshots.Output, starter: tuple[IO[bytes], IO[bytes]], choose: random.Random
    ) -> None:
        self._folder, self._output, self._choose = folder, output, choose
        self._orders, self._answers = starter
        (folder / "in").mkdir()
        for number in range(FILES * 3 // 4):
            self._write(number)
        self._seconds = [self._run()]  # of runs that nobody killed
        self._files, self._linked = 0, 0

    def kill_one(self, number: int) -> str:
        """What became of a run that was killed."""
        for at in self._choose.sample(range(FILES), 2):
            if self._choose.random() < 0.75:
                self._write(at)
            else:
                self._path(at).unlink(missing_ok=True)
        before, expected = self._latest(), self._batch(number)
        moment = self._choose.uniform(0, statistics.median(self._seconds[-5:]))  # the machine has other work, too
        left = self._kill(moment)
        after = self._latest()
        _require(after[1] == (before[1] if after[0] == before[0] else expected), "the latest is not whole")
        _require(not problems(self._output), f"`verify` finds {problems(self._output)}")
        if after[0] == before[0]:
            self._seconds.append(self._run())
        else:  # published in full: the next run finds nothing new, and takes less than one that can be killed
            left = "killed after it published" if left != "was not killed" else left
            self._run()
            _require(self._latest()[0] == after[0], "a run with nothing new published")
        _require(self._latest()[1] == expected, "the next run gave other rows than one that nobody killed")
        _require(not problems(self._output), f"`verify` finds {problems(self._output)}")
        self._count_links()
        housekeeping.collect_garbage(self._output, keep=2)
        print(f"{number:3} after {moment:.2f} s: {left}", flush=True)
        return left

    def figures(self) -> dict[str, float]:
        """How long the runs that nobody killed took, and how many of the files they published were linked."""
        return {
            "seconds of a run": round(statistics.median(self._seconds), 1),
            "linked files, %": round(100 * self._linked / max(1, self._files)),
        }

    def _path(self, number: int) -> Path:
        return self._folder / "in" / f"{number:02}.jsonl"

    def _write(self, number: int) -> None:
        seed = self._choose.randrange(10**6)
        text = content(seed) if number < ALIKE else json.dumps({"text": prose(seed, 200)})
        self._path(number).write_text(text, encoding="utf-8")

    def _run(self, output: str = "") -> float:
        """Run to the end; how long it took, in seconds."""
        began = time.monotonic()
        self._start(output)
        _require((code := self._answer()) == 0, f"a run that nobody killed exits with {code}")
        return time.monotonic() - began

    def _kill(self, moment: float) -> str:
        """Kill a run at a moment of its life, in seconds; how far it had come."""
        had = set(self._left())
        pid = self._start()
        if not select.select([self._answers], [], [], moment)[0]:
            os.killpg(pid, signal.SIGKILL)
        if self._answer() != -signal.SIGKILL:
            return "was not killed"
        left = [path for path in self._left() if path not in had]
        if any(path.startswith(snapshots.SNAPSHOTS) or "/snapshot/" in path for path in left):
            return "killed while it published"
        return "killed while it worked" if left else "killed before it wrote anything"

    def _start(self, output: str = "") -> int:
        """Start a run; its process."""
        options = ["--on-delete", "drop", "--workers", "1", "--max-quarantine", "1"]
        arguments = ["run", str(self._folder / "in"), "--output", output or self._output.root, *options]
        self._orders.write(json.dumps(arguments).encode() + b"\n")
        return self._answer()

    def _answer(self) -> int:
        return int(self._answers.readline())

    def _left(self) -> list[str]:
        """All files of the output but the lock, which stays."""
        listed = list_files(self._output.root)
        return [path for path in listed if path.count("/") > 1]

    def _latest(self, output: snapshots.Output | None = None) -> tuple[str, Rows]:
        """The run id and the rows of the latest snapshot."""
        output = output or self._output
        found = snapshots.latest(output)
        if found is None:
            sys.exit("there is no snapshot any more")
        return found[0], _rows(output, *found)

    def _batch(self, number: int) -> Rows:
        """The rows of a first run over all of the input."""
        output = snapshots.Output(str(self._folder / f"batch-{number}"))
        self._run(output.root)
        return self._latest(output)[1]

    def _count_links(self) -> None:
        run_id, manifest = snapshots.latest(self._output) or ("", {"files": []})
        names = [Path(file["path"]).name for file in manifest["files"]]
        self._files += len(names)
        self._linked += sum(not name.startswith(run_id) for name in names)


def _rows(output: snapshots.Output, run_id: str, manifest: dict[str, Any]) -> Rows:
    """All rows of a snapshot, without what tells when they came."""
    found: Rows = {}
    for name in (*DATASETS, "state/duplicates"):
        batches = snapshots.batches(output.snapshot(run_id), manifest, name)
        of_name = [row | {"run_id": "", "source_modified_at": None} for batch in batches for row in batch.to_pylist()]
        found[name] = {row["doc_id"]: row for row in of_name}
        _require(len(found[name]) == len(of_name), f"{name} of {run_id} has a doc_id twice")
    return found


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        sys.exit(otherwise)


if __name__ == "__main__":
    main()
