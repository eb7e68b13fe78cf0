"""The scheduler's command line and its processes: what is refused, what is passed on, and how a run ends with it."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

import pytest

from pipeline import schedule
from tests.pipeline.running import call, prose, rows

SCHEDULER = [sys.executable, "-m", "pipeline", "schedule"]
NEVER_REACHED = "0 0 1 1 *"  # of a test that stops in its first run

# --- processes; what stands in for millstream is a package of the same name


SCHEDULER_OF_ONE_RUN = """
import json, sys
stand_in = sys.argv.pop(1)  # for the child alone
sys.path[:] = [folder for folder in sys.path if folder != stand_in]
from pipeline import schedule
with schedule.signals() as wait:
    code, stop = schedule.run_child(sys.argv[1:], wait)
print(json.dumps([code, stop and stop.name]))
"""

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """Starts a scheduler that runs a program once, with arguments; a process of its own, which signals may hit."""

    def start(program: str, *arguments: str | Path) -> subprocess.Popen[str]:
        folder = tmp_path / "stand-in"
        (folder / "pipeline").mkdir(parents=True)
        (folder / "pipeline/__init__.py").touch()
        head = "import os, signal, subprocess, sys, time\nscheduler = os.getppid()\n"
        (folder / "pipeline/__main__.py").write_text(head + textwrap.dedent(program))
        command = [sys.executable, "-P", "-c", SCHEDULER_OF_ONE_RUN, folder, *arguments]
        environment = os.environ | {"PYTHONPATH": str(folder)}
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)

    return start


def ended(scheduler: subprocess.Popen[str]) -> list[object]:
    """The exit code of the run, and the name of the signal to stop that came meanwhile."""
    result: list[object] = json.loads(scheduler.communicate()[0])
    return result


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[IO[bytes]]:
    """A named pipe, `pipe` in the folder of the test: reading it ends when nobody has it open for writing."""
    os.mkfifo(tmp_path / "pipe")
    with open(os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK), "rb") as stream:
        os.set_blocking(stream.fileno(), True)
        yield stream


def closes(pipe: IO[bytes]) -> bool:
    """Whether those who have the pipe open for writing are gone, or go soon."""
    return bool(select.select([pipe], [], [], 30)[0]) and pipe.read() == b""


def test_the_exit_code_of_a_child_is_that_of_the_run(start: Start) -> None:
    program = "sys.exit(3 if sys.argv[1:] == ['run', 'a b', '--', '--runner=X'] else 1)"
    assert ended(start(program, "run", "a b", "--", "--runner=X")) == [3, None]


def test_a_stop_signal_is_passed_on_and_the_run_may_finish(start: Start) -> None:
    program = """
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
        os.kill(scheduler, signal.SIGINT)
        time.sleep(60)
        """
    assert ended(start(program)) == [7, "SIGINT"]


def test_a_second_signal_kills_a_run_that_does_not_listen(start: Start) -> None:
    program = """
        signal.signal(signal.SIGTERM, lambda *_: os.kill(scheduler, signal.SIGINT))
        os.kill(scheduler, signal.SIGTERM)
        time.sleep(60)
        """
    assert ended(start(program)) == [-signal.SIGKILL, "SIGTERM"]


def test_what_a_crashed_run_left_ends_with_it(start: Start, pipe: IO[bytes], tmp_path: Path) -> None:
    program = """
        worker = f"import time; pipe = open({sys.argv[1]!r}, 'w'); print(flush=True); time.sleep(60)"
        subprocess.Popen([sys.executable, "-c", worker], stdout=subprocess.PIPE).stdout.readline()
        os.kill(os.getpid(), signal.SIGKILL)
        """
    assert ended(start(program, tmp_path / "pipe")) == [-signal.SIGKILL, None]
    assert closes(pipe)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent has died")
def test_a_run_does_not_outlive_a_scheduler_that_was_killed(start: Start, pipe: IO[bytes], tmp_path: Path) -> None:
    program = "pipe = open(sys.argv[1], 'w'); print('runs', file=pipe, flush=True); time.sleep(60)"
    with start(program, tmp_path / "pipe") as scheduler:
        while not (line := pipe.readline()):
            assert scheduler.poll() is None  # nobody has opened the pipe yet
        assert line == b"runs\n"
        scheduler.kill()
    assert closes(pipe)


def test_a_folder_of_the_users_is_not_taken_for_the_program(tmp_path: Path) -> None:
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline/__init__.py").write_text("raise SystemExit(9)")
    command = [sys.executable, "-P", "-c", SCHEDULER_OF_ONE_RUN, "", "--version"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[0, null]"


def test_the_first_process_of_a_container_buries_what_others_left() -> None:
    program = """if True:
        import os
        from pipeline import schedule
        os.getpid = lambda: 1
        orphan = os.fork() or os._exit(0)
        os.waitid(os.P_PID, orphan, os.WEXITED | os.WNOWAIT)
        schedule._reap_adopted()
        try:
            os.waitpid(orphan, 0)
        except ChildProcessError:
            print("buried")
        """
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout == "buried\n"


# --- the command


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TZ", raising=False)
    Path("raw").mkdir()
    for number in range(3):
        Path(f"raw/{number}.txt").write_text(prose(number))
    return tmp_path


RUN = ["--", "run", "raw", "--output", "corpus"]
HOURLY = ["--cron", "0 * * * *"]


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([*RUN], "Missing option '--cron'"),
        (["--cron", "61 * * * *", *RUN], "the cron expression '61 * * * *' can't be read, bad minute: it has"),
        (["--cron", "@hourly", *RUN], "the cron expression '@hourly' can't be read, wrong number of fields"),
        (["--cron", "0 0 30 2 *", *RUN], "the cron expression '0 0 30 2 *' can't be read, bad day-of-month"),
        (["--cron", "0 0 */20 * 1L", *RUN], "the cron expression '0 0 */20 * 1L' never comes due"),
        ([*HOURLY, "--timezone", "Europe/Tirana", *RUN], "'Europe/Tirana' is not known: did you mean Europe/Tirane?"),
        ([*HOURLY, "--timezone", "../x", *RUN], "the time zone '../x' is not known"),
        ([*HOURLY, "--timezone", "", *RUN], "the time zone '' is not known"),
        ([*HOURLY, "--jitter", "30", *RUN], "jitter is '30': it must be a number of s, m, h or d, such as 26h"),
        (HOURLY, "no command was given: name one behind --"),
        ([*HOURLY, "--"], "no command was given: name one behind --"),
        ([*HOURLY, "--", "--", "--runner=FlinkRunner"], "no command was given: name one behind --"),
        ([*HOURLY, "--", "runn", "raw"], "No such command 'runn'. Did you mean 'run'?"),
        ([*HOURLY, *RUN, "--outptu", "x"], "No such option '--outptu'"),
        ([*HOURLY, *RUN, "--workers", "-1"], "workers is -1: it must be at least 0"),
        ([*HOURLY, *RUN, "--config", "no.toml"], "the configuration 'no.toml' can't be read"),
        ([*HOURLY, "--", "run", "raw"], "no output was given: name a folder with --output"),
        ([*HOURLY, "--", "gc", "corpus"], "Missing option '--keep'"),
    ],
)  # fmt: skip
def test_wrong_use_is_refused_at_once(capsys: pytest.CaptureFixture[str], arguments: list[str], says: str) -> None:
    assert call("schedule", *arguments) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.startswith("millstream: ")
    assert error.count("\n") == 1


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str]]:
    """The command lines of the runs; each of them ends with 3 and is told to stop."""
    seen: list[Sequence[str]] = []

    def run_child(arguments: Sequence[str], _: schedule.Wait) -> tuple[int, signal.Signals]:
        seen.append(arguments)
        return 3, signal.SIGINT

    monkeypatch.setattr(schedule, "run_child", run_child)
    return seen


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    "command",
    [
        ["run", "raw", "more raw", "--output", "corpus", "--", "--runner=FlinkRunner", "--", "-x"],
        ["gc", "s3://bucket/corpus", "--keep", "24", "--", "--s3_endpoint_url=http://localhost:9000"],
        ["verify", "corpus"],
    ],
)
def test_what_follows_the_dashes_is_passed_on_as_it_is(calls: list[Sequence[str]], command: list[str]) -> None:
    assert call("schedule", "--cron", NEVER_REACHED, "--at-start", "--", *command) == 130
    assert [list(arguments) for arguments in calls] == [command]


@pytest.mark.usefixtures("here", "calls")
def test_lines_are_json_when_those_of_the_run_are(capsys: pytest.CaptureFixture[str]) -> None:
    Path("millstream.toml").write_text('log-format = "json"')
    assert call("schedule", "--cron", NEVER_REACHED, "--timezone", "Asia/Tokyo", "--at-start", *RUN) == 130
    first, run = map(json.loads, capsys.readouterr().err.splitlines())
    assert first["next_run_at"] == run["started_at"]
    assert run["started_at"].endswith("+09:00")
    assert run["levelname"] == "WARNING"
    assert run["message"].startswith("run done, but too much quarantined: started ")
    facts = ("outcome", "exit_code", "skipped_turns", "next_run_at")
    assert [run[fact] for fact in facts] == ["done, but too much quarantined", 3, 0, None]


@pytest.mark.usefixtures("here", "calls")
@pytest.mark.parametrize(
    ("environment", "options", "offset"),
    [("", [], "+00:00"), ("Asia/Tokyo", [], "+09:00"), ("Asia/Tokyo", ["--timezone", "UTC"], "+00:00")],
)
def test_the_time_zone_is_that_of_the_environment_unless_an_option_says_otherwise(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    environment: str,
    options: list[str],
    offset: str,
) -> None:
    monkeypatch.setenv("TZ", environment)
    assert call("schedule", "--cron", NEVER_REACHED, "--at-start", *options, *RUN) == 130
    assert capsys.readouterr().err.splitlines()[0].endswith(offset)


def test_a_scheduler_runs_again_and_again_and_stops_cleanly(here: Path) -> None:
    command = [*SCHEDULER, "--cron", "* * * * * *", "--at-start", *RUN, "--workers", "1"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as scheduler:
        assert scheduler.stderr is not None
        lines: list[str] = []
        while sum("run done: started " in line for line in lines) < 2:
            lines.append(scheduler.stderr.readline())
            assert lines[-1], "it ended by itself"
        scheduler.send_signal(signal.SIGTERM)
        last = scheduler.stderr.readlines()
    # Whether the third run is at work by now is chance.
    stopped = any("run stopped by SIGTERM: " in line or "run killed by SIGTERM: " in line for line in last)
    assert scheduler.returncode == (143 if stopped else 0)
    assert not any("in use" in line for line in lines), "two runs at once"
    assert call("verify", "corpus") == 0
    assert len(rows(here / "corpus", "documents")) == 3
