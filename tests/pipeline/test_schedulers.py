"""The README's examples for other schedulers, as far as it goes without those; their commands are millstream's own."""

from __future__ import annotations

import configparser
import datetime as dt
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from cronsim import CronSim

from pipeline import schedule
from tests.pipeline.running import call

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
PROGRAM = "/opt/millstream/bin/millstream"
EVERY_HOUR = [dt.datetime(2026, 1, 1, hour, tzinfo=dt.UTC) for hour in (1, 2, 3)]


def examples(language: str) -> list[str]:
    """The blocks of a language in the README's section on schedulers."""
    section = re.search(r"<!-- schedulers: .*? -->\n(.*?)<!-- end of schedulers -->", README, re.DOTALL)
    assert section is not None
    found = re.findall(rf"^```{language}\n(.*?)^```$", section[1], re.DOTALL | re.MULTILINE)
    assert found
    return found


def turns(expression: str) -> list[dt.datetime]:
    since = dt.datetime(2026, 1, 1, 0, 30, tzinfo=dt.UTC)
    return [turn for turn, _ in zip(CronSim(expression, since), range(3), strict=False)]


def dag() -> str:
    (source,) = examples("python")
    return source


def argument(name: str) -> str:
    """The text that the DAG gives to an argument."""
    (value,) = re.findall(rf'\b{name}="([^"]*)"', dag())
    return str(value)


def unit(name: str) -> configparser.ConfigParser:
    (text,) = (block for block in examples("ini") if block.startswith(f"# {name}\n"))
    parser = configparser.ConfigParser(interpolation=None)  # strict: refuses what is said twice
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(text)
    return parser


def crontab_line(language: str) -> tuple[str, str]:
    """The expression and the command of the example's only line."""
    (line,) = examples(language)
    *fields, command = line.split(maxsplit=5)
    return " ".join(fields), command.strip()


def commands() -> list[list[str]]:
    """What each scheduler starts, without the shell around it."""
    cron = re.fullmatch(r"cd \S+ && (.*) >> \S+ 2>&1", crontab_line("crontab")[1])
    assert cron is not None
    lines = [
        cron[1],
        crontab_line("supercronic")[1],
        unit("millstream.service")["Service"]["ExecStart"],
        argument("bash_command"),
    ]
    return [shlex.split(line) for line in lines]


def test_every_command_is_one_that_millstream_takes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    taken: list[Sequence[str]] = []

    def run_child(arguments: Sequence[str], _: schedule.Wait) -> tuple[int, signal.Signals]:
        taken.append(arguments)
        return 0, signal.SIGTERM

    monkeypatch.setattr(schedule, "run_child", run_child)
    for program, *arguments in commands():
        assert program in (PROGRAM, "millstream")
        assert call("schedule", "--cron", "0 * * * *", "--at-start", "--", *arguments) == 0
    assert len(taken) == 4


@pytest.mark.parametrize("language", ["crontab", "supercronic"])
def test_a_crontab_comes_due_every_hour(language: str) -> None:
    assert turns(crontab_line(language)[0]) == EVERY_HOUR


def test_a_crontab_has_no_percent_sign() -> None:
    assert "%" not in examples("crontab")[0]  # cron makes a line break of it


def test_the_units_belong_together() -> None:
    timer, service = unit("millstream.timer"), unit("millstream.service")
    assert timer.sections() == ["Unit", "Timer", "Install"]
    assert timer["Timer"]["OnCalendar"] == "hourly"
    assert service.sections() == ["Unit", "Service"]
    assert service["Service"]["Type"] == "oneshot"
    # A system that is read-only but for the folder that holds the output.
    assert service["Service"]["ReadWritePaths"] == service["Service"]["WorkingDirectory"]


def test_the_dag_comes_due_every_hour() -> None:
    assert turns(argument("schedule")) == EVERY_HOUR


def lint(source: str) -> subprocess.CompletedProcess[str]:
    rules = ["ruff", "check", "--isolated", "--select=AIR,E,F,I", "--line-length=120", "-"]
    return subprocess.run([sys.executable, "-m", *rules], input=source, check=False, capture_output=True, text=True)


def test_the_dag_is_one_of_airflow_3() -> None:
    compile(dag(), "dag", "exec")
    assert lint(dag()).returncode == 0, lint(dag()).stdout
    of_airflow_2 = lint(dag().replace("schedule=", "schedule_interval="))
    assert "`schedule_interval` is removed in Airflow 3.0" in of_airflow_2.stdout
